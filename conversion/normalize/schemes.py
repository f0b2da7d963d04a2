"""Normalisation: rescale a network so that its activations fit the range of firing rates. Graph -> Graph.

Every scheme chooses, for each layer with weights and each junction, a scale s (one number, or one per channel): the
activation that is to become the rate 1. Then W_l <- W_l * s_(l-1) / s_l and b_l <- b_l / s_l (Diehl 2015, Rueckauer
2017; per channel, Kim 2020), and the network computes the same function up to the scale of its last layer.

A layer with a slope below zero sends negative spikes too, at most one per step as well. So s is measured on both sides
of zero where a layer sends negative values (`models.structure`), and the larger is taken: activations then lie in [-1,
1]. Under a slope of 0.1 the positive side nearly always is the larger one, and s is what Kim 2020 takes, the largest
activation; in a linear layer, or in a channel that is seldom above 0, negative rates would saturate. The output is not
sent on, and its s is that of its positive activations.

Under an activation function with a ceiling, such as ReLU6, s is no larger than the ceiling: this then is the fastest
rate of the neurons, which know no other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from conversion.normalize.scales import Scales, inherited, per_weight, rescale, within_ceiling
from conversion.options import CALIBRATED, Scheme
from models.graph import INPUT, Add, Array, Conv2d, Dense, Graph
from models.onnx_io import activations_in_turn
from models.structure import negative_senders


def normalize(
    graph: Graph, images: Array, scheme: Scheme, percentile: float | None = None, headroom: float = 1.0
) -> Graph:
    """The same network with weights and biases scaled for firing rates.

    Parameters
    ----------
    graph : Graph
    images : array, shape (n_images, *graph.input_shape)
        Calibration images; "model" only asks whether any value of them is negative, and "none" not even that.
    scheme : {"none", "model", "data", "percentile", "channel"}
        - none: as trained.
        - model: the largest activation that inputs in [0, 1] could cause, the sum of the positive weights (Diehl 2015);
          for inputs in [-1, 1], if some are negative.
        - data: the largest activation or weight (Diehl 2015, the telescoping form).
        - percentile: that percentile of the positive activations (Rueckauer 2017).
        - channel: the same per channel (Kim 2020).
    percentile : float, optional
        In (0, 100], for "percentile" (default 99.9) and "channel" (default 100, the maximum).
    headroom : float
        A factor on the scales of the schemes that look at images. Above 1 it leaves room for activations that are
        larger than those of the calibration images, which would be clipped, and makes all rates lower.

    Raises
    ------
    ValueError
        On an unknown scheme, or a percentile or headroom that is out of range or that the scheme would ignore.
    """
    if scheme not in get_args(Scheme):
        raise ValueError(f"normalization is {scheme!r}; known are {', '.join(map(repr, get_args(Scheme)))}")
    if percentile is not None and not 0 < percentile <= 100:
        raise ValueError(f"percentile is {percentile}; it lies in (0, 100]")
    if percentile is not None and scheme not in ("percentile", "channel"):
        raise ValueError(f"percentile is {percentile}, but normalization {scheme!r} does not use one")
    if not 0 < headroom < math.inf:
        raise ValueError(f"headroom is {headroom}; it is a factor above 0")
    if headroom != 1 and scheme not in CALIBRATED:
        raise ValueError(f"headroom is {headroom}, but normalization {scheme!r} looks at no images")
    match scheme:
        case "none":
            return graph
        case "model":
            return rescale(graph, model_scales(graph, bool(np.any(images < 0))))
        case "data":
            scales = data_scales(graph, images)
        case "percentile":
            scales = percentile_scales(graph, images, 99.9 if percentile is None else percentile)
        case "channel":
            scales = channel_scales(graph, images, 100.0 if percentile is None else percentile)
    sent = _sent_below_zero(graph, bool(np.any(images < 0)))
    least = {name: scale if name in sent else 0.0 for name, scale in scales.items()}
    return rescale(graph, {name: within_ceiling(graph[name], headroom * s, least[name]) for name, s in scales.items()})


def model_scales(graph: Graph, signed_input: bool = False) -> Scales:
    """Diehl 2015, algorithm 1: with inputs in [0, 1] no activation can exceed its scale, whatever the image.

    A layer that reads negative ones, or a signed input in [-1, 1], also counts their largest negative values, with its
    negative weights.
    """
    above: dict[str, Array] = {INPUT: np.ones(())}
    below: dict[str, Array] = {INPUT: np.asarray(float(signed_input))}
    for layer in graph:
        if isinstance(layer, Conv2d | Dense | Add):
            highest, lowest = _reach(layer, above, below)
            above[layer.name] = within_ceiling(layer, highest)
            below[layer.name] = max(0.0, float(np.max(layer.activation.negative_slope))) * lowest
        else:
            for bounds in (above, below):
                bounds[layer.name] = inherited(graph, layer, [bounds[name] for name in layer.inputs])
    sent = _sent_below_zero(graph, signed_input)
    names = [layer.name for layer in graph if isinstance(layer, Conv2d | Dense | Add)]
    return {name: np.maximum(above[name], below[name]) if name in sent else above[name] for name in names}


def data_scales(graph: Graph, images: Array) -> Scales:
    """Diehl 2015, algorithm 2: the largest activation over the images, or the largest weight if that is larger."""
    weights = {layer.name: layer.weight.max() for layer in graph if isinstance(layer, Conv2d | Dense)}
    largest = _per_layer(graph, images, np.max)
    return {name: np.maximum(value, weights.get(name, 0)) for name, value in largest.items()}


def percentile_scales(graph: Graph, images: Array, percentile: float) -> Scales:
    """Rueckauer 2017: a percentile of the positive activations, robust against a few outliers."""
    return _per_layer(graph, images, lambda values: _positive_percentile(values, percentile))


def channel_scales(graph: Graph, images: Array, percentile: float) -> Scales:
    """Kim 2020: a scale per channel, so that channels of small activation fire fast too.

    A channel that the images never activate gets the scale of the layer's most active one.
    """

    def by_channel(values: Array) -> Array:
        channels = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)
        return np.array([_positive_percentile(channel, percentile) for channel in channels])

    scales = _per_layer(graph, images, by_channel)
    return {name: np.where(scale > 0, scale, scale.max()) for name, scale in scales.items()}


def _per_layer(graph: Graph, images: Array, statistic: Callable[[Array], ArrayLike]) -> Scales:
    """A statistic of the activations of each layer with a scale of its own.

    Of layers that send negative values it is the larger of those of the activations and of their negatives.
    """
    scales, sent = {}, _sent_below_zero(graph, bool(np.any(images < 0)))
    names = [layer.name for layer in graph if isinstance(layer, Conv2d | Dense | Add)]
    for name, values in activations_in_turn(graph, images, names):
        sides = (values, -values) if name in sent else (values,)
        scales[name] = np.max([np.asarray(statistic(side), np.float64) for side in sides], axis=0)
    return scales


def _sent_below_zero(graph: Graph, signed_input: bool) -> set[str]:
    return {layer.name for layer, _ in negative_senders(graph, signed_input)}


def _positive_percentile(values: Array, percentile: float) -> float:
    positive = values[values > 0]
    return float(np.percentile(positive, percentile)) if positive.size else 0.0


def _reach(layer: Conv2d | Dense | Add, above: Scales, below: Scales) -> tuple[Array, Array]:
    """How far above and below zero the weighted input of a layer can be that reads values from -below to above."""
    if isinstance(layer, Add):
        totals = (sum(float(side[name].max()) for name in layer.inputs) for side in (above, below))
        highest, lowest = (np.asarray(np.max(layer.gain) * total) for total in totals)
        return highest, lowest
    upper, lower = (per_weight(layer, side[layer.inputs[0]]) for side in (above, below))
    bias = np.zeros(len(layer.weight), np.float32) if layer.bias is None else layer.bias
    return _worst_case(layer.weight, bias, upper, lower), _worst_case(layer.weight, -bias, lower, upper)


def _worst_case(weight: Array, bias: Array, above: Array, below: Array) -> Array:
    per_weight = np.maximum(weight * above, 0) + np.maximum(-weight * below, 0)
    per_unit = per_weight.reshape(len(weight), -1).sum(axis=1)
    return np.asarray((per_unit + np.maximum(bias, 0).reshape(len(weight), -1).max(axis=1)).max())

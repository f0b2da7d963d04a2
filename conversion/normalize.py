"""Normalisation: rescale a network so that its activations fit the range of firing rates. Graph -> Graph.

Every scheme chooses, for each layer with weights and each junction, a scale s (one number, or one per channel): the
activation that is to become the rate 1. Then W_l <- W_l * s_(l-1) / s_l and b_l <- b_l / s_l (Diehl 2015, Rueckauer
2017; per channel, Kim 2020), and the network computes the same function up to the scale of its last layer.

A leaky layer sends negative spikes too, at most one per step as well. So s is measured on both sides of zero where a
layer sends negative values (`models.signs.negative_senders`), and the larger is taken: activations then lie in [-1, 1].
Under a slope of 0.1 the positive side nearly always is the larger one, and s is what Kim 2020 takes, the largest
activation; in a linear layer, or in a channel that is seldom above 0, negative rates would saturate. The output is not
sent on, and its s is that of its positive activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import DisjointSet

from conversion.plan import per_channel
from models.graph import INPUT, Add, Array, Concat, Conv2d, Dense, Flatten, Graph, Layer
from models.onnx_runtime import activations
from models.signs import negative_senders, passes_to_junctions

Scheme = Literal["none", "model", "data", "percentile", "channel"]
Scales = Mapping[str, Array]
Given = Mapping[str, float | Array]


def normalize(graph: Graph, images: Array, scheme: Scheme, percentile: float | None = None) -> Graph:
    """The same network with weights and biases scaled for firing rates.

    Parameters
    ----------
    graph : Graph
    images : array, shape (n_images, *graph.input_shape)
        Calibration images; "none" and "model" do not look at them.
    scheme : {"none", "model", "data", "percentile", "channel"}
        - none: as trained.
        - model: the largest activation that inputs in [0, 1] could cause, the sum of the positive weights (Diehl 2015).
        - data: the largest activation or weight (Diehl 2015, the telescoping form).
        - percentile: that percentile of the positive activations (Rueckauer 2017).
        - channel: the same per channel (Kim 2020).
    percentile : float, optional
        In (0, 100], for "percentile" (default 99.9) and "channel" (default 100, the maximum).

    Raises
    ------
    ValueError
        On an unknown scheme, or a percentile that is out of range or that the scheme would ignore.
    """
    if scheme not in get_args(Scheme):
        raise ValueError(f"normalization is {scheme!r}; known are {', '.join(map(repr, get_args(Scheme)))}")
    if percentile is not None and not 0 < percentile <= 100:
        raise ValueError(f"percentile is {percentile}; it lies in (0, 100]")
    if percentile is not None and scheme not in ("percentile", "channel"):
        raise ValueError(f"percentile is {percentile}, but normalization {scheme!r} does not use one")
    match scheme:
        case "none":
            return graph
        case "model":
            return rescale(graph, model_scales(graph))
        case "data":
            return rescale(graph, data_scales(graph, images))
        case "percentile":
            return rescale(graph, percentile_scales(graph, images, 99.9 if percentile is None else percentile))
        case "channel":
            return rescale(graph, channel_scales(graph, images, 100.0 if percentile is None else percentile))


def rescale(graph: Graph, scales: Given) -> Graph:
    """The network whose layer `name` outputs its old output divided by `scales[name]`.

    Parameters
    ----------
    scales : mapping of str to array, shape () or (channels,)
        For each layer with weights and each junction. Layers without weights inherit the scale of what they read; paths
        that meet at a junction all get the largest of their scales.
    """
    effective = _propagated(graph, _alike_at_junctions(graph, scales))
    layers = (_rescaled(graph, layer, effective[layer.inputs[0]], effective[layer.name]) for layer in graph)
    return Graph(graph.input_shape, tuple(layers))


def balance(graph: Graph, scales: Given) -> tuple[Graph, Mapping[str, float]]:
    """The same spikes as those of `rescale`, by thresholds in the place of weights (Diehl 2015).

    The threshold of a layer is its scale over that of its input, and its weights stay as trained. What does change: a
    bias is divided by the scale of the input, since the spikes that it adds to stand for so much; and where spikes of
    unequal scales meet, in a concatenation or at a junction, the weights make up for it.

    Parameters
    ----------
    scales : mapping of str to array, shape ()
        As for `rescale`, but one number per layer, as a layer has one threshold.

    Returns
    -------
    Graph, mapping of str to float
        The network, and the `thresholds` of `conversion.simulate`.
    """
    effective = _propagated(graph, _alike_at_junctions(graph, scales))
    layers, thresholds = [], {}
    for layer in graph:
        before = effective[layer.inputs[0]]
        if not isinstance(layer, Conv2d | Dense | Add):
            layers.append(layer)
        elif passes_to_junctions(graph, layer):
            layers.append(_rescaled(graph, layer, before, effective[layer.name]))
        else:
            thresholds[layer.name] = _one_number(layer.name, effective[layer.name] / before.max())
            layers.append(_in_units(graph, layer, before, before.max()))
    return Graph(graph.input_shape, tuple(layers)), thresholds


def _one_number(name: str, threshold: Array) -> float:
    if threshold.ndim > 0:
        raise ValueError(f"{name!r} has {threshold.size} scales; a layer has one threshold, and so one scale")
    return float(threshold)


def equivalent_thresholds(trained: Graph, normalised: Graph) -> Mapping[str, float]:
    """The threshold of each layer with weights at which the trained weights do what the normalised ones do at 1.

    W_l * s_(l-1) / s_l at threshold 1 and W_l at threshold s_l / s_(l-1) give the same spikes (Diehl 2015 calls the
    two weight and threshold balancing). NaN where the ratio differs from weight to weight, as it does per channel.
    """
    thresholds = {}
    for layer in trained:
        other = normalised[layer.name]
        if isinstance(layer, Conv2d | Dense) and isinstance(other, Conv2d | Dense):
            used = other.weight != 0
            ratios = layer.weight[used] / other.weight[used]
            alike = ratios.size > 0 and np.ptp(ratios) <= 1e-3 * ratios.max()
            thresholds[layer.name] = float(np.median(ratios)) if alike else math.nan
    return thresholds


def model_scales(graph: Graph) -> Scales:
    """Diehl 2015, algorithm 1: with inputs in [0, 1] no activation can exceed its scale, whatever the image.

    A layer that reads leaky ones also counts their largest negative activations, with its negative weights.
    """
    above: dict[str, Array] = {}
    below: dict[str, Array] = {}
    for layer in (layer for layer in graph if isinstance(layer, Conv2d | Dense | Add)):
        bounds = _propagated(graph, above), _propagated(graph, below, at_input=0.0)
        slope = max(0.0, float(np.max(layer.activation.negative_slope)))
        above[layer.name], lowest = _reach(graph, layer, *bounds)
        below[layer.name] = slope * lowest
    sent = _sent_below_zero(graph)
    return {name: np.maximum(bound, below[name]) if name in sent else bound for name, bound in above.items()}


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
    """A statistic of the activations of each layer with a scale of its own; one layer in memory at a time.

    Of layers that send negative values it is the larger of those of the activations and of their negatives.
    """
    scales, sent = {}, _sent_below_zero(graph)
    for name in (layer.name for layer in graph if isinstance(layer, Conv2d | Dense | Add)):
        values = activations(graph, images, [name])[name]
        sides = (values, -values) if name in sent else (values,)
        scales[name] = np.max([np.asarray(statistic(side), np.float64) for side in sides], axis=0)
    return scales


def _sent_below_zero(graph: Graph) -> set[str]:
    return {layer.name for layer, _ in negative_senders(graph)}


def _positive_percentile(values: Array, percentile: float) -> float:
    positive = values[values > 0]
    return float(np.percentile(positive, percentile)) if positive.size else 0.0


def _reach(graph: Graph, layer: Conv2d | Dense | Add, above: Scales, below: Scales) -> tuple[Array, Array]:
    """How far above and below zero the weighted input of a layer can be that reads values from -below to above."""
    if isinstance(layer, Add):
        totals = (sum(float(side[name].max()) for name in layer.inputs) for side in (above, below))
        highest, lowest = (np.asarray(np.max(layer.gain) * total) for total in totals)
        return highest, lowest
    upper, lower = (_per_weight(graph, layer, side[layer.inputs[0]]) for side in (above, below))
    bias = np.zeros(len(layer.weight), np.float32) if layer.bias is None else layer.bias
    return _worst_case(layer.weight, bias, upper, lower), _worst_case(layer.weight, -bias, lower, upper)


def _worst_case(weight: Array, bias: Array, above: Array, below: Array) -> Array:
    per_weight = np.maximum(weight * above, 0) + np.maximum(-weight * below, 0)
    per_unit = per_weight.reshape(len(weight), -1).sum(axis=1)
    return np.asarray((per_unit + np.maximum(bias, 0).reshape(len(weight), -1).max(axis=1)).max())


def peers(graph: Graph) -> list[set[str]]:
    """The input and the layers with a scale, in sets that must have the same: paths that meet, and the output's."""
    alike = DisjointSet([INPUT, *(layer.name for layer in graph if isinstance(layer, Conv2d | Dense | Add))])
    meetings = (_owners(graph, layer.name, through=layer) for layer in graph if isinstance(layer, Add))
    for first, *others in (_owners(graph, graph.output.name), *meetings):
        for other in others:
            alike.merge(first, other)
    return alike.subsets()


def _alike_at_junctions(graph: Graph, scales: Given) -> Scales:
    """One scale for all paths that meet at a junction, the largest (Sengupta 2019), and one number for the output."""
    linear = {layer.name: np.zeros(()) for layer in graph if passes_to_junctions(graph, layer)}
    scales = linear | dict(scales)  # a linear layer without neurons needs no scale of its own
    output = _owners(graph, graph.output.name)[0]
    common: dict[str, Array] = {}
    for group in peers(graph):
        largest = _largest([np.asarray(scales[name]) for name in group - {INPUT}], one_number=output in group)
        common.update({name: np.ones(()) if INPUT in group else largest for name in group - {INPUT}})
    return common


def _largest(scales: list[Array], one_number: bool) -> Array:
    """The largest of several scales, per channel where all have the same channels."""
    if one_number or len({scale.shape for scale in scales}) != 1:
        scales = [scale.max() for scale in scales] or [np.ones(())]
    largest = np.max(scales, axis=0)
    return np.where(largest > 0, largest, 1.0)


def _owners(graph: Graph, name: str, through: Layer | None = None) -> list[str]:
    """The layers whose scales an output has: its own, or those behind pooling, concatenation and `through`."""
    if name == INPUT or (isinstance(graph[name], Conv2d | Dense | Add) and graph[name] is not through):
        return [name]
    return [owner for source in graph[name].inputs for owner in _owners(graph, source)]


def _propagated(graph: Graph, scales: Scales, at_input: float = 1.0) -> Scales:
    """A scale for every layer up to the last that `scales` names, inherited where a layer has none of its own."""
    complete: dict[str, Array] = {INPUT: np.asarray(at_input)}
    for layer in graph:
        if layer.name in scales:
            complete[layer.name] = np.asarray(scales[layer.name], np.float64)
        elif isinstance(layer, Conv2d | Dense | Add) or any(name not in complete for name in layer.inputs):
            continue
        else:
            complete[layer.name] = _inherited(graph, layer, [complete[name] for name in layer.inputs])
    return complete


def _inherited(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    if isinstance(layer, Concat):
        channels = [graph.shapes[name][0] for name in layer.inputs]
        return np.concatenate([np.broadcast_to(i, (n,)) for i, n in zip(inputs, channels, strict=True)])
    if isinstance(layer, Flatten) and inputs[0].ndim == 1:
        return np.repeat(inputs[0], math.prod(graph.shapes[layer.inputs[0]][1:]))
    return inputs[0]


def _rescaled(graph: Graph, layer: Layer, before: Array, after: Array) -> Layer:
    if not isinstance(layer, Conv2d | Dense | Add):
        return layer
    activation = replace(layer.activation, ceiling=_as_field(layer.activation.ceiling / after))
    if isinstance(layer, Add):
        return replace(layer, gain=_as_field(layer.gain * before / after), activation=activation)
    weight = layer.weight * _per_weight(graph, layer, before) / per_channel(after, layer.weight.ndim)
    bias = None if layer.bias is None else (layer.bias / per_channel(after, layer.bias.ndim)).astype(np.float32)
    return replace(layer, weight=weight.astype(np.float32), bias=bias, activation=activation)


def _in_units(graph: Graph, layer: Layer, before: Array, unit: Array) -> Layer:
    """The layer as it reads spikes of scale `before` and has potentials in units of `unit`."""
    scaled = _rescaled(graph, layer, before / unit, np.ones(()))
    activation = replace(layer.activation, ceiling=_as_field(layer.activation.ceiling / unit))
    if not isinstance(layer, Conv2d | Dense) or layer.bias is None:
        return replace(scaled, activation=activation)  # type: ignore[call-arg]
    return replace(scaled, activation=activation, bias=(layer.bias / unit).astype(np.float32))  # type: ignore[call-arg]


def _per_weight(graph: Graph, layer: Conv2d | Dense, input_scale: Array) -> Array:
    """The scale of the input that each weight reads, in a shape that multiplies `layer.weight`."""
    if input_scale.ndim == 0:
        return input_scale
    if isinstance(layer, Dense):
        return input_scale[None, :]
    by_group = input_scale.reshape(layer.groups, 1, -1).repeat(len(layer.weight) // layer.groups, axis=1)
    return by_group.reshape(len(layer.weight), -1, 1, 1)


def _as_field(value: float | Array) -> float | Array:
    value = np.asarray(value)
    return float(value) if value.ndim == 0 else value.astype(np.float32)

"""Normalisation: rescale a network so that its activations fit the range of firing rates. Graph -> Graph.

Every scheme chooses, for each layer with weights and each junction, a scale s (one number, or one per channel): the
activation that is to become the rate 1. Then W_l <- W_l * s_(l-1) / s_l and b_l <- b_l / s_l (Diehl 2015, Rueckauer
2017; per channel, Kim 2020), and the network computes the same function up to the scale of its last layer.
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
from models.signs import passes_to_junctions

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


def model_scales(graph: Graph) -> Scales:
    """Diehl 2015, algorithm 1: with inputs in [0, 1] no activation can exceed its scale, whatever the image."""
    bounds: dict[str, Array] = {}
    for layer in graph:
        known = _propagated(graph, bounds)
        if isinstance(layer, Add):
            total = sum(float(known[name].max()) for name in layer.inputs)
            bounds[layer.name] = np.asarray(np.max(layer.gain) * total)
        elif isinstance(layer, Conv2d | Dense):
            bounds[layer.name] = _worst_case(layer, _per_weight(graph, layer, known[layer.inputs[0]]))
    return bounds


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
        scales = np.array([_positive_percentile(channel, percentile) for channel in channels])
        return np.where(scales > 0, scales, scales.max())

    return _per_layer(graph, images, by_channel)


def _per_layer(graph: Graph, images: Array, statistic: Callable[[Array], ArrayLike]) -> Scales:
    """A statistic of the activations of each layer with a scale of its own; one layer in memory at a time."""
    names = [layer.name for layer in graph if isinstance(layer, Conv2d | Dense | Add)]
    return {name: np.asarray(statistic(activations(graph, images, [name])[name]), np.float64) for name in names}


def _positive_percentile(values: Array, percentile: float) -> float:
    positive = values[values > 0]
    return float(np.percentile(positive, percentile)) if positive.size else 0.0


def _worst_case(layer: Conv2d | Dense, input_bound: Array) -> Array:
    positive = np.maximum(layer.weight * input_bound, 0).reshape(len(layer.weight), -1).sum(axis=1)
    bias = 0.0 if layer.bias is None else np.maximum(layer.bias, 0).reshape(len(layer.weight), -1).max(axis=1)
    return np.asarray((positive + bias).max())


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


def _propagated(graph: Graph, scales: Scales) -> Scales:
    """A scale for every layer up to the last that `scales` names, inherited where a layer has none of its own."""
    complete: dict[str, Array] = {INPUT: np.ones(())}
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

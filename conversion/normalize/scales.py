"""Give every layer of a network another scale, by its weights or by its thresholds. Graph x scales -> Graph.

The scale s of a layer is the activation that is to become the rate 1. Weights become W_l * s_(l-1) / s_l and biases
b_l / s_l, or the threshold s_l / s_(l-1); the network computes the same function up to the scale of its last layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.graph import INPUT, Add, Array, Concat, Conv2d, Dense, Flatten, Graph, Layer
from models.structure import owners_of, passes_to_junctions, peers, per_channel

Scales = Mapping[str, Array]
Given = Mapping[str, float | Array]


def rescale(graph: Graph, scales: Given) -> Graph:
    """The network whose layer `name` outputs its old output divided by `scales[name]`.

    Parameters
    ----------
    scales : mapping of str to array, shape () or (channels,)
        For each layer with weights and each junction. Layers without weights inherit the scale of what they read; paths
        that meet at a junction all get the largest of their scales.
    """
    effective = propagate(graph, _alike_at_junctions(graph, scales))
    layers = (_rescaled(layer, effective[layer.inputs[0]], effective[layer.name]) for layer in graph)
    return Graph(graph.input_shape, tuple(layers))


def rescale_by_thresholds(graph: Graph, scales: Given) -> tuple[Graph, Mapping[str, float]]:
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
    effective = propagate(graph, _alike_at_junctions(graph, scales))
    layers, thresholds = [], {}
    for layer in graph:
        before = effective[layer.inputs[0]]
        if not isinstance(layer, Conv2d | Dense | Add):
            layers.append(layer)
        elif passes_to_junctions(graph, layer):
            layers.append(_rescaled(layer, before, effective[layer.name]))
        else:
            thresholds[layer.name] = _one_number(layer.name, effective[layer.name] / before.max())
            layers.append(_in_units(layer, before, before.max()))
    return Graph(graph.input_shape, tuple(layers)), thresholds


def _one_number(name: str, threshold: Array) -> float:
    if threshold.ndim > 0:
        raise ValueError(f"{name!r} has {threshold.size} scales; a layer has one threshold, and so one scale")
    return float(threshold)


def within_ceiling(layer: Layer, scale: float | Array, least: float | Array = 0.0) -> Array:
    """A scale, but no more than the ceiling of the layer's activation function, or than `least` if that is larger.

    One scale for channels of several ceilings is no more than the largest of them.
    """
    ceiling = np.asarray(layer.activation.ceiling, np.float64)
    return np.minimum(scale, np.maximum(ceiling if np.ndim(scale) else ceiling.max(), least))


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


def _alike_at_junctions(graph: Graph, scales: Given) -> Scales:
    """One scale for all paths that meet at a junction, the largest (Sengupta 2019), and one number for the output."""
    linear = {layer.name: np.zeros(()) for layer in graph if passes_to_junctions(graph, layer)}
    scales = linear | dict(scales)  # a linear layer without neurons needs no scale of its own
    output = owners_of(graph)[graph.output.name][0]
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


def propagate(graph: Graph, scales: Scales) -> Scales:
    """A scale for every layer, inherited where a layer has none of its own; that of the input is 1."""
    complete: dict[str, Array] = {INPUT: np.ones(())}
    for layer in graph:
        if layer.name in scales:
            complete[layer.name] = np.asarray(scales[layer.name], np.float64)
        else:
            complete[layer.name] = inherited(graph, layer, [complete[name] for name in layer.inputs])
    return complete


def inherited(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The scale of a layer without one of its own, made of those of what it reads."""
    if isinstance(layer, Concat):
        channels = [graph.shapes[name][0] for name in layer.inputs]
        return np.concatenate([np.broadcast_to(i, (n,)) for i, n in zip(inputs, channels, strict=True)])
    if isinstance(layer, Flatten) and inputs[0].ndim == 1:
        return np.repeat(inputs[0], math.prod(graph.shapes[layer.inputs[0]][1:]))
    return inputs[0]


def _rescaled(layer: Layer, before: Array, after: Array) -> Layer:
    if not isinstance(layer, Conv2d | Dense | Add):
        return layer
    activation = replace(layer.activation, ceiling=_as_field(layer.activation.ceiling / after))
    if isinstance(layer, Add):
        return replace(layer, gain=_as_field(layer.gain * before / after), activation=activation)
    weight = layer.weight * per_weight(layer, before) / per_channel(after, layer.weight.ndim)
    bias = None if layer.bias is None else (layer.bias / per_channel(after, layer.bias.ndim)).astype(np.float32)
    return replace(layer, weight=weight.astype(np.float32), bias=bias, activation=activation)


def _in_units(layer: Layer, before: Array, unit: Array) -> Layer:
    """The layer as it reads spikes of scale `before` and has potentials in units of `unit`."""
    scaled = _rescaled(layer, before / unit, np.ones(()))
    activation = replace(layer.activation, ceiling=_as_field(layer.activation.ceiling / unit))
    if not isinstance(layer, Conv2d | Dense) or layer.bias is None:
        return replace(scaled, activation=activation)  # type: ignore[call-arg]
    return replace(scaled, activation=activation, bias=(layer.bias / unit).astype(np.float32))  # type: ignore[call-arg]


def per_weight(layer: Conv2d | Dense, input_scale: Array) -> Array:
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

"""From layers to populations and projections: what will spike, what connects it, and with which delay.

A convolution, a dense layer, a pooling layer and a junction each become a population of neurons; max pooling,
upsampling and concatenation become relays. Flattening disappears into the connections, and so does a linear layer that
is read by junctions only (the last convolution of a residual block): its weights reach the junction directly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from conversion.plan import connections
from conversion.plan.average_pooling import average
from conversion.plan.connections import Connection
from conversion.plan.geometry import regions
from conversion.plan.max_pooling import MaxConnection
from models.graph import (
    INPUT,
    Add,
    Array,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Layer,
    MaxPool2d,
    Shape,
    Upsample2d,
)
from models.structure import negative_senders, passes_to_junctions, per_channel, possibly_negative, source_of

Role = Literal["input", "neuron", "relay"]


class ConversionError(ValueError):
    """A network that cannot become spikes as it stands; the message names the layer and what to do."""


@dataclass(frozen=True)
class Population:
    """Spiking neurons of one layer; `depth` is the longest way from the input, in steps."""

    name: str
    shape: Shape
    role: Role
    depth: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from one population to another; `layer` is the layer whose weights they carry.

    `name` is unique, also where two paths lead from one population to the same other.
    `delay` is in steps beyond the one that every projection takes: it lets paths of unequal length meet in step.
    `drawn` are those of each source neuron, in the engine's order, where they differ around it.
    """

    name: str
    source: str
    target: str
    layer: Layer
    connection: Connection
    delay: int
    drawn: NDArray[np.int64] | None = None

    @property
    def delays(self) -> NDArray[np.int64]:
        """Of each source neuron, shape (size,), or of all, shape (1,)."""
        return np.array([self.delay]) if self.drawn is None else self.drawn


@dataclass(frozen=True, eq=False)
class Plan:
    """Populations from the input to the output, projections between them, and the bias of each population.

    `slopes` are those of the activation functions below zero, of each population that sends negative spikes; that of a
    signed input is 1.
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    biases: Mapping[str, Array]
    slopes: Mapping[str, Array]

    @property
    def output(self) -> Population:
        return self.populations[-1]


def make_plan(graph: Graph, signed: bool = False, signed_input: bool = False) -> Plan:
    """Populations, projections and biases of a network; the slopes too if its neurons are `signed`, as Kim 2020's.

    A `signed_input` has negative values as well, as images have after their mean is subtracted.

    Raises
    ------
    ConversionError
        If a layer needs negative activity between layers and the neurons are not signed, if a slope is below 0, or if
        no layer has neurons.
    """
    _require_sendable(graph, signed, signed_input)
    populations = [Population(INPUT, graph.shapes[INPUT], "input", 0)]
    projections: list[Projection] = []
    depths = {INPUT: 0}
    for layer in (layer for layer in graph if _is_population(graph, layer)):
        incoming = list(_incoming(graph, layer))
        depth = depths[layer.name] = 1 + max(depths[source] for source, *_ in incoming)
        role: Role = "relay" if isinstance(layer, MaxPool2d | Concat | Upsample2d) else "neuron"
        populations.append(Population(layer.name, graph.shapes[layer.name], role, depth))
        for source, weights, connection in incoming:
            earlier = sum((p.source, p.target) == (source, layer.name) for p in projections)
            name = f"{source}_to_{layer.name}" + (f"__{earlier + 1}" if earlier else "")
            projections.append(Projection(name, source, layer.name, weights, connection, depth - depths[source] - 1))
    if len(populations) == 1:
        raise ConversionError("the network hands on its input as it is; there is nothing in it that spikes")
    biases = {p.name: _bias(graph, graph[p.name]) for p in populations[1:]}
    slopes = dict(_slopes(graph, populations[1:], signed_input)) if signed else {}
    if signed_input:
        slopes[INPUT] = np.ones(graph.input_shape)
    return Plan(tuple(populations), tuple(projections), biases, slopes)


def _is_population(graph: Graph, layer: Layer) -> bool:
    return not isinstance(layer, Flatten) and not passes_to_junctions(graph, layer)


def _require_sendable(graph: Graph, signed: bool, signed_input: bool) -> None:
    for layer, reader in negative_senders(graph, signed_input):
        slope = layer.activation.negative_slope
        if not signed:
            raise ConversionError(
                f"{layer.name!r} can be negative (slope {slope} below zero) and {reader.name!r} reads it, but its "
                "neurons only send positive spikes; use signed neurons, train it with ReLU, or see whether "
                "`brianize tailor` can rewrite it"
            )
        if np.min(slope) < 0:
            raise ConversionError(
                f"{layer.name!r} has a slope of {np.min(slope):g} below zero and {reader.name!r} reads it, but the "
                "slopes of signed neurons are 0 or more; train it with such slopes"
            )


def _slopes(graph: Graph, populations: list[Population], signed_input: bool) -> Iterator[tuple[str, Array]]:
    """The slope below zero of each population that can be negative, in the shape of its layer; that of a relay is 1."""
    negative = possibly_negative(graph, signed_input)
    for name, shape in ((p.name, p.shape) for p in populations):
        if name in negative:
            slope = per_channel(np.maximum(graph[name].activation.negative_slope, 0), len(shape))
            yield name, np.broadcast_to(slope, shape)


def _incoming(graph: Graph, layer: Layer) -> Iterator[tuple[str, Layer, Connection]]:
    """(source population, layer of the weights, connection) of everything that a population receives."""
    offset = 0
    for name in layer.inputs:
        if isinstance(layer, Add) and name != INPUT and passes_to_junctions(graph, graph[name]):
            linear = scale(graph[name], layer.gain)
            yield source_of(graph, linear.inputs[0]), linear, _connection(graph, linear, linear.inputs[0], 0)
        else:
            yield source_of(graph, name), layer, _connection(graph, layer, name, offset)
        offset += math.prod(graph.shapes[name])


def scale(layer: Layer, gain: float | Array) -> Layer:
    """A convolution or dense layer whose output is `gain` times what it was, per channel or as a whole."""
    assert isinstance(layer, Conv2d | Dense)
    factor = np.broadcast_to(np.asarray(gain, np.float32), layer.weight.shape[:1])
    bias = None if layer.bias is None else layer.bias * per_channel(factor, layer.bias.ndim)
    return replace(layer, weight=layer.weight * per_channel(factor, layer.weight.ndim), bias=bias)


def _connection(graph: Graph, layer: Layer, name: str, offset: int) -> Connection:
    """The connection from input `name` of `layer`, whose first element is element `offset` of a concatenation."""
    return connect(layer, graph.shapes[source_of(graph, name)], graph.shapes[layer.name], offset)


def connect(layer: Layer, source: Shape, target: Shape, offset: int = 0) -> Connection:
    """What a layer is between populations of two shapes; the first one is element `offset` of a concatenation."""
    match layer:
        case Dense():
            return connections.dense(layer.weight, source)
        case Conv2d():
            return connections.conv(
                layer.weight, source, target, layer.stride, layer.padding, layer.dilation, layer.groups
            )
        case MaxPool2d():
            return MaxConnection(regions(source, target, layer.kernel, layer.stride, layer.padding))
        case AvgPool2d():
            return average(source, target, layer.kernel, layer.stride, layer.padding, layer.count_padding)
        case Add():
            gain = np.broadcast_to(per_channel(layer.gain, len(target)), target).ravel()
            return connections.elementwise(gain, source, target)
        case Concat():
            return connections.elementwise(1.0, source, target, offset)
        case Upsample2d():
            return connections.upsampling(source, target, layer.factor)
    raise TypeError(f"{layer.name!r} is a {type(layer).__name__}, which has no connection")


def _bias(graph: Graph, layer: Layer) -> Array:
    """What a population receives when nothing spikes, in the shape of the layer, per unit of `max_rate`."""
    shape = graph.shapes[layer.name]
    match layer:
        case Add():
            inputs = (graph[name] for name in layer.inputs if name != INPUT)
            total = sum((_bias(graph, i) for i in inputs if passes_to_junctions(graph, i)), np.zeros(shape, np.float32))
            return total * per_channel(layer.gain, len(shape))
        case Conv2d(bias=bias) | Dense(bias=bias) if bias is not None:
            return np.broadcast_to(bias if bias.shape == shape else per_channel(bias, len(shape)), shape)
    return np.zeros(shape, np.float32)


def fan_out(plan: Plan, population: Population) -> NDArray[np.unsignedinteger]:
    """The number of synapses of each neuron, shape (size,) or, if all have as many, (1,).

    In the narrowest type: what a spike looks up should be in the cache.
    """
    outgoing = [p.connection.fan_out() for p in plan.projections if p.source == population.name]
    numbers = sum(outgoing, np.zeros(population.size, np.int64))
    narrow = numbers.astype(np.min_scalar_type(numbers.max()))
    return narrow[:1] if np.ptp(narrow) == 0 else narrow

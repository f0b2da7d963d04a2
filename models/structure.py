"""What a graph is like: where it is negative, what meets at a junction, what a layer depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from models.graph import INPUT, Add, Array, Conv2d, Dense, Flatten, Graph, Layer


def negative_senders(graph: Graph, signed_input: bool = False) -> list[tuple[Layer, Layer]]:
    """Layers that will have neurons and can be negative, each with the first layer that reads it.

    The input is none of them, whatever its sign, and the output may be negative.
    """
    found, negative, output = [], possibly_negative(graph, signed_input), source_of(graph, graph.output.name)
    for layer in graph:
        has_neurons = not isinstance(layer, Flatten) and not passes_to_junctions(graph, layer)
        readers = graph.readers(layer.name) if output != layer.name else ()
        if has_neurons and readers and layer.name in negative:
            found.append((layer, readers[0]))
    return found


def possibly_negative(graph: Graph, signed_input: bool = False) -> set[str]:
    """The layers whose output may be negative, given whether the input may; the input itself too if so."""
    found = {INPUT} if signed_input else set()
    for layer in graph:
        reads_negative = not found.isdisjoint(layer.inputs)
        if isinstance(layer, Conv2d | Dense) and layer.activation.is_linear:
            negative = reads_negative or not _only_adds(layer)
        elif isinstance(layer, Conv2d | Dense) or not layer.activation.is_linear:
            negative = layer.activation.is_signed
        else:
            negative = reads_negative
        if negative:
            found.add(layer.name)
    return found


def _only_adds(layer: Conv2d | Dense) -> bool:
    """Whether no weight and no bias is negative, as in a layer that takes every second pixel."""
    return bool(np.all(layer.weight >= 0)) and (layer.bias is None or bool(np.all(layer.bias >= 0)))


def passes_to_junctions(graph: Graph, layer: Layer) -> bool:
    """Whether a linear layer has no neurons of its own because junctions alone read it."""
    readers = graph.readers(layer.name)
    linear = isinstance(layer, Conv2d | Dense) and layer.activation.is_linear
    return linear and len(readers) > 0 and all(isinstance(reader, Add) for reader in readers)


def source_of(graph: Graph, name: str) -> str:
    """The layer whose output `name` is, looking through flattening."""
    while name != INPUT and isinstance(layer := graph[name], Flatten):
        name = layer.inputs[0]
    return name


def up_to(graph: Graph, name: str) -> Graph:
    """The layer of that name as the output, and all that it depends on."""
    needed = {graph[name].name}
    for layer in reversed(graph.layers):
        if layer.name in needed:
            needed.update(layer.inputs)
    return Graph(graph.input_shape, tuple(layer for layer in graph if layer.name in needed))


def peers(graph: Graph) -> list[set[str]]:
    """The input and the layers with a scale, in sets that must have the same: paths that meet, and the output's."""
    alike = DisjointSet([INPUT, *(layer.name for layer in graph if isinstance(layer, Conv2d | Dense | Add))])
    owners = owners_of(graph)
    meetings = ([owner for name in layer.inputs for owner in owners[name]] for layer in graph if isinstance(layer, Add))
    for first, *others in (owners[graph.output.name], *meetings):
        for other in others:
            alike.merge(first, other)
    return alike.subsets()


def owners_of(graph: Graph) -> Mapping[str, Sequence[str]]:
    """The layers whose scales each output has: its own, or those behind pooling and concatenation."""
    owners: dict[str, Sequence[str]] = {INPUT: [INPUT]}
    for layer in graph:
        if isinstance(layer, Conv2d | Dense | Add):
            owners[layer.name] = [layer.name]
        else:
            owners[layer.name] = list(dict.fromkeys(owner for name in layer.inputs for owner in owners[name]))
    return owners


def per_channel(values: float | Array, ndim: int) -> Array:
    """Values of one per channel, shaped to multiply an array whose first axis of `ndim` is the channel."""
    values = np.asarray(values, np.float32)
    return values if values.ndim == 0 else values.reshape(-1, *(1,) * (ndim - 1))

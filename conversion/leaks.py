"""A network without its leaks: what is lost where neurons send no negative spikes. Graph -> Graph."""

from __future__ import annotations

from dataclasses import replace

from models.graph import Add, Conv2d, Dense, Graph, Layer


def without_leaks(graph: Graph) -> Graph:
    """The same weights with ReLU in the place of every leaky ReLU and PReLU; linear layers stay as they are."""
    return Graph(graph.input_shape, tuple(map(_rectified, graph)))


def _rectified(layer: Layer) -> Layer:
    if not isinstance(layer, Conv2d | Dense | Add) or layer.activation.is_linear:
        return layer
    return replace(layer, activation=replace(layer.activation, negative_slope=0.0))

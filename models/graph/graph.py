"""Layers in a directed acyclic graph, whose shapes are checked at construction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from models.graph.layers import INPUT, Add, Concat, GraphError, Layer, Shape, require
from models.text import align, describe_shape


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """Layers in an order in which each reads only earlier ones; the last one is the output.

    Raises
    ------
    GraphError
        If a layer reads an unknown layer or the wrong number of them, a name is used twice, an output is left unread,
        or shapes do not fit; the message names both ends.
    """

    input_shape: Shape
    layers: tuple[Layer, ...]
    shapes: Mapping[str, Shape] = field(init=False)

    def __post_init__(self) -> None:
        require(len(self.layers) > 0, "a graph needs at least one layer")
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        for layer in self.layers:
            require(layer.name not in shapes, f"two layers are called {layer.name!r}")
            for name in layer.inputs:
                require(name in shapes, f"{layer.name!r} reads {name!r}, which no earlier layer is called")
            _require_inputs(layer)
            shapes[layer.name] = _check_shape(layer, shapes)
        read = {name for layer in self.layers for name in layer.inputs}
        unread = [layer.name for layer in self.layers[:-1] if layer.name not in read]
        require(not unread, f"nothing reads {', '.join(map(repr, unread))}")
        object.__setattr__(self, "shapes", MappingProxyType(shapes))

    def __repr__(self) -> str:
        ends = f"{describe_shape(self.input_shape)} to {describe_shape(self.shapes[self.output.name])}"
        return f"Graph({ends}, {len(self.layers)} layers)"

    def __str__(self) -> str:
        """A row per layer: what it is, reads and puts out, the shape of its weights, its activation function."""
        rows: list[tuple[str, ...]] = [("layer", "kind", "reads", "shape", "weights", "activation")]
        rows += [(INPUT, "", "", describe_shape(self.input_shape), "", ""), *map(self._row, self.layers)]
        return align(rows)

    def _row(self, layer: Layer) -> tuple[str, ...]:
        has = {f.name: getattr(layer, f.name) for f in fields(layer)}
        weights = describe_shape(has["weight"].shape) if "weight" in has else ""
        bias = " + bias" if has.get("bias") is not None else ""
        shape, activation = describe_shape(self.shapes[layer.name]), str(has.get("activation", ""))
        return layer.name, type(layer).__name__, ", ".join(layer.inputs), shape, weights + bias, activation

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, name: str) -> Layer:
        if name not in self._by_name:
            raise KeyError(f"no layer {name!r}; the layers are {', '.join(self._by_name)}")
        return self._by_name[name]

    @property
    def output(self) -> Layer:
        return self.layers[-1]

    def readers(self, name: str) -> tuple[Layer, ...]:
        """The layers that read layer `name`."""
        return self._readers.get(name, ())

    @cached_property
    def _by_name(self) -> Mapping[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def _readers(self) -> Mapping[str, tuple[Layer, ...]]:
        readers: dict[str, list[Layer]] = {}
        for layer in self.layers:
            for name in dict.fromkeys(layer.inputs):
                readers.setdefault(name, []).append(layer)
        return {name: tuple(layers) for name, layers in readers.items()}


def sequential(input_shape: Shape, *layers: Layer) -> Graph:
    """A graph in which each layer reads the one before it, whatever its `inputs` say."""
    names = [INPUT, *(layer.name for layer in layers)]
    return Graph(input_shape, tuple(replace(layer, inputs=(name,)) for name, layer in zip(names, layers, strict=False)))


def _check_shape(layer: Layer, shapes: Mapping[str, Shape]) -> Shape:
    given = [shapes[name] for name in layer.inputs]
    try:
        shape = layer.output_shape(*given)
        _require_per_channel(layer, shape)
        return shape
    except GraphError as error:
        ends = ", ".join(f"{name!r} {shape}" for name, shape in zip(layer.inputs, given, strict=True))
        raise GraphError(f"{layer.name!r} does not fit its input {ends}: {error}") from None


def _require_inputs(layer: Layer) -> None:
    """A layer without a place for a second input would ignore it without a word."""
    several, count = isinstance(layer, Add | Concat), len(layer.inputs)
    wanted = "at least one" if several else "exactly one"
    fits = count >= 1 if several else count == 1
    require(fits, f"{layer.name!r} reads {count} layers, {list(layer.inputs)}; it reads {wanted}")


def _require_per_channel(layer: Layer, shape: Shape) -> None:
    activation = layer.activation
    parameters = {"negative_slope": activation.negative_slope, "ceiling": activation.ceiling}
    for name, values in (parameters | {"gain": getattr(layer, "gain", 1.0)}).items():
        fits = np.shape(values) in ((), shape[:1])
        require(fits, f"{np.size(values)} values of {name} for {shape[0]} channels")

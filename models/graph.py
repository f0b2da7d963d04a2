"""What a network is: frozen layers in a directed acyclic graph, with shapes checked at construction.

Shapes follow ONNX: a map is (channels, height, width), a vector is (features,), and images come in
batches in front of that. Nothing here computes; onnxruntime does (`models.onnx_io.running`), and the spiking
engine (`conversion`) reads the same layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Shape = tuple[int, ...]
INPUT = "input"


class GraphError(ValueError):
    """A network that is not well formed; the message names the layers concerned."""


@dataclass(frozen=True, eq=False)
class Activation:
    """The function f(x) = min(x if x > 0 else negative_slope * x, ceiling).

    Slope 0 is ReLU, 0.1 the leaky ReLU of YOLO, 1 the identity; ceiling 6 is ReLU6. Both may be an array with
    one value per channel (PReLU; a ReLU6 after channel-wise normalisation).
    """

    negative_slope: float | Array = 0.0
    ceiling: float | Array = math.inf

    @property
    def is_linear(self) -> bool:
        return bool(np.all(np.asarray(self.negative_slope) == 1.0) and np.all(np.isinf(self.ceiling)))

    @property
    def is_signed(self) -> bool:
        """Whether the output can be negative."""
        return bool(np.any(np.asarray(self.negative_slope) != 0.0))


RELU = Activation()
LINEAR = Activation(negative_slope=1.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer:
    """A node of the graph: a name and the names of the layers it reads (or `INPUT`)."""

    name: str
    inputs: tuple[str, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        raise NotImplementedError

    @property
    def activation(self) -> Activation:
        return LINEAR


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Layer):
    """Fully connected: f(weight @ x + bias), weight (out, in), bias (out,) or None."""

    weight: Array
    bias: Array | None = None
    activation: Activation = RELU

    def output_shape(self, *shapes: Shape) -> Shape:
        _require(self.weight.ndim == 2, f"a dense layer has a weight (out, in), not {self.weight.shape}")
        features = self.weight.shape[1]
        _require(shapes[0] == (features,), f"weight {self.weight.shape} reads {features} features")
        shape = (self.weight.shape[0],)
        _require_bias(self.bias, shape)
        return shape


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv2d(Layer):
    """Convolution: weight (out, in / groups, k_y, k_x); bias (out,), a map (out, height, width) or None.

    `stride` and `dilation` are (y, x); `padding` is zeros at (top, left, bottom, right).
    """

    weight: Array
    bias: Array | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    activation: Activation = RELU

    def output_shape(self, *shapes: Shape) -> Shape:
        _require(len(shapes[0]) == 3, "a convolution reads maps (channels, height, width)")
        rank = f"a convolution has a weight (out, in, rows, columns), not {self.weight.shape}"
        _require(self.weight.ndim == 4, rank)
        _require(self.groups >= 1, f"groups is {self.groups}; there is at least one")
        channels_in, *size = shapes[0]
        channels_out, per_group, *kernel = self.weight.shape
        reads = f"weight {self.weight.shape} with {self.groups} groups reads {per_group * self.groups} channels"
        _require(channels_in == per_group * self.groups, reads)
        _require(channels_out % self.groups == 0, f"{channels_out} channels do not divide into {self.groups} groups")
        shape = (channels_out, *kernel_positions(size, kernel, self.stride, self.padding, self.dilation))
        _require_bias(self.bias, shape)
        return shape


@dataclass(frozen=True, eq=False, kw_only=True)
class Pool2d(Layer):
    """Geometry that both kinds of pooling share; see `Conv2d` for its fields."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    ceil_mode: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        _require(len(shapes[0]) == 3, "a pooling layer reads maps (channels, height, width)")
        channels, *size = shapes[0]
        return (channels, *kernel_positions(size, self.kernel, self.stride, self.padding, (1, 1), self.ceil_mode))


@dataclass(frozen=True, eq=False, kw_only=True)
class AvgPool2d(Pool2d):
    """Average pooling; `count_padding` says whether the zeros of the padding count in the mean."""

    count_padding: bool = True


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool2d(Pool2d):
    """Max pooling; the padding never wins."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Flatten(Layer):
    """A map read as a vector, in the order channel, row, column."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return (math.prod(shapes[0]),)


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Layer):
    """Junction of paths: f(gain * sum of the inputs), `gain` a number or one per channel.

    The gain is 1 in a trained network; normalisation sets it to the ratio of the scales before and after.
    """

    gain: float | Array = 1.0
    activation: Activation = LINEAR

    def output_shape(self, *shapes: Shape) -> Shape:
        _require(all(shape == shapes[0] for shape in shapes), "the inputs of an Add must have one shape")
        return shapes[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Layer):
    """The inputs side by side along the channels."""

    def output_shape(self, *shapes: Shape) -> Shape:
        _require(
            all(shape[1:] == shapes[0][1:] for shape in shapes), "the inputs of a Concat must have maps of one size"
        )
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])


@dataclass(frozen=True, eq=False)
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
    shapes: Mapping[str, Shape] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _require(len(self.layers) > 0, "a graph needs at least one layer")
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        for layer in self.layers:
            _require(layer.name not in shapes, f"two layers are called {layer.name!r}")
            for name in layer.inputs:
                _require(name in shapes, f"{layer.name!r} reads {name!r}, which no earlier layer is called")
            _require_inputs(layer)
            shapes[layer.name] = _check_shape(layer, shapes)
        read = {name for layer in self.layers for name in layer.inputs}
        unread = [layer.name for layer in self.layers[:-1] if layer.name not in read]
        _require(not unread, f"nothing reads {', '.join(map(repr, unread))}")
        object.__setattr__(self, "shapes", MappingProxyType(shapes))

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}; the layers are {', '.join(layer.name for layer in self.layers)}")

    @property
    def output(self) -> Layer:
        return self.layers[-1]

    def readers(self, name: str) -> tuple[Layer, ...]:
        """The layers that read layer `name`."""
        return tuple(layer for layer in self.layers if name in layer.inputs)


def sequential(input_shape: Shape, *layers: Layer) -> Graph:
    """A graph in which each layer reads the one before it, whatever its `inputs` say."""
    names = [INPUT, *(layer.name for layer in layers)]
    return Graph(input_shape, tuple(replace(layer, inputs=(name,)) for name, layer in zip(names, layers, strict=False)))


def kernel_positions(
    size: tuple[int, ...] | list[int],
    kernel: tuple[int, ...] | list[int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    ceil_mode: bool = False,
) -> tuple[int, int]:
    """How many positions (rows, columns) a kernel takes on a map of `size` (ONNX, operator Conv and AveragePool).

    With `ceil_mode` a kernel may hang over the end, as long as it starts inside the map or its leading padding.
    """
    for name, values, least in (
        ("kernel", kernel, 1),
        ("stride", stride, 1),
        ("dilation", dilation, 1),
        ("padding", padding, 0),
    ):
        _require(min(values) >= least, f"{name} is {tuple(values)}; each is {least} or more")
    counts = []
    for axis in range(2):
        padded = size[axis] + padding[axis] + padding[axis + 2]
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        _require(padded >= reach, f"a kernel of {reach} is larger than the padded map of {padded}")
        steps = (padded - reach) / stride[axis]
        count = (math.ceil(steps) if ceil_mode else math.floor(steps)) + 1
        if ceil_mode and (count - 1) * stride[axis] >= size[axis] + padding[axis]:
            count -= 1
        counts.append(count)
    return counts[0], counts[1]


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
    _require(fits, f"{layer.name!r} reads {count} layers, {list(layer.inputs)}; it reads {wanted}")


def _require_per_channel(layer: Layer, shape: Shape) -> None:
    activation = layer.activation
    parameters = {"negative_slope": activation.negative_slope, "ceiling": activation.ceiling}
    for name, values in (parameters | {"gain": getattr(layer, "gain", 1.0)}).items():
        fits = np.shape(values) in ((), shape[:1])
        _require(fits, f"{np.size(values)} values of {name} for {shape[0]} channels")


def _require_bias(bias: Array | None, shape: Shape) -> None:
    if bias is not None and bias.shape not in (shape[:1], shape):
        raise GraphError(f"bias {bias.shape} is neither {shape[:1]} nor {shape}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise GraphError(message)

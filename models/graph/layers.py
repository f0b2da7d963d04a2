"""The layers of a network, each of which knows the shape that it makes of others, and their activation functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Shape = tuple[int, ...]
INPUT = "input"


class GraphError(ValueError):
    """A network that is not well formed; the message names the layers concerned."""


def require(condition: bool, message: str) -> None:
    if not condition:
        raise GraphError(message)


@dataclass(frozen=True, eq=False)
class Activation:
    """The function f(x) = min(x if x > 0 else negative_slope * x, ceiling).

    Slope 0 is ReLU, 0.1 the leaky ReLU of YOLO, 1 the identity; ceiling 6 is ReLU6. Both may be an array with
    one value per channel (PReLU; a ReLU6 after channel-wise normalisation).

    With `levels` L, a ReLU with a ceiling is rounded to one of L equal steps above 0, as floor(f(x) L / ceiling + 1/2)
    ceiling / L (QCFS; Bu et al., ICLR 2022). Spiking neurons do not round: L steps of time have these levels by
    themselves.
    """

    negative_slope: float | Array = 0.0
    ceiling: float | Array = math.inf
    levels: int = 0

    def __post_init__(self) -> None:
        stepped = not self.levels or (not self.is_signed and np.all(np.isfinite(self.ceiling)))
        require(self.levels >= 0 and bool(stepped), f"{self.levels} levels need a ReLU with a ceiling")

    @property
    def is_linear(self) -> bool:
        return bool(np.all(np.asarray(self.negative_slope) == 1.0) and np.all(np.isinf(self.ceiling)))

    @property
    def is_signed(self) -> bool:
        """Whether the output can be negative."""
        return bool(np.any(np.asarray(self.negative_slope) != 0.0))

    def __repr__(self) -> str:
        """In words, such as "slope 0.1 below zero, at most 6"; of values per channel the range."""
        slope = np.asarray(self.negative_slope)
        shape = "linear" if np.all(slope == 1.0) else f"slope {_range(slope)} below zero" if np.any(slope) else "ReLU"
        bounded = shape if np.all(np.isinf(self.ceiling)) else f"{shape}, at most {_range(self.ceiling)}"
        return f"{bounded}, in {self.levels} levels" if self.levels else bounded


RELU = Activation()
LINEAR = Activation(negative_slope=1.0)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Layer:
    """A node of the graph: a name and the names of the layers it reads (or `INPUT`)."""

    name: str
    inputs: tuple[str, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        raise NotImplementedError

    @property
    def activation(self) -> Activation:
        return LINEAR

    def __repr__(self) -> str:
        """The fields that are not as by default, of arrays the shape."""
        given = {f.name: _short(getattr(self, f.name)) for f in fields(self)}
        shown = [f"{f.name}={given[f.name]}" for f in fields(self) if given[f.name] != _short(f.default)]
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Dense(Layer):
    """Fully connected: f(weight @ x + bias), weight (out, in), bias (out,) or None."""

    weight: Array
    bias: Array | None = None
    activation: Activation = RELU

    def output_shape(self, *shapes: Shape) -> Shape:
        require(self.weight.ndim == 2, f"a dense layer has a weight (out, in), not {self.weight.shape}")
        features = self.weight.shape[1]
        require(shapes[0] == (features,), f"weight {self.weight.shape} reads {features} features")
        shape = (self.weight.shape[0],)
        _require_bias(self.bias, shape)
        return shape


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
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
        require(len(shapes[0]) == 3, "a convolution reads maps (channels, height, width)")
        rank = f"a convolution has a weight (out, in, rows, columns), not {self.weight.shape}"
        require(self.weight.ndim == 4, rank)
        require(self.groups >= 1, f"groups is {self.groups}; there is at least one")
        channels_in, *size = shapes[0]
        channels_out, per_group, *kernel = self.weight.shape
        reads = f"weight {self.weight.shape} with {self.groups} groups reads {per_group * self.groups} channels"
        require(channels_in == per_group * self.groups, reads)
        require(channels_out % self.groups == 0, f"{channels_out} channels do not divide into {self.groups} groups")
        shape = (channels_out, *kernel_positions(size, kernel, self.stride, self.padding, self.dilation))
        _require_bias(self.bias, shape)
        return shape


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Pool2d(Layer):
    """Geometry that both kinds of pooling share; see `Conv2d` for its fields."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    ceil_mode: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        require(len(shapes[0]) == 3, "a pooling layer reads maps (channels, height, width)")
        channels, *size = shapes[0]
        return (channels, *kernel_positions(size, self.kernel, self.stride, self.padding, (1, 1), self.ceil_mode))


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class AvgPool2d(Pool2d):
    """Average pooling; `count_padding` says whether the zeros of the padding count in the mean."""

    count_padding: bool = True


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class MaxPool2d(Pool2d):
    """Max pooling; the padding never wins."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Upsample2d(Layer):
    """Nearest-neighbour upsampling: each pixel becomes `factor` (rows, columns) of them."""

    factor: tuple[int, int]

    def output_shape(self, *shapes: Shape) -> Shape:
        require(len(shapes[0]) == 3, "upsampling reads maps (channels, height, width)")
        require(min(self.factor) >= 1, f"factor is {self.factor}; each is 1 or more")
        channels, height, width = shapes[0]
        return channels, height * self.factor[0], width * self.factor[1]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Flatten(Layer):
    """A map read as a vector, in the order channel, row, column."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return (math.prod(shapes[0]),)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Add(Layer):
    """Junction of paths: f(gain * sum of the inputs), `gain` a number or one per channel.

    The gain is 1 in a trained network; normalisation sets it to the ratio of the scales before and after.
    """

    gain: float | Array = 1.0
    activation: Activation = LINEAR

    def output_shape(self, *shapes: Shape) -> Shape:
        require(all(shape == shapes[0] for shape in shapes), "the inputs of an Add must have one shape")
        return shapes[0]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Concat(Layer):
    """The inputs side by side along the channels."""

    def output_shape(self, *shapes: Shape) -> Shape:
        require(
            all(shape[1:] == shapes[0][1:] for shape in shapes), "the inputs of a Concat must have maps of one size"
        )
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])


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
        require(min(values) >= least, f"{name} is {tuple(values)}; each is {least} or more")
    counts = []
    for axis in range(2):
        padded = size[axis] + padding[axis] + padding[axis + 2]
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        require(padded >= reach, f"a kernel of {reach} is larger than the padded map of {padded}")
        steps = (padded - reach) / stride[axis]
        count = (math.ceil(steps) if ceil_mode else math.floor(steps)) + 1
        if ceil_mode and (count - 1) * stride[axis] >= size[axis] + padding[axis]:
            count -= 1
        counts.append(count)
    return counts[0], counts[1]


def _require_bias(bias: Array | None, shape: Shape) -> None:
    if bias is not None and bias.shape not in (shape[:1], shape):
        raise GraphError(f"bias {bias.shape} is neither {shape[:1]} nor {shape}")


def _range(values: float | Array) -> str:
    low, high = np.min(values), np.max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _short(value: Any) -> str:
    return repr(value.shape if isinstance(value, np.ndarray) else value)

"""The network as far as an ONNX file has been read: layers, and signals that are on their way from one to the next.

A signal is pad(scale * layer + offset): scaling, shifts and zero padding wait there until a layer reads them and folds
them into its weights, exactly; what cannot be folded becomes a layer of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.graph import (
    INPUT,
    LINEAR,
    RELU,
    Activation,
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Layer,
    MaxPool2d,
    Pool2d,
    Shape,
)
from models.onnx_io.fold import compose, fold_after, fold_before, identity
from models.onnx_io.names import free_name

Padding = tuple[int, int, int, int]  # top, left, bottom, right
UNPADDED: Padding = (0, 0, 0, 0)
LARGEST_UNIT_MATRIX = 4096
LARGEST = 10**9  # numbers in one array


class OnnxError(ValueError):
    """An ONNX file that cannot become a graph; the message is one line that names the file and the problem."""


@dataclass(frozen=True, eq=False)
class Signal:
    """pad(scale * layer + offset); scale and offset have as many axes as the layer's output, padding is zeros."""

    layer: str
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    padding: Padding = UNPADDED

    @property
    def is_plain(self) -> bool:
        return not any(self.padding) and not np.any(self.offset) and bool(np.all(self.scale == 1.0))


def add_paddings(first: Padding, second: Padding) -> Padding:
    """Two paddings, one around the other."""
    return first[0] + second[0], first[1] + second[1], first[2] + second[2], first[3] + second[3]


def require_size(shape: Sequence[int]) -> None:
    """Raise an `OnnxError` about a shape that no memory holds."""
    if math.prod(shape) > LARGEST:
        raise OnnxError(f"shape {tuple(shape)} has {math.prod(shape)} values; {LARGEST} is the most possible")


class Trace:
    """The layers so far; `shared` are those that several nodes read, which must stay as they are."""

    def __init__(self, input_shape: Shape) -> None:
        require_size(input_shape)
        self.layers: dict[str, Layer] = {}
        self.shapes: dict[str, Shape] = {INPUT: input_shape}
        self.shared: set[str] = set()

    def signal(self, name: str) -> Signal:
        axes = (1,) * len(self.shapes[name])
        return Signal(name, np.ones(axes), np.zeros(axes))

    def shape(self, signal: Signal) -> Shape:
        top, left, bottom, right = signal.padding
        first, *size = self.shapes[signal.layer]
        return (first, size[0] + top + bottom, size[1] + left + right) if size else (first,)

    def add(self, layer: Layer) -> Signal:
        """A new layer, or another in the place of the one of the same name."""
        for name, values in vars(layer).items():
            if isinstance(values, np.ndarray) and not np.all(np.isfinite(values)):
                raise OnnxError(f"the {name} holds {values[~np.isfinite(values)][0]}; only finite values are possible")
        shape = layer.output_shape(*(self.shapes[name] for name in layer.inputs))
        require_size(shape)
        self.shapes[layer.name] = shape
        self.layers[layer.name] = layer
        return self.signal(layer.name)

    def add_weighted(self, layer: Conv2d | Dense, signal: Signal) -> Signal:
        """Add a convolution or fully connected layer that reads a signal, with all that waits there folded into it."""
        if isinstance(layer, Conv2d):
            layer = replace(layer, padding=add_paddings(layer.padding, signal.padding))
        layer = replace(layer, inputs=(signal.layer,))
        layer.output_shape(self.shapes[signal.layer])
        folded = fold_before(layer, signal.scale, signal.offset, self.shapes[signal.layer])
        if folded is None:
            raise OnnxError(
                f"{signal.layer!r} is scaled by factors that differ between pixels, which no convolution holds"
            )
        return self.add(folded)

    def add_pooling(self, layer: Pool2d, signal: Signal) -> Signal:
        """Add a pooling layer; zeros that pad the signal join its own padding where they cannot change the result."""
        joined = replace(layer, padding=add_paddings(layer.padding, signal.padding))
        if isinstance(joined, AvgPool2d):
            joined = replace(joined, count_padding=True)
        if any(signal.padding) and self._joins(layer, joined, signal):
            return self.add(replace(joined, inputs=(signal.layer,)))
        return self.add(replace(layer, inputs=(self.make_plain(signal),)))

    def _joins(self, layer: Pool2d, joined: Pool2d, signal: Signal) -> bool:
        top, left, bottom, right = joined.padding
        fits = max(top, bottom) < layer.kernel[0] and max(left, right) < layer.kernel[1]
        if not replace(signal, padding=UNPADDED).is_plain or layer.ceil_mode or not fits:
            return False
        if isinstance(layer, AvgPool2d):
            return layer.count_padding or not any(layer.padding)
        return self.is_positive(signal)

    def flatten(self, name: str, signal: Signal) -> Signal:
        if any(signal.padding):
            signal = self.signal(self.make_plain(signal))
        shape = self.shapes[signal.layer]
        flat = self.add(Flatten(name=name, inputs=(signal.layer,)))
        scale, offset = (np.broadcast_to(values, shape).reshape(-1) for values in (signal.scale, signal.offset))
        return replace(flat, scale=scale, offset=offset)

    def junction(self, kind: type[Add] | type[Concat], name: str, signals: Sequence[Signal]) -> Signal:
        return self.add(kind(name=name, inputs=tuple(self.make_plain(signal) for signal in signals)))

    def rescale(self, signal: Signal, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> Signal:
        """scale * signal + offset, in the layer itself where it is linear and nobody else reads it."""
        if any(signal.padding):
            signal = self.signal(self.make_plain(signal))
        layer = self.layers.get(signal.layer)
        if layer is not None and signal.is_plain and layer.activation.is_linear and signal.layer not in self.shared:
            folded = fold_after(layer, scale, offset)
            if folded is not None:
                return self.add(folded)
        return replace(signal, scale=signal.scale * scale, offset=signal.offset * scale + offset)

    def activate(self, signal: Signal, activation: Activation, name: str) -> Signal:
        """activation(signal): in the layer that makes the signal, or in one that does nothing else, called `name`."""
        source = self._origin(signal.layer, activation)
        if signal.is_plain and source is not None:
            combined = compose(source.activation, activation)
            if combined is not None:
                self.add(replace(source, activation=combined))  # type: ignore[call-arg]
                return signal
        if _is_relu(activation) and self.is_positive(signal):
            return signal
        return self._own_layer(name, activation, signal)

    def make_plain(self, signal: Signal) -> str:
        """The name of the layer whose output the signal is; a new one if scaling or padding waits."""
        if signal.is_plain:
            return signal.layer
        name = free_name(f"{signal.layer}_{'padded' if any(signal.padding) else 'scaled'}", self.shapes)
        return self._own_layer(name, RELU if self.is_positive(signal) else LINEAR, signal).layer

    def is_positive(self, signal: Signal) -> bool:
        """Whether the signal is known never to be negative."""
        return bool(np.all(signal.scale >= 0) and np.all(signal.offset >= 0)) and self._is_positive(signal.layer)

    def _is_positive(self, name: str) -> bool:
        pending, seen = [name], set[str]()
        while pending:
            name = pending.pop()
            layer = self.layers.get(name)
            if layer is None:  # the input
                return False
            if name in seen or not layer.activation.is_signed:
                continue
            seen.add(name)
            if isinstance(layer, Conv2d | Dense) or (isinstance(layer, Add) and np.any(np.asarray(layer.gain) < 0)):
                return False
            if np.any(np.asarray(layer.activation.ceiling) < 0):
                return False
            pending += layer.inputs
        return True

    def _own_layer(self, name: str, activation: Activation, signal: Signal) -> Signal:
        shape = self.shapes[signal.layer]
        if len(shape) == 1 and shape[0] > LARGEST_UNIT_MATRIX:
            raise OnnxError(
                f"needs a layer of its own for {shape[0]} features; {LARGEST_UNIT_MATRIX} is the most possible"
            )
        return self.add_weighted(identity(name, shape, activation), signal)

    def _origin(self, name: str, activation: Activation) -> Conv2d | Dense | Add | None:
        """The layer that can apply the activation: a max or a flattening in between makes no difference to it."""
        uniform = np.ndim(activation.negative_slope) == 0 and np.ndim(activation.ceiling) == 0
        monotone = np.all(np.asarray(activation.negative_slope) >= 0)
        while name in self.layers and name not in self.shared:
            layer = self.layers[name]
            if isinstance(layer, Conv2d | Dense | Add):
                return layer
            if not ((isinstance(layer, MaxPool2d) and monotone) or (isinstance(layer, Flatten) and uniform)):
                return None
            name = layer.inputs[0]
        return None


def _is_relu(activation: Activation) -> bool:
    return not activation.is_signed and bool(np.all(np.isinf(activation.ceiling)))

"""The network as far as an ONNX file has been read: layers, and signals that are on their way from one to the next.

A signal is pad(scale * layer + offset), or the values of scale * layer + offset in another order: scaling, shifts, zero
padding and order wait there until a layer reads them and folds them into its weights, exactly; what cannot be folded
becomes a layer of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

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
    Graph,
    Layer,
    MaxPool2d,
    Pool2d,
    Shape,
)
from models.onnx_io.fold import compose, fold_after, fold_before, identity, within_padding
from models.onnx_io.names import free_name
from models.onnx_io.places import (
    Places,
    as_convolution,
    compressed,
    in_layer,
    in_order,
    is_in_order,
    reading,
    without_border,
)
from models.onnx_io.running import predict
from models.onnx_io.signals import UNPADDED, OnnxError, Signal, add_paddings, require_size

LARGEST_UNIT_MATRIX = 4096


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
        if signal.places is not None:
            return signal.places.shape
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
        if signal.places is not None:
            layer, signal = self._reading_places(layer, signal, signal.places)
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

    def _reading_places(self, layer: Conv2d | Dense, signal: Signal, places: Places) -> tuple[Conv2d | Dense, Signal]:
        """The layer and the signal without its places, which are in the weights."""
        bare, shape = replace(signal, places=None), self.shapes[signal.layer]
        if isinstance(layer, Conv2d):
            taken = as_convolution(places, shape)
            if taken is None or layer.groups > 1 or taken[0].shape[2:] != (1, 1) or taken[1] != (1, 1):
                return layer, self.settle(signal)
            return replace(layer, weight=np.einsum("onyx,nc->ocyx", layer.weight, taken[0][:, :, 0, 0])), bare
        if places.ndim != 1 or layer.weight.shape[1] != places.size:
            raise OnnxError(f"weight {layer.weight.shape} does not read values of shape {places.shape}")
        require_size((len(layer.weight), math.prod(shape)))
        flat = bare if len(shape) == 1 else self.flatten(free_name(f"{signal.layer}_flatten", self.shapes), bare)
        return replace(layer, weight=reading(layer.weight, places, shape)), flat

    def settle(self, signal: Signal) -> Signal:
        """The signal without places: a convolution that takes them, or a matrix of ones and zeros."""
        places = signal.places
        if places is None:
            return signal
        name = free_name(f"{signal.layer}_parts", self.shapes)
        if places.ndim == 1:
            return self._own_layer(name, LINEAR, signal)
        inner, border = without_border(places) if places.ndim == 3 else (places, UNPADDED)
        taken = as_convolution(inner, self.shapes[signal.layer])
        if taken is None:
            raise OnnxError(
                f"the values of {signal.layer!r} come in another order, as {places.shape}, which is no choice of "
                "channels or of every n-th row and column; only a fully connected layer reads any order"
            )
        weight, stride = taken
        require_size(weight.shape)
        conv = Conv2d(name=name, inputs=(), weight=weight, stride=stride, activation=LINEAR)
        return replace(self.add_weighted(conv, replace(signal, places=None)), padding=border)

    def arrange(self, signal: Signal, places: Places, name: str) -> Signal:
        """The tensor that holds these places of the signal's layer; if that is a flattening, it is called `name`."""
        while isinstance(layer := self.layers.get(signal.layer), Flatten):
            shape = self.shapes[layer.inputs[0]]
            if signal.layer in self.shared:
                self.shared.add(layer.inputs[0])
            flat = self.shapes[layer.name]
            values = signal.scale, signal.offset
            scale, offset = (compressed(np.broadcast_to(v, flat).reshape(shape)) for v in values)
            signal = replace(signal, layer=layer.inputs[0], scale=scale, offset=offset)
        shape = self.shapes[signal.layer]
        bare = replace(signal, places=None)
        if places.ndim == 3:
            inner, border = without_border(places)
            if any(border) and inner.shape == shape and is_in_order(inner, shape):
                return replace(bare, padding=border)
        if not is_in_order(places, shape):
            return replace(signal, places=places)
        if places.shape == shape:
            return bare
        return self.flatten(name, bare) if places.ndim == 1 else replace(signal, places=places)

    def unpadded(self, signal: Signal) -> tuple[Signal, Places]:
        """The signal, in a layer of its own if it is padded, and the places of its tensor."""
        if any(signal.padding):
            signal = self.signal(self.make_plain(signal))
        return signal, in_order(self.shape(signal)) if signal.places is None else signal.places

    def add_pooling(self, layer: Pool2d, signal: Signal) -> Signal:
        """Add a pooling layer; zeros that pad the signal join its own padding where they cannot change the result.

        A scale and an offset per channel go past it: a mean takes any, a maximum those with which it stays the maximum.
        """
        signal = self.settle(signal)
        layer = within_padding(layer, self.shape(signal))
        joined = replace(layer, padding=add_paddings(layer.padding, signal.padding))
        if isinstance(joined, AvgPool2d):
            joined = replace(joined, count_padding=True)
        if any(signal.padding) and self._joins(layer, joined, signal):
            return self.add(replace(joined, inputs=(signal.layer,)))
        if any(signal.padding) or not self._goes_past(layer, signal):
            return self.add(replace(layer, inputs=(self.make_plain(signal),)))
        pooled = self.add(replace(layer, inputs=(signal.layer,)))
        offset = signal.offset
        if np.any(offset) and isinstance(layer, AvgPool2d) and any(layer.padding) and layer.count_padding:
            ones = np.ones((1, 1, *self.shapes[signal.layer][1:]), np.float32)
            alone = Graph(ones.shape[1:], (replace(layer, inputs=(INPUT,)),))
            offset = offset * predict(alone, ones)[0].astype(float)  # less at the border, where zeros count
        return replace(pooled, scale=signal.scale, offset=offset)

    def _goes_past(self, layer: Pool2d, signal: Signal) -> bool:
        per_channel = signal.scale.shape[1:] == (1, 1) and signal.offset.shape[1:] == (1, 1)
        if isinstance(layer, AvgPool2d):
            return per_channel
        unsigned = signal.layer == INPUT or self._is_positive(signal.layer)
        return per_channel and unsigned and bool(np.all(signal.scale >= 0))

    def _joins(self, layer: Pool2d, joined: Pool2d, signal: Signal) -> bool:
        top, left, bottom, right = joined.padding
        fits = max(top, bottom) < layer.kernel[0] and max(left, right) < layer.kernel[1]
        if not replace(signal, padding=UNPADDED).is_plain or layer.ceil_mode or not fits:
            return False
        if isinstance(layer, AvgPool2d):
            return layer.count_padding or not any(layer.padding)
        return self.is_positive(signal)

    def flatten(self, name: str, signal: Signal) -> Signal:
        if any(signal.padding) or signal.places is not None:
            signal = self.signal(self.make_plain(signal))
        shape = self.shapes[signal.layer]
        flat = self.add(Flatten(name=name, inputs=(signal.layer,)))
        scale, offset = (np.broadcast_to(values, shape).reshape(-1) for values in (signal.scale, signal.offset))
        return replace(flat, scale=scale, offset=offset)

    def junction(self, kind: type[Add] | type[Concat], name: str, signals: Sequence[Signal]) -> Signal:
        return self.add(kind(name=name, inputs=tuple(self.make_plain(signal) for signal in signals)))

    def rescale(self, signal: Signal, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> Signal:
        """scale * signal + offset, in the layer itself where it is linear and nobody else reads it."""
        if signal.places is not None:
            shape = self.shapes[signal.layer]
            factor, shift = in_layer(scale, signal.places, shape, 1.0), in_layer(offset, signal.places, shape, 0.0)
            if factor is not None and shift is not None:
                return replace(self.rescale(replace(signal, places=None), factor, shift), places=signal.places)
        if any(signal.padding) or signal.places is not None:
            signal = self.signal(self.make_plain(signal))
        layer = self.layers.get(signal.layer)
        if layer is not None and signal.is_plain and layer.activation.is_linear and signal.layer not in self.shared:
            folded = fold_after(layer, scale, offset)
            if folded is not None:
                return self.add(folded)
        return replace(signal, scale=signal.scale * scale, offset=signal.offset * scale + offset)

    def activate(self, signal: Signal, activation: Activation, name: str) -> Signal:
        """activation(signal): in the layer that makes the signal, or in one that does nothing else, called `name`."""
        if signal.places is not None:
            if _is_uniform(activation):
                return replace(self.activate(replace(signal, places=None), activation, name), places=signal.places)
            signal = self.settle(signal)
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
        signal = self.settle(signal)
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
        shape = self.shapes[signal.layer] if signal.places is None else signal.places.shape
        if len(shape) == 1 and shape[0] > LARGEST_UNIT_MATRIX:
            raise OnnxError(
                f"needs a layer of its own for {shape[0]} features; {LARGEST_UNIT_MATRIX} is the most possible"
            )
        return self.add_weighted(identity(name, shape, activation), signal)

    def _origin(self, name: str, activation: Activation) -> Conv2d | Dense | Add | None:
        """The layer that can apply the activation: a max or a flattening in between makes no difference to it."""
        uniform = _is_uniform(activation)
        monotone = np.all(np.asarray(activation.negative_slope) >= 0)
        while name in self.layers and name not in self.shared:
            layer = self.layers[name]
            if isinstance(layer, Conv2d | Dense | Add):
                return layer
            if not ((isinstance(layer, MaxPool2d) and monotone) or (isinstance(layer, Flatten) and uniform)):
                return None
            name = layer.inputs[0]
        return None


def _is_uniform(activation: Activation) -> bool:
    return np.ndim(activation.negative_slope) == 0 and np.ndim(activation.ceiling) == 0


def _is_relu(activation: Activation) -> bool:
    return not activation.is_signed and bool(np.all(np.isinf(activation.ceiling)))

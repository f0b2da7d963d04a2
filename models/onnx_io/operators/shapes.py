"""ONNX operators that change the shape, the order, the type or the extent of a signal but not its values.

Parts of maps, and zeros beside them, are convolutions of ones and zeros: together the shortcut without weights of He
2016 (option A), every second pixel and channels of zeros.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from models.graph import LINEAR, Array, Conv2d
from models.onnx_io.fold import identity
from models.onnx_io.inputs import FLOATS
from models.onnx_io.node import BehindLogits, Node, Value
from models.onnx_io.operators.arithmetic import EVALUATE
from models.onnx_io.places import Places
from models.onnx_io.signals import OnnxError, Signal
from models.onnx_io.trace import Trace


def flatten(trace: Trace, node: Node) -> Value:
    here = trace.shape(node.signal())
    if node.attributes.get("axis", 1) not in (1, -len(here)):
        raise OnnxError(f"axis {node.attributes['axis']} is not supported; only axis 1 is possible")
    return _reshape_to(trace, node, [node.batch, math.prod(here)])


def reshape(trace: Trace, node: Node) -> Value:
    shape = (node.batch, *trace.shape(node.signal()))
    keeps_zero = node.attributes.get("allowzero", 0)
    entries = node.whole_numbers("shape", 1) or []
    wanted = [shape[i] if n == 0 and not keeps_zero and i < len(shape) else n for i, n in enumerate(entries)]
    return _reshape_to(trace, node, [_left_over(wanted, shape) if n == -1 else n for n in wanted])


def _left_over(wanted: list[int], shape: tuple[int, ...]) -> int:
    return math.prod(shape) // max(math.prod(n for n in wanted if n != -1), 1)


def _reshape_to(trace: Trace, node: Node, shape: list[int]) -> Value:
    signal = node.signal()
    here = [node.batch, *trace.shape(signal)]
    if shape == here:
        return signal
    if shape == here[:1] and math.prod(here[1:]) == 1:  # the one output of each image, without an axis of its own
        return BehindLogits(signal, node.operator)
    if shape[:1] != here[:1] or len(shape) < 2 or math.prod(shape) != math.prod(here) or min(shape) < 1:
        raise OnnxError(f"makes shape {shape} of {here}; only the shape of each image can change, not the batch")
    signal, places = trace.unpadded(signal)
    return _arrange(trace, node, signal, places.reshape(shape[1:]))


def _arrange(trace: Trace, node: Node, signal: Signal, places: Places) -> Signal:
    return trace.arrange(signal, places, node.name("flatten", trace.shapes))


def squeeze(trace: Trace, node: Node) -> Value:
    shape = (node.batch, *trace.shape(node.signal()))
    axes = node.whole_numbers("axes", 1)
    if axes is None:
        raise OnnxError("names no axes, so a batch of one image would lose its batch; write the axes")
    gone = [_axis(axis, len(shape)) for axis in axes]
    return _reshape_to(trace, node, [n for i, n in enumerate(shape) if not (i in gone and n == 1 and i > 0)])


def unsqueeze(trace: Trace, node: Node) -> Value:
    shape = [node.batch, *trace.shape(node.signal())]
    axes = node.whole_numbers("axes", 1) or []
    if 0 in (_axis(axis, len(shape) + len(axes)) for axis in axes):
        raise OnnxError("puts an axis in front of the batch; only the shape of each image can change")
    for axis in sorted(_axis(axis, len(shape) + len(axes)) for axis in axes):
        shape.insert(axis, 1)
    return _reshape_to(trace, node, shape)


def transpose(trace: Trace, node: Node) -> Value:
    axes = len(trace.shape(node.signal())) + 1
    order = list(node.attributes.get("perm", reversed(range(axes))))
    if order == list(range(axes)):
        return node.signal()
    if sorted(order) != list(range(axes)) or order[0] != 0:
        raise OnnxError(f"reorders the axes to {order}; only those behind the batch can be reordered")
    signal, places = trace.unpadded(node.signal())
    return _arrange(trace, node, signal, places.transpose([axis - 1 for axis in order[1:]]))


def gather(trace: Trace, node: Node) -> Value:
    """Some channels, or some features, by their numbers."""
    signal, places = trace.unpadded(node.signal())
    axis = _axis(node.attributes.get("axis", 0), places.ndim + 1)
    if axis == 0:
        raise OnnxError("takes some images out of the batch; only parts of each image are possible")
    chosen, size = node.required(1, "indices"), places.shape[axis - 1]
    if chosen.dtype.kind not in "iu" or np.any((chosen < -size) | (chosen >= size)):
        raise OnnxError(f"takes {chosen.tolist()} of {size}; whole numbers from {-size} to {size - 1} are possible")
    return _arrange(trace, node, signal, np.take(places, chosen, axis - 1))


def split(trace: Trace, node: Node) -> tuple[Signal, ...]:
    """Parts side by side, one for each output."""
    signal, places = trace.unpadded(node.signal())
    axis, parts = _axis(node.attributes.get("axis", 0), places.ndim + 1), len(node.proto.output)
    if axis == 0:
        raise OnnxError("splits the batch; only parts of each image are possible")
    size = places.shape[axis - 1]
    sizes = node.whole_numbers("split", 1)
    sizes = [math.ceil(size / parts)] * (parts - 1) if sizes is None else sizes[:-1]
    trace.shared.add(signal.layer)  # all parts read it
    return tuple(_arrange(trace, node, signal, part) for part in np.split(places, np.cumsum(sizes), axis - 1))


def space_to_depth(trace: Trace, node: Node) -> Value:
    """The pixels of each block as channels, as the passthrough of YOLOv2 and the first layer of YOLOv5 have them."""
    signal, places = trace.unpadded(node.signal())
    block = node.attributes["blocksize"]
    if places.ndim != 3 or places.shape[1] % block or places.shape[2] % block:
        raise OnnxError(f"makes blocks of {block} x {block} pixels of {places.shape}, which do not fit")
    channels, height, width = places.shape[0], places.shape[1] // block, places.shape[2] // block
    blocks = places.reshape(channels, height, block, width, block).transpose(2, 4, 0, 1, 3)
    return _arrange(trace, node, signal, blocks.reshape(-1, height, width))


def _axis(axis: int, axes: int) -> int:
    if not -axes <= axis < axes:
        raise OnnxError(f"axis {axis} is none of {axes}")
    return int(axis) % axes


def shape_of(trace: Trace, node: Node) -> Value:
    shape = np.array([node.batch, *trace.shape(node.signal())], np.int64)
    return shape[node.attributes.get("start", 0) : node.attributes.get("end")]


def pass_on(trace: Trace, node: Node) -> Value:
    return node.signal()


def cast(trace: Trace, node: Node) -> Value:
    if node.attributes["to"] not in FLOATS:
        raise OnnxError(
            f"casts a signal to {TensorProto.DataType.Name(node.attributes['to'])}; only a float is possible"
        )
    return node.signal()


def cast_like(trace: Trace, node: Node) -> Value:
    value = node.inputs[0]
    return value if isinstance(value, np.ndarray) else node.signal()


def dropout(trace: Trace, node: Node) -> Value:
    if np.any(node.setting("training_mode", 2, False)):
        raise OnnxError(f"was exported in training mode; {EVALUATE}")
    return node.signal()


def every_nth(trace: Trace, node: Node) -> Value:
    """A slice of rows and columns up to the last: a strided convolution that keeps one pixel of each region."""
    signal = node.signal()
    shape = trace.shape(signal)
    if len(shape) != 3 or signal.places is not None:
        return _parts(trace, node)
    stride, first = [1, 1], [0, 0]
    for axis, start, end, step in _ranges(node, len(shape) + 1):
        size = (node.batch, *shape)[axis]
        start = max(start + size, 0) if start < 0 else start
        if axis < 2 and (start, step) == (0, 1) and end >= size:
            continue
        if axis < 2 or not 0 <= start < step or end < size:
            return _parts(trace, node)
        stride[axis - 2], first[axis - 2] = step, start
    return _stride(trace, node, signal, (stride[0], stride[1]), (first[0], first[1]))


def _parts(trace: Trace, node: Node) -> Value:
    """Any other slice."""
    signal, places = trace.unpadded(node.signal())
    cut = [slice(None)] * (places.ndim + 1)
    for axis, start, end, step in _ranges(node, places.ndim + 1):
        if axis == 0 and (start, step) != (0, 1):
            raise OnnxError("takes some images out of the batch; only parts of each image are possible")
        cut[axis] = slice(start, None if end < 0 and step < 0 and -end > places.shape[axis - 1] else end, step)
    taken = places[tuple(cut[1:])]
    if taken.size == 0:
        raise OnnxError(f"takes nothing of a tensor of shape {places.shape}")
    return _arrange(trace, node, signal, taken)


def _ranges(node: Node, axes: int) -> list[tuple[int, int, int, int]]:
    """(axis, start, end, step) of each axis that a slice names."""
    starts, ends, named, steps = (
        node.whole_numbers(name, place) for place, name in enumerate(("starts", "ends", "axes", "steps"), 1)
    )
    starts, ends = starts or [], ends or []
    named, steps = named or list(range(len(starts))), steps or [1] * len(starts)
    return [(_axis(axis, axes), a, b, n) for axis, a, b, n in zip(named, starts, ends, steps, strict=True)]


def _stride(trace: Trace, node: Node, signal: Signal, stride: tuple[int, int], first: tuple[int, int]) -> Value:
    if stride == (1, 1):
        return signal
    layer = _own_linear(trace, signal)
    if layer is not None and layer.weight.shape[2:] == (1, 1) and not any(layer.padding) and first == (0, 0):
        return trace.add(replace(layer, stride=(layer.stride[0] * stride[0], layer.stride[1] * stride[1])))
    channels = trace.shape(signal)[0]
    weight = np.zeros((channels, 1, first[0] + 1, first[1] + 1), np.float32)
    weight[:, :, -1, -1] = 1
    name = node.name("slice", trace.shapes)
    return trace.add_weighted(
        Conv2d(name=name, inputs=(), weight=weight, stride=stride, groups=channels, activation=LINEAR), signal
    )


def zero_channels(trace: Trace, node: Node, signal: Signal, before: int, after: int) -> Signal:
    """Maps of zeros in front of and behind those of a signal: output channels without weights."""
    layer = _own_linear(trace, signal)
    if layer is None:
        shape = trace.shapes[signal.layer]
        padded = trace.add_weighted(identity(node.name("pad", trace.shapes), shape, LINEAR), signal)
        layer = trace.layers[padded.layer]  # type: ignore[assignment]
    assert isinstance(layer, Conv2d)
    edge = (before, after)
    weight = np.pad(_ungroup(layer), (edge, (0, 0), (0, 0), (0, 0)))
    bias = None if layer.bias is None else np.pad(layer.bias, edge)
    return trace.add(replace(layer, weight=weight, bias=bias, groups=1))


def _own_linear(trace: Trace, signal: Signal) -> Conv2d | None:
    """The convolution that makes a signal, if it may be changed: linear, and read by nothing else."""
    layer = trace.layers.get(signal.layer)
    if not isinstance(layer, Conv2d) or not signal.is_plain or signal.layer in trace.shared:
        return None
    one_bias_per_channel = layer.bias is None or layer.bias.ndim == 1
    return layer if layer.activation.is_linear and one_bias_per_channel else None


def _ungroup(layer: Conv2d) -> Array:
    """The weights of a convolution with groups, as those of one without."""
    out, per_group, *kernel = layer.weight.shape
    weight = np.zeros((layer.groups, out // layer.groups, layer.groups, per_group, *kernel), np.float32)
    for group, rows in enumerate(layer.weight.reshape(layer.groups, -1, per_group, *kernel)):
        weight[group, :, group] = rows
    return weight.reshape(out, -1, *kernel)

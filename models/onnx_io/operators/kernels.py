"""ONNX operators that slide a kernel over maps: convolution, pooling and padding."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from models.graph import LINEAR, AvgPool2d, Conv2d, MaxPool2d
from models.onnx_io.fold import bias_or_none, to_single
from models.onnx_io.node import Node, Value
from models.onnx_io.operators.shapes import zero_channels
from models.onnx_io.places import ZERO, whole_windows
from models.onnx_io.signals import UNPADDED, OnnxError, Padding, Signal, add_paddings, require_size
from models.onnx_io.trace import Trace

AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def convolution(trace: Trace, node: Node) -> Value:
    weight, bias = node.required(1, "weight"), node.constant(2, "bias")
    size = _map_size(trace, node)
    if weight.ndim != 4:
        raise OnnxError(f"the weight has shape {weight.shape}; only 2-d convolutions are possible")
    kernel = (weight.shape[2], weight.shape[3])
    if bias is not None and bias.shape != weight.shape[:1]:
        raise OnnxError(
            f"the bias has shape {bias.shape}, but the weight {weight.shape} makes {weight.shape[0]} channels"
        )
    if tuple(node.attributes.get("kernel_shape", kernel)) != kernel:
        raise OnnxError(
            f"kernel_shape is {list(node.attributes['kernel_shape'])}, but the weight {weight.shape} has kernels of "
            f"{list(kernel)}; export the network again"
        )
    stride, dilation, groups = _pair(node, "strides"), _pair(node, "dilations"), node.attributes.get("group", 1)
    layer = Conv2d(
        name=node.name("conv", trace.shapes), inputs=(), weight=to_single(weight), bias=bias_or_none(bias),
        groups=groups, stride=stride, activation=LINEAR,
        dilation=dilation, padding=_padding(node, size, kernel, stride, dilation),
    )  # fmt: skip
    return trace.add_weighted(layer, node.signal())


def average_pool(trace: Trace, node: Node) -> Value:
    counts = bool(node.attributes.get("count_include_pad", 0))
    return trace.add_pooling(AvgPool2d(**_pool(trace, node), count_padding=counts), node.signal())  # type: ignore[arg-type]


def max_pool(trace: Trace, node: Node) -> Value:
    return trace.add_pooling(MaxPool2d(**_pool(trace, node)), node.signal())  # type: ignore[arg-type]


def global_average_pool(trace: Trace, node: Node) -> Value:
    return _global(trace, node, AvgPool2d)


def global_max_pool(trace: Trace, node: Node) -> Value:
    return _global(trace, node, MaxPool2d)


def _global(trace: Trace, node: Node, kind: type[AvgPool2d] | type[MaxPool2d]) -> Signal:
    size, name = _map_size(trace, node), node.name("pool", trace.shapes)
    return trace.add_pooling(kind(name=name, inputs=(), kernel=size, stride=size), node.signal())


def reduce_mean(trace: Trace, node: Node) -> Value:
    return _reduce(trace, node, AvgPool2d)[0]


def reduce_max(trace: Trace, node: Node) -> Value:
    return _reduce(trace, node, MaxPool2d)[0]


def reduce_sum(trace: Trace, node: Node) -> Value:
    mean, count = _reduce(trace, node, AvgPool2d)
    ones = np.ones((1,) * len(trace.shape(mean)))
    return trace.rescale(mean, count * ones, 0 * ones)


def _reduce(trace: Trace, node: Node, kind: type[AvgPool2d] | type[MaxPool2d]) -> tuple[Signal, int]:
    """The mean or maximum over all pixels of each channel, or of each row or column, and of how many pixels it is."""
    signal, places = trace.unpadded(node.signal())
    given, shape = node.whole_numbers("axes", 1), trace.shapes[signal.layer]
    axes = sorted({axis % (places.ndim + 1) for axis in given or ()})
    kept = [axis for axis in range(1, places.ndim + 1) if axis not in axes]
    size = [places.shape[axis - 1] for axis in kept]
    rows = places.transpose([axis - 1 for axis in (*kept, *axes) if axis]).reshape(math.prod(size), -1)
    kernels = [shape[1:], (1, shape[2]), (shape[1], 1)] if axes and 0 not in axes and len(shape) == 3 else []
    windows = [(kernel, found) for kernel in kernels if (found := whole_windows(rows, shape, kernel)) is not None]
    if not windows:
        raise OnnxError(
            f"goes over axes {given} of {places.ndim + 1}; only all pixels of each channel, row or column are possible"
        )
    kernel, found = windows[0]
    name = node.name("pool", trace.shapes)
    layer = kind(name=name, inputs=(), kernel=(kernel[0], kernel[1]), stride=(kernel[0], kernel[1]))
    pooled = trace.add_pooling(layer, replace(signal, places=None))
    one = [1 if axis in axes else places.shape[axis - 1] for axis in range(1, places.ndim + 1)]
    new = found.reshape(one if node.attributes.get("keepdims", 1) else size)
    return trace.arrange(pooled, new, f"{name}_flatten"), math.prod(kernel)


def in_rows(operator: Callable[[Trace, Node], Value]) -> Callable[[Trace, Node], Value]:
    """The same operator for signals of one axis and channels, as maps of one row."""

    def on_maps(trace: Trace, node: Node) -> Value:
        signals = [value for value in node.inputs if isinstance(value, Signal)]
        if not signals or any(len(trace.shape(signal)) != 2 for signal in signals):
            return operator(trace, node)
        rows = tuple(_with_row(trace, value) for value in node.inputs)
        made = operator(trace, replace(node, inputs=rows, attributes=_with_rows(node.attributes)))
        assert isinstance(made, Signal)
        made, places = trace.unpadded(made)
        return trace.arrange(made, places[:, 0], "")

    return on_maps


def _with_row(trace: Trace, value: Value | None) -> Value | None:
    if isinstance(value, Signal):
        signal, places = trace.unpadded(value)
        return trace.arrange(signal, places[:, None], "")
    return np.expand_dims(value, -2) if isinstance(value, np.ndarray) and value.ndim > 1 else value


def _with_rows(attributes: Mapping[str, Any]) -> dict[str, Any]:
    rows = {"kernel_shape": [1], "strides": [1], "dilations": [1]}
    changed = {name: [*one, *attributes[name]] for name, one in rows.items() if name in attributes}
    if len(attributes.get("pads", ())) == 2:
        changed["pads"] = [0, attributes["pads"][0], 0, attributes["pads"][1]]
    return {**attributes, **changed}


def pad(trace: Trace, node: Node) -> Value:
    """Zeros around maps, and channels of zeros; where the amounts are negative, rows and columns are cut off."""
    if node.attributes.get("mode", "constant") != "constant" or node.number("value", 2, 0.0) != 0:
        raise OnnxError("only padding with zeros is possible; train with zeros around the maps")
    amounts = _amounts(trace, node)
    shape = trace.shape(node.signal())
    require_size([size + before + after for size, (before, after) in zip(shape, amounts, strict=True)])
    if len(shape) != 3 or min(map(min, amounts)) < 0:
        signal, places = trace.unpadded(node.signal())
        kept = [slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(shape, amounts, strict=True)]
        around = [(max(a, 0), max(b, 0)) for a, b in amounts]
        padded = np.pad(places[tuple(kept)], around, constant_values=ZERO)
        return trace.arrange(signal, padded, node.name("flatten", trace.shapes))
    channels, (top, bottom), (left, right) = amounts
    signal = trace.settle(node.signal())
    signal = zero_channels(trace, node, signal, *channels) if any(channels) else signal
    return replace(signal, padding=add_paddings(signal.padding, (top, left, bottom, right)))


def _amounts(trace: Trace, node: Node) -> list[tuple[int, int]]:
    """How many zeros go before and behind each axis of an image."""
    count, axes, pads = (
        len(trace.shape(node.signal())) + 1,
        node.whole_numbers("axes", 3),
        node.whole_numbers("pads", 1),
    )
    named = list(range(count)) if axes is None else [axis % count for axis in axes]
    if pads is None or len(pads) != 2 * len(named):
        raise OnnxError(f"pads by {pads}; {len(named)} axes need two numbers each")
    amounts = dict(zip(named, zip(pads, pads[len(named) :], strict=False), strict=True))
    if any(amounts.pop(0, ())):
        raise OnnxError("pads the batch; only each image can be padded")
    return [amounts.get(axis, (0, 0)) for axis in range(1, count)]


def _pool(trace: Trace, node: Node) -> dict[str, object]:
    size = _map_size(trace, node)
    kernel, stride = _pair(node, "kernel_shape"), _pair(node, "strides")
    if _pair(node, "dilations") != (1, 1):
        raise OnnxError("dilated pooling is not supported")
    if (rounding := node.attributes.get("ceil_mode", 0)) not in (0, 1):
        raise OnnxError(f"ceil_mode is {rounding}; 0 and 1 are possible")
    return {
        "name": node.name("pool", trace.shapes), "inputs": (), "kernel": kernel, "stride": stride,
        "padding": _padding(node, size, kernel, stride, (1, 1)), "ceil_mode": bool(rounding),
    }  # fmt: skip


def _map_size(trace: Trace, node: Node) -> tuple[int, int]:
    shape = trace.shape(node.signal())
    if len(shape) != 3:
        raise OnnxError(f"reads a vector {shape}; it needs maps (channels, height, width)")
    return shape[1], shape[2]


def _pair(node: Node, name: str) -> tuple[int, int]:
    values = tuple(node.attributes.get(name, (1, 1)))
    if len(values) != 2 or min(values) < 1:
        raise OnnxError(f"{name} is {list(values)}; two positive numbers are possible")
    return values


def _padding(
    node: Node, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Padding:
    """Zeros at (top, left, bottom, right), given outright or by ONNX's auto_pad."""
    mode = node.attributes.get("auto_pad", "NOTSET")
    if mode not in AUTO_PADS:
        raise OnnxError(f"auto_pad is {mode!r}; known are {', '.join(AUTO_PADS)}")
    if mode in ("NOTSET", "VALID"):
        pads = tuple(node.attributes.get("pads", UNPADDED)) if mode == "NOTSET" else UNPADDED
        if len(pads) != 4 or min(pads) < 0:
            raise OnnxError(f"pads is {list(pads)}; four numbers from 0 on are possible")
        return pads
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    zeros = [max((math.ceil(n / s) - 1) * s + r - n, 0) for n, s, r in zip(size, stride, reach, strict=True)]
    less, more = [n // 2 for n in zeros], [n - n // 2 for n in zeros]
    return (less[0], less[1], more[0], more[1]) if mode == "SAME_UPPER" else (more[0], more[1], less[0], less[1])

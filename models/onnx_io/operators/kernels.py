"""ONNX operators that slide a kernel over maps: convolution, pooling and padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.graph import LINEAR, AvgPool2d, Conv2d, MaxPool2d
from models.onnx_io.fold import bias_or_none, to_single
from models.onnx_io.node import Node, Value
from models.onnx_io.operators.shapes import zero_channels
from models.onnx_io.trace import UNPADDED, OnnxError, Padding, Signal, Trace, add_paddings, require_size

AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def convolution(trace: Trace, node: Node) -> Value:
    weight, bias = node.required(1, "weight"), node.constant(2, "bias")
    size = _map_size(trace, node)
    if weight.ndim != 4:
        raise OnnxError(f"the weight has shape {weight.shape}; only 2-d convolutions are possible")
    kernel = (weight.shape[2], weight.shape[3])
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


def global_average_pool(trace: Trace, node: Node) -> Signal:
    size, name = _map_size(trace, node), node.name("pool", trace.shapes)
    return trace.add_pooling(AvgPool2d(name=name, inputs=(), kernel=size, stride=size), node.signal())


def global_max_pool(trace: Trace, node: Node) -> Value:
    size, name = _map_size(trace, node), node.name("pool", trace.shapes)
    return trace.add_pooling(MaxPool2d(name=name, inputs=(), kernel=size, stride=size), node.signal())


def reduce_mean(trace: Trace, node: Node) -> Value:
    axes = node.setting("axes", 1)
    _map_size(trace, node)
    if axes is None or sorted(int(axis) % 4 for axis in np.atleast_1d(axes)) != [2, 3]:
        raise OnnxError(f"takes the mean over axes {axes}; only the mean over rows and columns is possible")
    pooled = global_average_pool(trace, node)
    if node.attributes.get("keepdims", 1):
        return pooled
    return trace.flatten(f"{pooled.layer}_flatten", pooled)


def pad(trace: Trace, node: Node) -> Value:
    signal, value, axes = node.signal(), node.setting("value", 2, 0.0), node.setting("axes", 3)
    before, after = np.reshape([int(n) for n in node.setting("pads", 1)], (2, -1))
    if node.attributes.get("mode", "constant") != "constant" or np.any(np.asarray(value) != 0.0):
        raise OnnxError("only padding with zeros is possible")
    places = range(len(before)) if axes is None else [int(axis) % (len(trace.shape(signal)) + 1) for axis in axes]
    amounts = {place: (int(a), int(b)) for place, a, b in zip(places, before, after, strict=True) if a or b}
    if not set(amounts) <= {1, 2, 3} or (amounts and len(trace.shape(signal)) != 3):
        raise OnnxError(f"pads by {[*before, *after]}; only adding rows, columns and channels to maps is possible")
    if min((min(pair) for pair in amounts.values()), default=0) < 0:
        raise OnnxError(f"pads by {[*before, *after]}; only adding, not cutting off, is possible")
    require_size([size + sum(amounts.get(place, ())) for place, size in enumerate(trace.shape(signal), 1)])
    if 1 in amounts:
        signal = zero_channels(trace, node, signal, *amounts[1])
    (top, bottom), (left, right) = amounts.get(2, (0, 0)), amounts.get(3, (0, 0))
    return replace(signal, padding=add_paddings(signal.padding, (top, left, bottom, right)))


def _pool(trace: Trace, node: Node) -> dict[str, object]:
    size = _map_size(trace, node)
    kernel, stride = _pair(node, "kernel_shape"), _pair(node, "strides")
    if _pair(node, "dilations") != (1, 1):
        raise OnnxError("dilated pooling is not supported")
    return {
        "name": node.name("pool", trace.shapes), "inputs": (), "kernel": kernel, "stride": stride,
        "padding": _padding(node, size, kernel, stride, (1, 1)), "ceil_mode": bool(node.attributes.get("ceil_mode", 0)),
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

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
from models.onnx_io.places import whole_channels
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
    return _reduce(trace, node, AvgPool2d)


def reduce_max(trace: Trace, node: Node) -> Value:
    return _reduce(trace, node, MaxPool2d)


def _reduce(trace: Trace, node: Node, kind: type[AvgPool2d] | type[MaxPool2d]) -> Value:
    """The mean or maximum over all pixels of each channel, wherever the channels are."""
    signal, places = trace.unpadded(node.signal())
    given = node.whole_numbers("axes", 1)
    axes = sorted({axis % (places.ndim + 1) for axis in given or ()})
    kept = [axis for axis in range(1, places.ndim + 1) if axis not in axes]
    channels = None
    if given is not None and 0 not in axes:
        rows = places.transpose([axis - 1 for axis in (*kept, *axes)])
        channels = whole_channels(
            rows.reshape(math.prod(places.shape[a - 1] for a in kept), -1), trace.shapes[signal.layer]
        )
    if channels is None:
        raise OnnxError(f"goes over axes {given} of {places.ndim + 1}; only all pixels of each channel are possible")
    size, name = trace.shapes[signal.layer][1:], node.name("pool", trace.shapes)
    layer = kind(name=name, inputs=(), kernel=(size[0], size[1]), stride=(size[0], size[1]))
    pooled = trace.add_pooling(layer, replace(signal, places=None))
    one = [1 if axis in axes else places.shape[axis - 1] for axis in range(1, places.ndim + 1)]
    shape = one if node.attributes.get("keepdims", 1) else [places.shape[axis - 1] for axis in kept]
    return trace.arrange(pooled, channels.reshape(shape), f"{name}_flatten")


def in_rows(operator: Callable[[Trace, Node], Value]) -> Callable[[Trace, Node], Value]:
    """The same operator for signals of one axis and channels, as maps of one row."""

    def on_maps(trace: Trace, node: Node) -> Value:
        if len(trace.shape(node.signal())) != 2:
            return operator(trace, node)
        signal, places = trace.unpadded(node.signal())
        row = trace.arrange(signal, places[:, None], "")
        inputs = [row, *(v[:, :, None] if isinstance(v, np.ndarray) and v.ndim == 3 else v for v in node.inputs[1:])]
        made = operator(trace, replace(node, inputs=tuple(inputs), attributes=_with_rows(node.attributes)))
        assert isinstance(made, Signal)
        made, places = trace.unpadded(made)
        return trace.arrange(made, places[:, 0], "")

    return on_maps


def _with_rows(attributes: Mapping[str, Any]) -> dict[str, Any]:
    rows = {"kernel_shape": [1], "strides": [1], "dilations": [1]}
    changed = {name: [*one, *attributes[name]] for name, one in rows.items() if name in attributes}
    if len(attributes.get("pads", ())) == 2:
        changed["pads"] = [0, attributes["pads"][0], 0, attributes["pads"][1]]
    return {**attributes, **changed}


def pad(trace: Trace, node: Node) -> Value:
    signal, axes, pads = trace.settle(node.signal()), node.whole_numbers("axes", 3), node.whole_numbers("pads", 1) or []
    if node.attributes.get("mode", "constant") != "constant" or node.number("value", 2, 0.0) != 0:
        raise OnnxError("only padding with zeros is possible")
    every = len(trace.shape(signal)) + 1
    places = range(every) if axes is None else [axis % every for axis in axes]
    if len(pads) != 2 * len(places):
        raise OnnxError(f"pads by {pads}; {len(places)} axes need two numbers each")
    amounts = {place: (a, b) for place, a, b in zip(places, pads, pads[len(places) :], strict=False) if a or b}
    if not set(amounts) <= {1, 2, 3} or (amounts and every != 4):
        raise OnnxError(f"pads by {pads}; only adding rows, columns and channels to maps is possible")
    if min((min(pair) for pair in amounts.values()), default=0) < 0:
        raise OnnxError(f"pads by {pads}; only adding, not cutting off, is possible")
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

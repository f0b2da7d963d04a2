"""ONNX operators that multiply and add: fully connected layers, junctions, batch norm, scaling by constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.graph import LINEAR, Add, Concat, Dense, Shape
from models.onnx_io.fold import bias_or_none, to_single
from models.onnx_io.node import Node, Value
from models.onnx_io.places import ZERO, Places, in_order
from models.onnx_io.signals import OnnxError, Signal
from models.onnx_io.trace import Trace

EVALUATE = "export the network for inference, in PyTorch after model.eval()"


def gemm(trace: Trace, node: Node) -> Value:
    if node.attributes.get("transA", 0):
        raise OnnxError("transA=1 is not supported")
    weight = _matrix(node).astype(float) * node.attributes.get("alpha", 1.0)
    weight = weight if node.attributes.get("transB", 0) else weight.T
    bias = node.constant(2, "bias")
    if bias is not None:
        bias = np.broadcast_to(bias.astype(float) * node.attributes.get("beta", 1.0), (1, len(weight)))[0]
    return _dense(trace, node, weight, bias)


def matmul(trace: Trace, node: Node) -> Value:
    return _dense(trace, node, _matrix(node).T, None)


def _matrix(node: Node) -> NDArray[Any]:
    weight = node.required(1, "weight")
    if weight.ndim != 2:
        raise OnnxError(f"the weight has {weight.ndim} axes; only a matrix is possible")
    return weight


def _dense(trace: Trace, node: Node, weight: NDArray[Any], bias: NDArray[Any] | None) -> Value:
    signal = node.signal()
    if len(trace.shape(signal)) != 1:
        raise OnnxError(f"reads values of shape {trace.shape(signal)}; flatten them first")
    name = node.name("fc", trace.shapes)
    layer = Dense(name=name, inputs=(), weight=to_single(weight), bias=bias_or_none(bias), activation=LINEAR)
    return trace.add_weighted(layer, signal)


def batch_normalization(trace: Trace, node: Node) -> Value:
    signal = node.signal()
    if node.attributes.get("training_mode", 0) or sum(map(bool, node.proto.output)) > 1:
        raise OnnxError(f"was exported in training mode; {EVALUATE}")
    gamma, beta, mean, variance = (node.required(i, "statistics").astype(float) for i in range(1, 5))
    channels, *others = trace.shape(signal)
    if any(values.shape != (channels,) for values in (gamma, beta, mean, variance)):
        raise OnnxError(f"has statistics of shape {gamma.shape} for {channels} channels")
    spread_out = variance + node.attributes.get("epsilon", 1e-5)
    if not np.all(spread_out > 0):
        raise OnnxError(f"has a variance of {variance.min():g}; with epsilon it must be above 0")
    axes = (-1, *(1 for _ in others))
    scale = gamma / np.sqrt(spread_out)
    return trace.rescale(signal, scale.reshape(axes), (beta - mean * scale).reshape(axes))


def add(trace: Trace, node: Node) -> Value:
    if any(isinstance(value, np.ndarray) for value in node.inputs):
        return _affine(trace, node, lambda constant, first: (1.0, constant))
    return junction(trace, node)


def subtract(trace: Trace, node: Node) -> Value:
    return _affine(trace, node, lambda constant, first: (-1.0, constant) if first else (1.0, -constant))


def multiply(trace: Trace, node: Node) -> Value:
    return _affine(trace, node, lambda constant, first: (constant, 0.0))


def divide(trace: Trace, node: Node) -> Value:
    if isinstance(node.inputs[0], np.ndarray):
        raise OnnxError("divides a constant by a signal, which spikes cannot do")
    if np.any(node.required(1, "divisor") == 0):
        raise OnnxError("divides by 0")
    return _affine(trace, node, lambda constant, first: (1.0 / constant, 0.0))


def _affine(trace: Trace, node: Node, meaning: Callable[..., tuple[Any, Any]]) -> Value:
    """Scale and offset of an operation with a constant; `meaning` is also told whether the constant comes first."""
    first = isinstance(node.inputs[0], np.ndarray)
    signal = node.signal(int(first))
    if not isinstance(node.inputs[1 - int(first)], np.ndarray):
        remedy = "`brianize tailor` writes it as a sum" if node.operator == "Sub" else "train without it"
        raise OnnxError(f"combines two signals, which spikes can only add; {remedy}")
    constant = spread(node.required(1 - int(first), "constant").astype(float), trace.shape(signal))
    scale, offset = (np.array(values, dtype=float, ndmin=constant.ndim) for values in meaning(constant, first))
    return trace.rescale(signal, scale, offset)


def spread(constant: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """A constant with the batch's axis removed, and with as many axes as the signal it is combined with."""
    while constant.ndim > len(shape) and len(constant) == 1:
        constant = constant[0]
    constant = constant.reshape((1,) * (len(shape) - constant.ndim) + constant.shape)
    if constant.ndim > len(shape) or not all(a in (1, b) for a, b in zip(constant.shape, shape, strict=True)):
        raise OnnxError(f"a constant of shape {constant.shape} does not spread over a signal of shape {shape}")
    return constant


def junction(trace: Trace, node: Node) -> Signal:
    signals = [node.signal(i) for i in range(len(node.inputs))]
    first, shapes = signals[0], {trace.shape(signal) for signal in signals}
    if len(shapes) > 1:
        raise OnnxError(f"adds signals of shapes {', '.join(map(str, sorted(shapes)))}; they must have one shape")
    if first.places is not None and all(_are_alike(signal.places, first.places) for signal in signals):
        alike = [replace(signal, places=None) for signal in signals]
        if len({trace.shape(signal) for signal in alike}) == 1:
            return replace(trace.junction(Add, node.name("add", trace.shapes), alike), places=first.places)
    return trace.junction(Add, node.name("add", trace.shapes), signals)


def mean(trace: Trace, node: Node) -> Value:
    total = junction(trace, node)
    ones = np.ones((1,) * len(trace.shape(total)))
    return trace.rescale(total, ones / len(node.inputs), 0 * ones)


def _are_alike(one: Places | None, other: Places) -> bool:
    return one is not None and np.array_equal(one, other)


def concat(trace: Trace, node: Node) -> Value:
    """Signals, and zeros, side by side along any axis: their layers are side by side along the channels."""
    parts = [_part(trace, node, i) for i in range(len(node.inputs))]
    axes = next(places.ndim for signal, places in parts if signal is not None)
    axis = node.attributes["axis"] % (axes + 1)
    if axis == 0:
        raise OnnxError("puts images behind each other; only values of one image can be put side by side")
    signals = [signal for signal, _ in parts if signal is not None]
    sizes = {trace.shapes[signal.layer][1:] for signal in signals}
    if len(sizes) > 1 or len({len(trace.shapes[signal.layer]) for signal in signals}) > 1:
        parts = [(signal and trace.settle(signal), places) for signal, places in parts]
        parts = [(s, places if s is None else in_order(trace.shape(s))) for s, places in parts]
        signals = [signal for signal, _ in parts if signal is not None]
    starts = iter(np.cumsum([0, *(math.prod(trace.shapes[signal.layer]) for signal in signals)]))
    placed = [places if s is None else np.where(places == ZERO, ZERO, places + next(starts)) for s, places in parts]
    name = node.name("concat", trace.shapes)
    bare = [replace(signal, places=None) for signal in signals]
    joined = bare[0] if len(bare) == 1 < len(parts) else trace.junction(Concat, name, bare)
    return trace.arrange(joined, np.concatenate(placed, axis - 1), f"{name}_flatten")


def _part(trace: Trace, node: Node, position: int) -> tuple[Signal | None, Places]:
    """A signal and its places, or no signal where a constant holds nothing but zeros."""
    value = node.inputs[position]
    if not isinstance(value, np.ndarray):
        return trace.unpadded(node.signal(position))
    if np.any(value != 0) or value.ndim < 2 or len(value) != node.batch:
        raise OnnxError(f"input {position + 1} is a constant; it must depend on the images, or hold nothing but zeros")
    return None, np.full(value.shape[1:], ZERO)


def scaler(trace: Trace, node: Node) -> Value:
    """(x - offset) * scale, as scikit-learn's StandardScaler and MinMaxScaler are exported."""
    signal = node.signal()
    offset, scale = (
        np.asarray(node.attributes.get(name, default), float) for name, default in (("offset", 0.0), ("scale", 1.0))
    )
    offset, scale = (spread(values, trace.shape(signal)) for values in (offset, scale))
    return trace.rescale(signal, scale, -offset * scale)

"""ONNX operators that multiply and add: fully connected layers, junctions, batch norm, scaling by constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.graph import LINEAR, Add, Concat, Dense, Shape
from models.onnx_io.fold import bias_or_none, to_single
from models.onnx_io.node import Node, Value
from models.onnx_io.trace import OnnxError, Trace

EVALUATE = "export the network for inference, in PyTorch after model.eval()"


def gemm(trace: Trace, node: Node) -> Value:
    if node.attributes.get("transA", 0):
        raise OnnxError("transA=1 is not supported")
    weight = node.required(1, "weight").astype(float) * node.attributes.get("alpha", 1.0)
    weight = weight if node.attributes.get("transB", 0) else weight.T
    bias = node.constant(2, "bias")
    if bias is not None:
        bias = np.broadcast_to(bias.astype(float) * node.attributes.get("beta", 1.0), (1, len(weight)))[0]
    return _dense(trace, node, weight, bias)


def matmul(trace: Trace, node: Node) -> Value:
    weight = node.required(1, "weight")
    if weight.ndim != 2:
        raise OnnxError(f"the weight has {weight.ndim} axes; only a matrix is possible")
    return _dense(trace, node, weight.T, None)


def _dense(trace: Trace, node: Node, weight: NDArray[Any], bias: NDArray[Any] | None) -> Value:
    signal = node.signal()
    if len(trace.shape(signal)) != 1:
        raise OnnxError(f"reads a map {trace.shape(signal)}; flatten it first")
    name = node.name("fc", trace.shapes)
    layer = Dense(name=name, inputs=(), weight=to_single(weight), bias=bias_or_none(bias), activation=LINEAR)
    return trace.add_weighted(layer, signal)


def batch_normalization(trace: Trace, node: Node) -> Value:
    signal = node.signal()
    if node.attributes.get("training_mode", 0) or sum(map(bool, node.proto.output)) > 1:
        raise OnnxError(f"was exported in training mode; {EVALUATE}")
    gamma, beta, mean, variance = (node.required(i, "statistics").astype(float) for i in range(1, 5))
    axes = (-1, *(1 for _ in trace.shape(signal)[1:]))
    scale = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
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
        raise OnnxError("combines two signals, which spikes can only add; one must be a constant")
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


def junction(trace: Trace, node: Node) -> Value:
    signals = [node.signal(i) for i in range(len(node.inputs))]
    return trace.junction(Add, node.name("add", trace.shapes), signals)


def concat(trace: Trace, node: Node) -> Value:
    signals = [node.signal(i) for i in range(len(node.inputs))]
    axes = len(trace.shape(signals[0])) + 1
    if node.attributes["axis"] % axes != 1:
        raise OnnxError(f"axis {node.attributes['axis']} is not the channels; only axis 1 is possible")
    return trace.junction(Concat, node.name("concat", trace.shapes), signals)

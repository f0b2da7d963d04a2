"""ONNX operators that change the shape or the type of a signal but not its values."""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from models.onnx_node import Node, Readout, Value
from models.onnx_trace import OnnxError, Trace

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def flatten(trace: Trace, node: Node) -> Value:
    signal = node.signal()
    if node.attributes.get("axis", 1) not in (1, -len(trace.shape(signal))):
        raise OnnxError(f"axis {node.attributes['axis']} is not supported; only axis 1 is possible")
    return trace.flattened(node.name("flatten", trace.shapes), signal)


def reshape(trace: Trace, node: Node) -> Value:
    signal = node.signal()
    shape = (node.batch, *trace.shape(signal))
    keeps_zero = node.attributes.get("allowzero", 0)
    entries = [int(n) for n in np.atleast_1d(node.setting("shape", 1))]
    wanted = [shape[i] if n == 0 and not keeps_zero and i < len(shape) else n for i, n in enumerate(entries)]
    return _reshaped(trace, node, [_left_over(wanted, shape) if n == -1 else n for n in wanted])


def _left_over(wanted: list[int], shape: tuple[int, ...]) -> int:
    return math.prod(shape) // max(math.prod(n for n in wanted if n != -1), 1)


def _reshaped(trace: Trace, node: Node, shape: list[int]) -> Value:
    signal = node.signal()
    here = trace.shape(signal)
    if shape == [node.batch, *here]:
        return signal
    if shape == [node.batch, math.prod(here)]:
        return trace.flattened(node.name("flatten", trace.shapes), signal)
    raise OnnxError(f"makes shape {shape} of {[node.batch, *here]}; only flattening each image to a vector is possible")


def squeeze(trace: Trace, node: Node) -> Value:
    shape = (node.batch, *trace.shape(node.signal()))
    axes = node.setting("axes", 1)
    if axes is None:
        raise OnnxError("names no axes, so a batch of one image would lose its batch; write the axes")
    gone = [int(axis) % len(shape) for axis in np.atleast_1d(axes)]
    return _reshaped(trace, node, [n for i, n in enumerate(shape) if not (i in gone and n == 1 and i > 0)])


def transpose(trace: Trace, node: Node) -> Value:
    axes = len(trace.shape(node.signal())) + 1
    order = list(node.attributes.get("perm", reversed(range(axes))))
    if order != list(range(axes)):
        raise OnnxError(f"reorders the axes to {order}; export the network with channels first")
    return node.signal()


def shape_of(trace: Trace, node: Node) -> Value:
    shape = np.array([node.batch, *trace.shape(node.signal())], np.int64)
    return shape[node.attributes.get("start", 0) : node.attributes.get("end")]


def passed_on(trace: Trace, node: Node) -> Value:
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


def readout(trace: Trace, node: Node) -> Value:
    return Readout(node.signal(), node.operator)

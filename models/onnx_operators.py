"""What each ONNX operator means for the network: one short function per operator, and a table of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from models.graph import LINEAR, RELU, Activation, Add, Concat, Dense
from models.onnx_fold import per_channel
from models.onnx_node import Node, Readout, Value
from models.onnx_trace import OnnxError, Trace
from models.onnx_windows import (
    average_pool,
    convolution,
    global_average_pool,
    global_max_pool,
    max_pool,
    pad,
    reduce_mean,
)

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
UNBOUNDED = 1e30  # exporters write "no upper bound" as the largest number of their float type


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


def _dense(trace: Trace, node: Node, weight: NDArray[np.float64], bias: NDArray[np.float64] | None) -> Value:
    signal = node.signal()
    if len(trace.shape(signal)) != 1:
        raise OnnxError(f"reads a map {trace.shape(signal)}; flatten it first")
    bias = None if bias is None or not np.any(bias) else bias.astype(np.float32)
    layer = Dense(
        name=node.name("fc", trace.shapes), inputs=(), weight=weight.astype(np.float32), bias=bias, activation=LINEAR
    )
    return trace.weighted(layer, signal)


def batch_normalization(trace: Trace, node: Node) -> Value:
    signal = node.signal()
    gamma, beta, mean, variance = (node.required(i, "statistics").astype(float) for i in range(1, 5))
    axes = (-1, *(1 for _ in trace.shape(signal)[1:]))
    scale = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    return trace.rescaled(signal, scale.reshape(axes), (beta - mean * scale).reshape(axes))


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
    return _affine(trace, node, lambda constant, first: (1.0 / constant, 0.0))


def _affine(trace: Trace, node: Node, meaning: Callable[..., tuple[object, object]]) -> Value:
    """Scale and offset of an operation with a constant; `meaning` is also told whether the constant comes first."""
    first = isinstance(node.inputs[0], np.ndarray)
    signal = node.signal(int(first))
    if not isinstance(node.inputs[1 - int(first)], np.ndarray):
        raise OnnxError("combines two signals, which spikes can only add; one must be a constant")
    constant = _spread(node.required(1 - int(first), "constant").astype(float), trace.shape(signal))
    scale, offset = meaning(constant, first)
    axes = constant.shape
    if not np.all(np.isfinite(np.asarray(scale))):
        raise OnnxError("divides by 0")
    return trace.rescaled(signal, np.zeros(axes) + scale, np.zeros(axes) + offset)


def _spread(constant: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
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


def relu(trace: Trace, node: Node) -> Value:
    return _activated(trace, node, RELU)


def leaky_relu(trace: Trace, node: Node) -> Value:
    return _activated(trace, node, Activation(negative_slope=node.attributes.get("alpha", 0.01)))


def prelu(trace: Trace, node: Node) -> Value:
    return _activated(trace, node, Activation(negative_slope=_channelwise(trace, node, node.required(1, "slope"))))


def clip(trace: Trace, node: Node) -> Value:
    low, high = float(node.setting("min", 1, -math.inf)), float(node.setting("max", 2, math.inf))
    if low != 0 and low > -UNBOUNDED:
        raise OnnxError(f"the lower bound is {low}; only 0 (ReLU) or none is possible")
    if not high > 0:
        raise OnnxError(f"the upper bound is {high}; it must be positive")
    return _activated(trace, node, Activation(float(low != 0), math.inf if high > UNBOUNDED else high))


def minimum(trace: Trace, node: Node) -> Value:
    if len(node.inputs) != 2:
        raise OnnxError("only the minimum of a signal and a constant is possible")
    return _activated(trace, node, Activation(1.0, _channelwise(trace, node, node.required(1, "ceiling"))))


def _activated(trace: Trace, node: Node, activation: Activation) -> Value:
    return trace.activated(node.signal(), activation, node.name("relu", trace.shapes))


def _channelwise(trace: Trace, node: Node, constant: NDArray[np.float64]) -> object:
    shape = trace.shape(node.signal())
    constant = _spread(constant, shape)
    if any(size != 1 for size in constant.shape[1:]):
        raise OnnxError(
            f"a constant of shape {constant.shape} differs between pixels; one value per channel is possible"
        )
    return per_channel(constant)


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


def squeeze(trace: Trace, node: Node) -> Value:
    shape = (node.batch, *trace.shape(node.signal()))
    axes = node.setting("axes", 1)
    if axes is None:
        raise OnnxError("names no axes, so a batch of one image would lose its batch; write the axes")
    gone = [int(axis) % len(shape) for axis in np.atleast_1d(axes)]
    return _reshaped(trace, node, [n for i, n in enumerate(shape) if not (i in gone and n == 1 and i > 0)])


def _reshaped(trace: Trace, node: Node, shape: list[int]) -> Value:
    signal = node.signal()
    here = trace.shape(signal)
    if shape == [node.batch, *here]:
        return signal
    if shape == [node.batch, math.prod(here)]:
        return trace.flattened(node.name("flatten", trace.shapes), signal)
    raise OnnxError(f"makes shape {shape} of {[node.batch, *here]}; only flattening each image to a vector is possible")


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


OPERATORS: dict[str, Callable[[Trace, Node], Value]] = {
    "Add": add, "ArgMax": readout, "AveragePool": average_pool, "BatchNormalization": batch_normalization, "Cast": cast,
    "CastLike": cast_like, "Clip": clip, "Concat": concat, "Conv": convolution, "Div": divide, "Dropout": passed_on,
    "Flatten": flatten, "Gemm": gemm, "GlobalAveragePool": global_average_pool, "GlobalMaxPool": global_max_pool,
    "Identity": passed_on, "LeakyRelu": leaky_relu, "LogSoftmax": readout, "MatMul": matmul, "MaxPool": max_pool,
    "Min": minimum, "Mul": multiply, "Normalizer": readout, "PRelu": prelu, "Pad": pad, "ReduceMean": reduce_mean,
    "Relu": relu, "Reshape": reshape, "Shape": shape_of, "Softmax": readout, "Squeeze": squeeze, "Sub": subtract,
    "Sum": junction, "Transpose": transpose, "ZipMap": readout,
}  # fmt: skip

READOUT_FOLLOWERS = (
    "ArgMax", "ArrayFeatureExtractor", "Cast", "Flatten", "Identity", "Normalizer", "Reshape", "Squeeze", "Unsqueeze",
    "ZipMap",
)  # fmt: skip

ADVICE = {
    "Sigmoid": "train with ReLU, and with one output per class and a softmax instead of a single sigmoid",
    "Tanh": "train with ReLU instead",
    "Elu": "train with ReLU or LeakyRelu instead",
    "Gelu": "train with ReLU instead",
    "HardSwish": "train with ReLU instead",
    "LSTM": "only feed-forward networks are possible",
    "GRU": "only feed-forward networks are possible",
    "RNN": "only feed-forward networks are possible",
    "ConvTranspose": "export the network without transposed convolutions",
    "QLinearConv": "export the network before it is quantised",
    "QuantizeLinear": "export the network before it is quantised",
    "LayerNormalization": "train with batch normalisation instead",
    "InstanceNormalization": "train with batch normalisation instead",
}

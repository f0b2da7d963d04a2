"""ONNX operators that are activation functions: ReLU, with slopes below zero, and ceilings."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.graph import RELU, Activation, Add, Array, Conv2d, Dense
from models.onnx_io.fold import compact, fold_after
from models.onnx_io.node import Node, Rounded, Value
from models.onnx_io.operators.arithmetic import spread
from models.onnx_io.signals import OnnxError, Signal
from models.onnx_io.trace import Trace

ROUNDS = (
    "rounds, which spikes do not; only that of QCFS is possible, floor(L clip(x, 0, 1) + 1/2) of a layer that nothing "
    "else reads, or clip(floor(L x + 1/2), 0, L)"
)
UNBOUNDED = 1e30  # exporters write "no upper bound" as the largest number of their float type


def relu(trace: Trace, node: Node) -> Value:
    return _activate(trace, node, RELU)


def leaky_relu(trace: Trace, node: Node) -> Value:
    return _activate(trace, node, Activation(negative_slope=node.attributes.get("alpha", 0.01)))


def prelu(trace: Trace, node: Node) -> Value:
    return _activate(trace, node, Activation(negative_slope=_channelwise(trace, node, node.required(1, "slope"))))


def clip(trace: Trace, node: Node) -> Value:
    low, high = node.number("min", 1, -math.inf), node.number("max", 2, math.inf)
    if low != 0 and low > -UNBOUNDED:
        raise OnnxError(
            f"the lower bound is {low}; only 0 (ReLU) or none is possible, and `brianize tailor` shifts it to 0"
        )
    if not high > 0:
        raise OnnxError(f"the upper bound is {high}; it must be positive")
    return _activate(trace, node, Activation(float(low != 0), math.inf if high > UNBOUNDED else high))


def minimum(trace: Trace, node: Node) -> Value:
    if len(node.inputs) != 2:
        raise OnnxError("only the minimum of a signal and a constant is possible")
    if isinstance(node.inputs[0], np.ndarray):
        node = replace(node, inputs=node.inputs[::-1])
    ceiling = _channelwise(trace, node, node.required(1, "ceiling"))
    if not np.all(np.asarray(ceiling) > 0):
        raise OnnxError(f"the upper bound is {np.min(ceiling):g}; it must be positive")
    return _activate(trace, node, Activation(1.0, ceiling))


def maximum(trace: Trace, node: Node) -> Value:
    """Of a signal and 0, which is a ReLU."""
    constants = [value for value in node.inputs if isinstance(value, np.ndarray)]
    if len(node.inputs) != 2 or len(constants) != 1:
        raise OnnxError("only the maximum of a signal and 0 is possible; train with ReLU instead")
    if np.any(constants[0] != 0):
        raise OnnxError("only the maximum with 0 is possible; `brianize tailor` may write it with ReLU, exactly")
    place = 1 - next(i for i, value in enumerate(node.inputs) if value is constants[0])
    spread(constants[0], trace.shape(node.signal(place)))
    return trace.activate(node.signal(place), RELU, node.name("relu", trace.shapes))


def floor(trace: Trace, node: Node) -> Value:
    """The rounding of QCFS: floor(k y + 1/2) of a clipped ReLU y whose ceiling is a whole number L of steps 1 / k.

    Of what is not clipped yet a `Rounded` comes, since floor(clip(x, 0, L) + 1/2) = clip(floor(x + 1/2), 0, L).
    """
    signal = node.signal()
    layer = _rounding_layer(trace, signal)
    if signal.is_plain and layer.activation.is_linear:  # the half is in the biases, and leaves them again
        shifted = fold_after(layer, signal.scale, signal.offset - 0.5)
        if shifted is not None:
            return Rounded(trace.add(shifted), 1.0)
    plain = replace(signal, offset=np.zeros_like(signal.offset))
    if any(signal.padding) or signal.places is not None or np.any(signal.offset != 0.5) or np.any(signal.scale <= 0):
        raise OnnxError(ROUNDS)
    if np.all(np.isinf(layer.activation.ceiling)):
        return Rounded(plain, 1.0)
    levels = signal.scale.reshape(-1) * layer.activation.ceiling
    count = round(float(levels[0])) if np.all(np.isfinite(levels)) else 0
    if layer.activation.is_signed or count < 1 or not np.allclose(levels, count, rtol=1e-4):
        raise OnnxError(ROUNDS)
    trace.add(replace(layer, activation=replace(layer.activation, levels=count)))
    return plain


def clip_rounded(trace: Trace, node: Node) -> Value:
    """What makes of a `Rounded` another one, or clips it."""
    rounded = next(value for value in node.inputs if isinstance(value, Rounded))
    signal, layer = rounded.signal, _rounding_layer(trace, rounded.signal)
    constant = next((value for value in node.inputs if isinstance(value, np.ndarray)), np.empty(0))
    divides = node.operator == "Div" and node.inputs[0] is rounded
    if (divides or node.operator == "Mul") and constant.size == 1 and constant > 0:
        factor = float(constant.reshape(()))
        return replace(rounded, factor=rounded.factor * (1 / factor if divides else factor))
    low, high = _bounds(node, constant)
    layer = replace(layer, activation=RELU) if low == 0 else layer
    count = round(high / rounded.factor) if math.isfinite(high) else 0
    if layer.activation.is_signed or count < 1 or not math.isclose(high / rounded.factor, count, rel_tol=1e-4):
        raise OnnxError(ROUNDS)
    trace.add(replace(layer, activation=Activation(0.0, compact(count / signal.scale), count)))
    return replace(signal, scale=signal.scale * rounded.factor)


def _bounds(node: Node, constant: NDArray[Any]) -> tuple[float, float]:
    """The bounds of a node that clips."""
    if node.operator == "Clip":
        return node.number("min", 1, -math.inf), node.number("max", 2, math.inf)
    if node.operator == "Min" and constant.size == 1:
        return -math.inf, float(constant.reshape(()))
    raise OnnxError(ROUNDS)


def _rounding_layer(trace: Trace, signal: Signal) -> Conv2d | Dense | Add:
    """The layer of a signal, which nothing else reads and nothing rounds yet."""
    layer = trace.layers.get(signal.layer)
    if not isinstance(layer, Conv2d | Dense | Add) or signal.layer in trace.shared or layer.activation.levels:
        raise OnnxError(ROUNDS)
    if layer.activation.is_signed and not layer.activation.is_linear:
        raise OnnxError(ROUNDS)
    return layer


def _activate(trace: Trace, node: Node, activation: Activation) -> Value:
    return trace.activate(node.signal(), activation, node.name("relu", trace.shapes))


def _channelwise(trace: Trace, node: Node, constant: NDArray[Any]) -> float | Array:
    shape = trace.shape(node.signal())
    constant = spread(constant, shape)
    if any(size != 1 for size in constant.shape[1:]):
        raise OnnxError(
            f"a constant of shape {constant.shape} differs between pixels; one value per channel is possible"
        )
    return compact(constant)

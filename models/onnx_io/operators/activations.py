"""ONNX operators that are activation functions: ReLU, with slopes below zero, and ceilings."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.graph import RELU, Activation, Add, Array, Conv2d, Dense
from models.onnx_io.fold import compact
from models.onnx_io.node import Node, Value
from models.onnx_io.operators.arithmetic import spread
from models.onnx_io.signals import OnnxError
from models.onnx_io.trace import Trace

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
        raise OnnxError(f"the lower bound is {low}; only 0 (ReLU) or none is possible")
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
    if len(node.inputs) != 2 or len(constants) != 1 or np.any(constants[0] != 0):
        raise OnnxError("only the maximum with 0 is possible; `brianize tailor` may write it with ReLU, exactly")
    place = 1 - next(i for i, value in enumerate(node.inputs) if value is constants[0])
    spread(constants[0], trace.shape(node.signal(place)))
    return trace.activate(node.signal(place), RELU, node.name("relu", trace.shapes))


def floor(trace: Trace, node: Node) -> Value:
    """The rounding of QCFS: floor(k y + 1/2) of a clipped ReLU y whose ceiling is a whole number L of steps 1 / k."""
    signal = node.signal()
    layer = trace.layers.get(signal.layer)
    alone = isinstance(layer, Conv2d | Dense | Add) and signal.layer not in trace.shared
    activation = layer.activation if layer is not None and alone else RELU
    levels = signal.scale.reshape(-1) * activation.ceiling
    waits = any(signal.padding) or signal.places is not None or np.any(signal.offset != 0.5)
    fits = not (waits or activation.is_signed or activation.levels) and bool(np.all(np.isfinite(levels)))
    count = round(float(levels[0])) if fits else 0
    if layer is None or count < 1 or not np.allclose(levels, count, rtol=1e-4):
        raise OnnxError(
            "rounds, which spikes do not; only that of QCFS is possible, floor(L clip(x, 0, 1) + 1/2) of a layer that "
            "nothing else reads"
        )
    trace.add(replace(layer, activation=replace(activation, levels=count)))  # type: ignore[call-arg]
    return replace(signal, offset=np.zeros_like(signal.offset))


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

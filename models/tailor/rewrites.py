"""Exact rewrites of an ONNX file: the same function in operators that can become spikes.

Each rule gives the nodes that take the place of one, or None where it does not apply. Activations with a negative side
become two ReLUs, one of x and one of -x; each has its own copy of the weights before it, so that neither is negative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from models.onnx_io import UNBOUNDED, attributes_of, operator_of, opset_of
from models.tailor import merge as tailor_merge
from models.tailor.file import File
from models.tailor.walk import Walk

OLDEST_MIN = 8  # before it, Min and Max do not spread their operands
Rule = Callable[[File, NodeProto], list[NodeProto] | None]


def _negate(file: File, node: NodeProto) -> list[NodeProto]:
    return file.chain(node, node.input[0], ("Mul", -1.0))


def _difference(file: File, node: NodeProto) -> list[NodeProto] | None:
    if not all(map(file.is_signal, node.input)):
        return None
    second = file.node(node, "Mul", node.input[1], file.constant(node, -1.0))
    return [second, file.last(node, "Add", node.input[0], second.output[0])]


def _maximum(file: File, node: NodeProto) -> list[NodeProto] | None:
    signals = [name for name in node.input if file.is_signal(name)]
    if len(node.input) != 2 or len(signals) != 1:
        return None
    (constant,) = (file.value(name) for name in node.input if name not in signals)
    return file.chain(node, signals[0], *_above(constant)) if np.all(np.isfinite(constant)) else None


def _clip(file: File, node: NodeProto) -> list[NodeProto] | None:
    """Clip(x, low, high) = low + Clip(x - low, 0, high - low)."""
    settings = {"min": -math.inf, "max": math.inf, **attributes_of(node)}
    for key, name in zip(("min", "max"), node.input[1:], strict=False):
        if name and (file.is_signal(name) or file.value(name).size != 1):
            return None
        settings[key] = float(file.value(name).reshape(())) if name else settings[key]
    low, high = settings["min"], settings["max"]
    if low == 0 or not -UNBOUNDED < low < high:
        return None
    return file.chain(node, node.input[0], *_above(np.asarray(low), [("Min", high - low)] if high < UNBOUNDED else []))


def _above(bound: NDArray[Any], more: list[tuple] | None = None) -> list[tuple]:
    """Steps that compute max(x, bound) = bound + ReLU(x - bound), with more of them between ReLU and sum."""
    shift = [[("Sub", bound)], [("Add", bound)]] if np.any(bound) else [[], []]
    return [*shift[0], ("Relu",), *(more or []), *shift[1]]


def _hard_sigmoid(file: File, node: NodeProto) -> list[NodeProto]:
    settings = {"alpha": 0.2, "beta": 0.5, **attributes_of(node)}
    steps = ("Mul", settings["alpha"]), ("Add", settings["beta"]), ("Relu",), ("Min", 1.0)
    return file.chain(node, node.input[0], *steps)


def _absolute(file: File, node: NodeProto) -> list[NodeProto]:
    """|x| = ReLU(x) + ReLU(-x)."""
    nodes, positive, negative = _halves(file, node)
    return [*nodes, file.last(node, "Add", positive, negative)]


def _split_slope(file: File, node: NodeProto) -> list[NodeProto] | None:
    """W (ReLU(x) - slope ReLU(-x)) = [W, -slope W] [ReLU(x), ReLU(-x)], if W alone reads it."""
    slopes, path = _slopes(file, node), file.path_to_weights(node.output[0])
    if slopes is None or path is None:
        return None
    *between, reader = path
    weight = file.value(reader.input[1])
    transposed = attributes_of(reader).get("transB", operator_of(reader) == "Conv")
    axis = 0 if operator_of(reader) == "MatMul" or not transposed else 1
    factors = np.repeat(slopes, weight.shape[axis] // len(slopes))
    factors = factors.reshape(-1, *(1,) * (weight.ndim - 1 - axis))
    doubled = file.constant(reader, np.concatenate([weight, -factors * weight], axis))
    file.replace(reader, [file.last(reader, operator_of(reader), reader.input[0], doubled, *reader.input[2:])])
    for middle in between:
        if operator_of(middle) in ("Reshape", "Squeeze"):
            file.replace(middle, [file.last(middle, "Flatten", middle.input[0], settings={})])
    nodes, positive, negative = _halves(file, node)
    return [*nodes, file.last(node, "Concat", positive, negative, settings={"axis": 1})]


def _slopes(file: File, node: NodeProto) -> NDArray[np.float64] | None:
    """The slope per channel, where it is one, and not that of ReLU or of the identity."""
    shape = file.shapes.get(node.input[0])
    if operator_of(node) == "LeakyRelu":
        slope = np.asarray(attributes_of(node).get("alpha", 0.01))
    else:
        slope = np.asarray(1.0) if file.is_signal(node.input[1]) else file.value(node.input[1])
    if shape is None or np.all(slope == 0) or np.all(slope == 1):
        return None
    per_channel = slope.reshape((1,) * (len(shape) - slope.ndim) + slope.shape)
    if per_channel.shape not in ((1,) * len(shape), (shape[0], *(1,) * (len(shape) - 1))):
        return None
    return np.broadcast_to(per_channel.reshape(-1), shape[:1]).astype(float)


def _halves(file: File, node: NodeProto) -> tuple[list[NodeProto], str, str]:
    """Nodes that make ReLU(x) and ReLU(-x) of what a node reads, and the names of both."""
    copies, copy = file.copy_linear(node, node.input[0])
    positive = file.node(node, "Relu", node.input[0])
    opposite = file.node(node, "Mul", copy, file.constant(node, -1.0))
    negative = file.node(node, "Relu", opposite.output[0])
    return [positive, *copies, opposite, negative], positive.output[0], negative.output[0]


TWO_RELUS = "as two ReLUs, of x and of -x, with weights of their own: twice the neurons"
RULES: Mapping[str, tuple[Rule, str]] = {
    "Abs": (_absolute, TWO_RELUS),
    "Clip": (_clip, "as a ReLU between two shifts, which fold into weights"),
    "Conv": (tailor_merge.convolutions, ""),
    "Gemm": (tailor_merge.dense, ""),
    "HardSigmoid": (_hard_sigmoid, "as a scaled ReLU with a ceiling of 1"),
    "LeakyRelu": (_split_slope, TWO_RELUS),
    "MatMul": (tailor_merge.dense, ""),
    "Max": (_maximum, "as a ReLU between two shifts, which fold into weights"),
    "Neg": (_negate, "as a factor of -1, which folds into weights"),
    "PRelu": (_split_slope, TWO_RELUS),
    "Sub": (_difference, "as a sum, with the sign of the second signal changed in its weights"),
}


def rewrite(walk: Walk) -> File:
    """A file with every rule applied, in the order of its nodes; as it was if parts of it are graphs of their own."""
    file = File(walk)
    if opset_of(walk.model) < OLDEST_MIN or any(a.HasField("g") for node in file.nodes for a in node.attribute):
        return file
    for output in [node.output[0] for node in file.nodes]:
        node = file.producer(output)
        rule, note = RULES.get(operator_of(node), (None, "")) if node is not None else (None, "")
        if node is not None and rule is not None and file.is_signal(output):
            nodes = rule(file, node)
            if nodes is not None:
                file.replace(node, nodes, note)
    return file

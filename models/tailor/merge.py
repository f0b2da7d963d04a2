"""Two layers with nothing but weights between them made one: the first would have to send negative values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from models.onnx_io import attributes_of, operator_of
from models.tailor.file import File


def dense(file: File, node: NodeProto) -> list[NodeProto] | None:
    """Gemm or MatMul behind Gemm or MatMul: W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2)."""
    first = _alone_before(file, node, ("Gemm", "MatMul"))
    if first is None or len(file.shapes.get(first.input[0], ())) != 1:
        return None
    (weight1, bias1), (weight2, bias2) = _matrix(file, first), _matrix(file, node)
    names = [file.constant(node, weight2 @ weight1), file.constant(node, weight2 @ bias1 + bias2)]
    return _merge(file, first, [file.last(node, "Gemm", first.input[0], *names, settings={"transB": 1})])


def convolutions(file: File, node: NodeProto) -> list[NodeProto] | None:
    """A convolution of 1 x 1 without padding behind a convolution, as in depthwise separable ones and bottlenecks."""
    first = _alone_before(file, node, ("Conv",))
    if first is None or not _is_pointwise(file, node) or attributes_of(first).get("auto_pad", "NOTSET") != "NOTSET":
        return None
    (kernel1, bias1), (kernel2, bias2) = _kernel(file, first), _kernel(file, node)
    kernel = np.tensordot(kernel2[:, :, 0, 0], kernel1, 1)
    settings = {"kernel_shape": kernel1.shape[2:], **attributes_of(first), "group": 1}
    strides = [attributes_of(layer).get("strides", [1] * (kernel.ndim - 2)) for layer in (first, node)]
    settings["strides"] = [a * b for a, b in zip(*strides, strict=True)]
    names = [file.constant(node, kernel), file.constant(node, kernel2[:, :, 0, 0] @ bias1 + bias2)]
    return _merge(file, first, [file.last(node, "Conv", first.input[0], *names, settings=settings)])


def _merge(file: File, first: NodeProto, nodes: list[NodeProto]) -> list[NodeProto]:
    file.replace(first, [], f"merged into {nodes[-1].name or nodes[-1].output[0]!r}")
    return nodes


def _alone_before(file: File, node: NodeProto, operators: tuple[str, ...]) -> NodeProto | None:
    """The node in front, if it is of these operators, this one alone reads it, and all weights are finite constants."""
    first = file.producer(node.input[0])
    if first is None or operator_of(first) not in operators or first.output[0] in file.outputs:
        return None
    weights = [name for layer in (first, node) for name in layer.input[1:] if name]
    if any(map(file.is_signal, weights)) or file.readers(first.output[0]) != [node]:
        return None
    if not all(np.all(np.isfinite(file.value(name))) for name in weights):
        return None
    if any(file.value(layer.input[1]).ndim != file.value(node.input[1]).ndim for layer in (first, node)):
        return None
    return None if any(attributes_of(layer).get("transA", 0) for layer in (first, node)) else first


def _is_pointwise(file: File, node: NodeProto) -> bool:
    settings = attributes_of(node)
    plain = not any(settings.get("pads", ())) and settings.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    return plain and file.value(node.input[1]).shape[2:] == (1, 1)


def _matrix(file: File, node: NodeProto) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight (out, in) and bias (out,)."""
    settings, weight = attributes_of(node), file.value(node.input[1]).astype(float)
    weight = (weight if settings.get("transB", 0) else weight.T) * settings.get("alpha", 1.0)
    bias: Any = file.value(node.input[2]).astype(float) if len(node.input) > 2 and node.input[2] else 0.0
    return weight, np.broadcast_to(bias * settings.get("beta", 1.0), (1, len(weight)))[0]


def _kernel(file: File, node: NodeProto) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Kernel (out, in, rows, columns) with zeros between groups, and bias (out,)."""
    weight, groups = file.value(node.input[1]).astype(float), attributes_of(node).get("group", 1)
    per_group = len(weight) // groups
    full = np.zeros((len(weight), weight.shape[1] * groups, *weight.shape[2:]))
    for group in range(groups):
        out = slice(group * per_group, (group + 1) * per_group)
        full[out, group * weight.shape[1] : (group + 1) * weight.shape[1]] = weight[out]
    bias = file.value(node.input[2]).astype(float) if len(node.input) > 2 and node.input[2] else np.zeros(len(weight))
    return full, bias

"""A graph written as ONNX: a layer is one node that bears its name, then nodes for bias map, gain and activation.

The tensor named like a layer holds what the layer puts out, so any framework can read every layer by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.atomic import write_atomically
from models.graph import (
    INPUT,
    Activation,
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Layer,
    MaxPool2d,
    Pool2d,
    Shape,
    Upsample2d,
)
from models.onnx_io.names import free_name
from models.structure import per_channel

PRODUCER = "brianize"
OPSET = 19  # the first in which the mean of an AveragePool that hangs over the border is defined
IR_VERSION = 9  # of the same age as the opset, so that older runtimes read the files


@dataclass(frozen=True)
class Step:
    """One ONNX node of a layer: an operator that reads the step before it and, behind that, named constants."""

    operator: str
    constants: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


def to_onnx(graph: Graph, outputs: Sequence[str] | None = None) -> onnx.ModelProto:
    """The graph as an ONNX model whose first dimension, the batch, is free.

    Parameters
    ----------
    graph : Graph
    outputs : sequence of str, optional
        Layers whose activations the model puts out; the last layer without it.

    Raises
    ------
    KeyError
        If no layer has one of these names.
    """
    names = [graph.output.name] if outputs is None else list(outputs)
    nodes, constants = [], []
    for layer in graph:
        for node, values in _nodes(layer, graph.shapes[layer.name]):
            nodes.append(node)
            constants.extend(values)
    values = [_value(name, graph.shapes[graph[name].name]) for name in names]
    body = helper.make_graph(nodes, "network", [_value(INPUT, graph.input_shape)], values, constants)
    versions = [helper.make_opsetid("", OPSET)]
    return helper.make_model(body, opset_imports=versions, ir_version=IR_VERSION, producer_name=PRODUCER)


def save(graph: Graph, path: str | Path) -> None:
    """Write the graph to an ONNX file; the file appears whole or not at all."""
    write_atomically(Path(path), to_onnx(graph).SerializeToString(deterministic=True))


def _value(name: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", *shape))


def _nodes(layer: Layer, shape: Shape) -> Iterator[tuple[onnx.NodeProto, list[onnx.TensorProto]]]:
    """The nodes of a layer, each with the constants it reads."""
    body, activation = _body(layer, shape), _activation(layer.activation, shape)
    names = [layer.name]
    for step in [*body[1:], *activation]:
        names.append(free_name(f"{layer.name}.{step.operator.lower()}", names))
    tensors = [f"{name}.out" for name in names]
    tensors[len(body) - 1] = f"{layer.name}.pre"  # before the activation function, if it has one
    tensors[-1] = layer.name
    inputs = list(layer.inputs)
    for step, name, tensor in zip([*body, *activation], names, tensors, strict=True):
        constants = {f"{layer.name}.{key}": np.asarray(value, np.float32) for key, value in step.constants.items()}
        node = helper.make_node(step.operator, [*inputs, *constants], [tensor], name=name, **step.attributes)
        yield node, [numpy_helper.from_array(value, key) for key, value in constants.items()]
        inputs = [tensor]


def _activation(activation: Activation, shape: Shape) -> list[Step]:
    slope, ceiling = np.asarray(activation.negative_slope), np.asarray(activation.ceiling)
    steps = []
    if slope.ndim:
        steps = [Step("PRelu", {"slope": per_channel(slope, len(shape))})]
    elif slope == 0.0:
        steps = [Step("Relu")]
    elif slope != 1.0:
        steps = [Step("LeakyRelu", attributes={"alpha": float(slope)})]
    if np.all(np.isinf(ceiling)):
        return steps
    steps.append(Step("Min", {"ceiling": per_channel(ceiling, len(shape))}))
    if not activation.levels:
        return steps
    step = per_channel(ceiling / activation.levels, len(shape))
    rounding = Step("Div", {"step": step}), Step("Add", {"half": 0.5}), Step("Floor"), Step("Mul", {"height": step})
    return [*steps, *rounding]


@singledispatch
def _body(layer: Layer, shape: Shape) -> list[Step]:
    raise TypeError(f"{layer.name!r}: a {type(layer).__name__} has no ONNX form")


@_body.register
def _(layer: Dense, shape: Shape) -> list[Step]:
    bias = {} if layer.bias is None else {"bias": layer.bias}
    return [Step("Gemm", {"weight": layer.weight, **bias}, {"transB": 1})]


@_body.register
def _(layer: Conv2d, shape: Shape) -> list[Step]:
    geometry = {
        "kernel_shape": layer.weight.shape[2:], "strides": layer.stride, "pads": layer.padding,
        "dilations": layer.dilation, "group": layer.groups,
    }  # fmt: skip
    if layer.bias is None:
        return [Step("Conv", {"weight": layer.weight}, geometry)]
    if layer.bias.ndim == 1:
        return [Step("Conv", {"weight": layer.weight, "bias": layer.bias}, geometry)]
    return [Step("Conv", {"weight": layer.weight}, geometry), Step("Add", {"bias": layer.bias})]


def _geometry(layer: Pool2d) -> dict[str, Any]:
    return {
        "kernel_shape": layer.kernel,
        "strides": layer.stride,
        "pads": layer.padding,
        "ceil_mode": int(layer.ceil_mode),
    }


@_body.register
def _(layer: AvgPool2d, shape: Shape) -> list[Step]:
    return [Step("AveragePool", attributes={**_geometry(layer), "count_include_pad": int(layer.count_padding)})]


@_body.register
def _(layer: MaxPool2d, shape: Shape) -> list[Step]:
    return [Step("MaxPool", attributes=_geometry(layer))]


@_body.register
def _(layer: Upsample2d, shape: Shape) -> list[Step]:
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return [Step("Resize", {"roi": [], "scales": [1, 1, *layer.factor]}, how)]


@_body.register
def _(layer: Flatten, shape: Shape) -> list[Step]:
    return [Step("Flatten")]


@_body.register
def _(layer: Add, shape: Shape) -> list[Step]:
    gain = [] if np.all(np.asarray(layer.gain) == 1.0) else [Step("Mul", {"gain": per_channel(layer.gain, len(shape))})]
    return [Step("Add" if len(layer.inputs) == 2 else "Sum"), *gain]


@_body.register
def _(layer: Concat, shape: Shape) -> list[Step]:
    return [Step("Concat", attributes={"axis": 1})]

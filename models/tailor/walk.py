"""An ONNX file followed to its end, whatever stands in the way: what became of each node, and why it could not.

Behind an obstacle the walk goes on with what would stand there after the advice was taken (a ReLU for a tanh), or with
a signal of the right shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import onnx

from models.graph import INPUT, RELU, Layer, Shape
from models.onnx_io import (
    FOLLOWERS,
    NORMS,
    QUANTISED,
    SMOOTH,
    BehindLogits,
    Missing,
    Node,
    OnnxError,
    Signal,
    Trace,
    Value,
    evaluate,
    follow,
    free_name,
)


@dataclass(frozen=True, eq=False)
class Step:
    """What became of a node: its value, the layers it made and changed, and the obstacle it is, if it is one."""

    node: Node
    value: Value
    made: tuple[str, ...]
    changed: tuple[str, ...]
    obstacle: str = ""

    @property
    def output(self) -> str:
        return self.node.proto.output[0]


@dataclass(frozen=True, eq=False)
class Walk:
    """A file, the layers it becomes, what each of its tensors holds, and a step per node, by its first output."""

    model: onnx.ModelProto
    trace: Trace
    values: Mapping[str, Value]
    steps: Mapping[str, Step]


@dataclass(frozen=True, eq=False, kw_only=True)
class Unknown(Layer):
    """Stands for what an obstacle makes; only its shape is known."""

    shape: Shape

    def output_shape(self, *shapes: Shape) -> Shape:
        return self.shape


def walk(model: onnx.ModelProto) -> Walk:
    """Follow all nodes of a file.

    Raises
    ------
    OnnxError
        If the file as a whole cannot be followed: its opset, or the number or shape of its inputs.
    """
    shapes, steps = _inferred_shapes(model), dict[str, Step]()

    def visit(trace: Trace, node: Node, model: onnx.ModelProto) -> Value | tuple[Signal, ...]:
        resolved = _resolve(trace, node, shapes)
        before = dict(trace.layers)
        made_values, obstacle = _try_to_evaluate(trace, resolved, model)
        if obstacle and _blame_softmax(resolved, steps):
            made_values, obstacle = _try_to_evaluate(trace, _without_softmax(trace, resolved), model)
        value = made_values[0] if isinstance(made_values, tuple) else made_values
        obstacle = obstacle or _unexplained(node, steps)
        touched = [name for name, layer in trace.layers.items() if before.get(name) is not layer]
        made, changed = ([name for name in touched if (name in before) is known] for known in (False, True))
        steps[node.proto.output[0]] = Step(node, value, tuple(made), tuple(changed), obstacle)
        return made_values

    trace, values = follow(model, visit)
    return Walk(model, trace, values, steps)


def _try_to_evaluate(trace: Trace, node: Node, model: onnx.ModelProto) -> tuple[Value | tuple[Signal, ...], str]:
    """The value of a node and no obstacle, or what takes its place and the obstacle."""
    if any(isinstance(value, Missing) for value in node.inputs):
        return Missing(node.proto.output[0]), ""
    try:
        return evaluate(trace, node, model), ""
    except OnnxError as error:
        return _stand_in(trace, node), str(error).removeprefix(f"{node.label}: ")


def _stand_in(trace: Trace, node: Node) -> Value:
    first = node.inputs[0] if node.inputs else None
    if isinstance(first, Signal) and node.operator in SMOOTH:
        try:
            return trace.activate(first, RELU, node.name("relu", trace.shapes))
        except OnnxError:
            return Missing(node.proto.output[0])
    return (
        first if isinstance(first, Signal) and node.operator in (*NORMS, *QUANTISED) else Missing(node.proto.output[0])
    )


def _blame_softmax(node: Node, steps: dict[str, Step]) -> bool:
    """A softmax whose result a layer reads is the obstacle, not that layer; whether it is so."""
    read = [value for value in node.inputs if isinstance(value, BehindLogits) and node.operator not in FOLLOWERS]
    for value in read:
        maker = next(step for step in steps.values() if step.value is value)
        steps[maker.output] = replace(maker, obstacle=value.obstacle)
    return bool(read)


def _without_softmax(trace: Trace, node: Node) -> Node:
    """The node as it would read the logits, or a ReLU of them in the place of a sigmoid."""
    inputs: list[Value | None] = []
    for value in node.inputs:
        if isinstance(value, BehindLogits) and value.operator in SMOOTH:
            value = trace.activate(value.signal, RELU, free_name("relu", trace.shapes))
        inputs.append(value.signal if isinstance(value, BehindLogits) else value)
    return replace(node, inputs=tuple(inputs))


def _resolve(trace: Trace, node: Node, shapes: Mapping[str, Shape]) -> Node:
    """The node with signals in the place of what is not known, where at least its shape is."""
    resolved: list[Value | None] = []
    for value in node.inputs:
        if isinstance(value, Missing) and value.name in shapes:
            name = free_name(value.name, trace.shapes)
            value = trace.add(Unknown(name=name, inputs=(INPUT,), shape=shapes[value.name]))
        resolved.append(value)
    return replace(node, inputs=tuple(resolved))


def _unexplained(node: Node, steps: Mapping[str, Step]) -> str:
    """An obstacle of its own where a node reads what is not known, although the node that makes it is no obstacle."""
    for value in node.inputs:
        if isinstance(value, Missing):
            maker = next((step for step in steps.values() if value.name in step.node.proto.output), None)
            if maker is None or not (maker.obstacle or isinstance(maker.value, Missing)):
                return f"reads {value.name!r}, which no node writes as its first output"
    return ""


def _inferred_shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    """The shapes of maps and vectors without the batch, as far as ONNX's own inference knows them."""
    shapes = {}
    for value in onnx.shape_inference.infer_shapes(model).graph.value_info:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(dims) in (2, 4) and all(dims[1:]):
            shapes[value.name] = tuple(dims[1:])
    return shapes

"""The nodes and constants of an ONNX file while some are replaced; every other node stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

from models.onnx_io import Signal, attributes_of, operator_of, without_unread
from models.tailor.walk import Walk

WEIGHTED = ("Conv", "Gemm", "MatMul")
AFFINE = ("Add", "BatchNormalization", "Div", "Dropout", "Identity", "Mul", "Sub")
LINEAR_PER_CHANNEL = (
    "AveragePool", "Dropout", "Flatten", "GlobalAveragePool", "Identity", "Pad", "ReduceMean", "Reshape", "Squeeze",
)  # fmt: skip


class File:
    """A file that is being rewritten.

    `notes` says of a node that is no more, by its first output, what it was written as; `origins` says of a new tensor
    which node it stems from.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.nodes = list(walk.model.graph.node)
        self.producers = {name: node for node in self.nodes for name in node.output}
        self.constants = {name: value for name, value in walk.values.items() if isinstance(value, np.ndarray)}
        self.shapes = {name: walk.trace.shape(v) for name, v in walk.values.items() if isinstance(v, Signal)}
        self.outputs = {output.name for output in walk.model.graph.output}
        self.notes: dict[str, str] = {}
        self.origins: dict[str, str] = {}
        self.taken = {name for node in self.nodes for name in (*node.input, *node.output)} | set(walk.values)
        self.new: list[onnx.TensorProto] = []
        self.types = _types(walk.model)

    def is_signal(self, name: str) -> bool:
        return name not in self.constants

    def value(self, name: str) -> NDArray[Any]:
        return self.constants[name]

    def producer(self, name: str) -> NodeProto | None:
        return self.producers.get(name)

    def readers(self, name: str) -> list[NodeProto]:
        """The nodes that read a tensor, without those that only ask for the size of its batch."""
        readers = [node for node in self.nodes if name in node.input]
        return [node for node in readers if not (operator_of(node) == "Shape" and self._is_batch_size(node))]

    def constant(self, origin: NodeProto, values: Any) -> str:
        """The name of a new constant for nodes in the place of another, of the type that this node makes."""
        name = self._free(f"{origin.output[0]}.constant")
        self.constants[name] = np.asarray(values).astype(self.types.get(origin.output[0], np.dtype(np.float32)))
        self.new.append(numpy_helper.from_array(self.constants[name], name))
        return name

    def node(self, origin: NodeProto, operator: str, *inputs: str, **settings: Any) -> NodeProto:
        """A new node, which stems from another."""
        output = self._free(f"{origin.output[0]}.{operator.lower()}")
        self.origins[output] = origin.output[0]
        name = self._free(f"{origin.name or origin.output[0]}/{operator}")
        return helper.make_node(operator, inputs, [output], name=name, **settings)

    def last(
        self, node: NodeProto, operator: str, *inputs: str, settings: Mapping[str, Any] | None = None
    ) -> NodeProto:
        """A node that takes the place of another: its name, its output and, unless told otherwise, its settings."""
        kept = attributes_of(node) if settings is None and operator == operator_of(node) else settings or {}
        return helper.make_node(operator, inputs, node.output[:1], name=node.name, **kept)

    def chain(self, node: NodeProto, tensor: str, *steps: tuple) -> list[NodeProto]:
        """Steps (operator, constants ...), one behind the other, from a tensor to the output of a node."""
        nodes: list[NodeProto] = []
        for operator, *constants in steps[:-1]:
            names = [self.constant(node, values) for values in constants]
            nodes.append(self.node(node, operator, tensor, *names))
            tensor = nodes[-1].output[0]
        operator, *constants = steps[-1]
        return [*nodes, self.last(node, operator, tensor, *(self.constant(node, values) for values in constants))]

    def copy_linear(self, origin: NodeProto, name: str) -> tuple[list[NodeProto], str]:
        """Copies of the nodes that a signal depends on linearly, back to the first with weights, and its new name."""
        chain, producer = list[tuple[NodeProto, int]](), self.producer(name)
        while producer is not None and operator_of(producer) in (*WEIGHTED, *AFFINE):
            first, *others = (i for i, given in enumerate(producer.input) if given and self.is_signal(given))
            chain.append((producer, first))
            goes_on = operator_of(producer) in AFFINE and not others
            producer = self.producer(producer.input[first]) if goes_on else None
        copies: list[NodeProto] = []
        for producer, first in reversed(chain):
            inputs = list(producer.input)
            if copies:
                inputs[first] = copies[-1].output[0]
            copies.append(self.node(origin, producer.op_type, *inputs, **attributes_of(producer)))
        return copies, copies[-1].output[0] if copies else name

    def path_to_weights(self, name: str) -> list[NodeProto] | None:
        """The nodes from a tensor to the weights that alone read it, if all between are linear in every channel."""
        path: list[NodeProto] = []
        while name not in self.outputs and len(readers := self.readers(name)) == 1:
            node = readers[0]
            path.append(node)
            if operator_of(node) in WEIGHTED:
                return path if self._has_constant_weight(node, name) else None
            if operator_of(node) not in LINEAR_PER_CHANNEL or not self._keeps_channels(node):
                return None
            name = node.output[0]
        return None

    def replace(self, node: NodeProto, nodes: Sequence[NodeProto], note: str = "") -> None:
        place = next(i for i, other in enumerate(self.nodes) if other is node)
        self.nodes[place : place + 1] = nodes
        for name in node.output:
            self.producers.pop(name, None)
        self.producers |= {name: other for other in nodes for name in other.output}
        if note:
            self.notes[node.output[0]] = note

    def to_model(self) -> onnx.ModelProto:
        """The model, without the nodes and constants that nothing reads any more."""
        model = onnx.ModelProto()
        model.CopyFrom(self.walk.model)
        model.graph.ClearField("node")
        model.graph.node.extend(self.nodes)
        model.graph.initializer.extend(self.new)
        return without_unread(model)

    def _has_constant_weight(self, node: NodeProto, name: str) -> bool:
        settings, weight = attributes_of(node), self.constants.get(node.input[1])
        plain = settings.get("group", 1) == 1 and not settings.get("transA", 0)
        return plain and node.input[0] == name and weight is not None and weight.ndim in (2, 4)

    def _keeps_channels(self, node: NodeProto) -> bool:
        """Whether the importer takes it, and if it makes another shape, whether that is flattening."""
        step, shape = self.walk.steps[node.output[0]], self.shapes.get(node.output[0])
        reshapes = operator_of(node) in ("Reshape", "Squeeze")
        return not step.obstacle and shape is not None and not (reshapes and len(shape) != 1)

    def _is_batch_size(self, shape: NodeProto) -> bool:
        readers = [node for node in self.nodes if shape.output[0] in node.input]
        return all(operator_of(node) == "Gather" and np.all(self.constants.get(node.input[1]) == 0) for node in readers)

    def _free(self, name: str) -> str:
        number, stem = 2, name
        while name in self.taken:
            name, number = f"{stem}_{number}", number + 1
        self.taken.add(name)
        return name


def _types(model: onnx.ModelProto) -> dict[str, np.dtype]:
    """The type of each tensor, as far as ONNX's own inference knows it."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info, *graph.output)}
    return {name: helper.tensor_dtype_to_np_dtype(kind) for name, kind in kinds.items() if kind}

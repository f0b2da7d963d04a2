"""One node of an ONNX file, with what its inputs hold: constants, signals, or what a softmax made of the logits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from models.onnx_io.names import layer_name
from models.onnx_io.signals import OnnxError, Signal

OWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


@dataclass(frozen=True, eq=False)
class BehindLogits:
    """Class labels or probabilities: what stands behind the logits, which are the signal."""

    signal: Signal
    operator: str

    @property
    def obstacle(self) -> str:
        """What is wrong where a layer reads it."""
        remedy = "train with ReLU instead" if self.operator == "Sigmoid" else "train without it"
        return (
            f"{self.operator} can only stand at the end; {remedy}, or cut off what follows: `brianize tailor --until`"
        )


@dataclass(frozen=True, eq=False)
class Rounded:
    """factor * floor(signal + 1/2), which is rounded before it is clipped."""

    signal: Signal
    factor: float


@dataclass(frozen=True)
class Missing:
    """A tensor of which nothing is known: an output of a node behind its first."""

    name: str


Value = NDArray[Any] | Signal | BehindLogits | Rounded | Missing


@dataclass(frozen=True, eq=False)
class Node:
    """A node and the values of its inputs; an input that was left out is None."""

    proto: NodeProto
    inputs: tuple[Value | None, ...]
    attributes: Mapping[str, Any]
    batch: int
    opset: int
    keeps_name: bool

    @property
    def operator(self) -> str:
        return operator_of(self.proto)

    @property
    def label(self) -> str:
        return label_of(self.proto)

    def name(self, kind: str, taken: Collection[str]) -> str:
        """A name for a layer of this kind that the node becomes."""
        if self.keeps_name:
            return self.proto.name
        return layer_name(kind, self.operator, self.proto.name, self.proto.input, taken)

    def signal(self, position: int = 0) -> Signal:
        value = self.inputs[position] if position < len(self.inputs) else None
        if isinstance(value, Signal):
            return value
        if isinstance(value, BehindLogits):
            raise OnnxError(f"reads what {value.operator} made, and {value.obstacle}")
        raise OnnxError(f"input {position + 1} is a constant; it must depend on the images")

    def constant(self, position: int, what: str) -> NDArray[Any] | None:
        """An input that is a finite constant, or None if it was left out."""
        value = self.inputs[position] if position < len(self.inputs) else None
        if value is None:
            return None
        if not isinstance(value, np.ndarray):
            raise OnnxError(f"the {what} depends on the images; it must be a constant")
        if value.dtype.kind == "f" and not np.all(np.isfinite(value)):
            raise OnnxError(f"the {what} holds {value[~np.isfinite(value)][0]}; only finite values are possible")
        return value

    def required(self, position: int, what: str) -> NDArray[Any]:
        value = self.constant(position, what)
        if value is None:
            raise OnnxError(f"the {what} is missing")
        return value

    def setting(self, name: str, position: int, default: Any = None) -> Any:
        """What older opsets write as an attribute and newer ones as an input."""
        value = self.inputs[position] if position < len(self.inputs) else None
        value = self.attributes.get(name) if value is None else value
        if isinstance(value, Signal | BehindLogits | Rounded):
            raise OnnxError(f"{name} depends on the images; it must be a constant")
        return default if value is None else value

    def number(self, name: str, position: int, default: float) -> float:
        """A setting that is one number."""
        value = np.asarray(self.setting(name, position, default))
        if value.size != 1 or value.dtype.kind not in "fiub":
            raise OnnxError(f"{name} is {_short(value)}; one number is possible")
        return float(value.reshape(()))

    def whole_numbers(self, name: str, position: int) -> list[int] | None:
        """A setting that is a row of whole numbers, or None if it was left out."""
        value = self.setting(name, position)
        if value is None:
            return None
        row = np.asarray(value)
        if row.ndim > 1 or (row.size and row.dtype.kind not in "iu"):
            raise OnnxError(f"{name} is {_short(row)}; a row of whole numbers is possible")
        return [int(number) for number in np.atleast_1d(row)]


def _short(values: NDArray[Any]) -> str:
    return repr(values.tolist()) if values.size <= 8 else f"of type {values.dtype} and shape {values.shape}"


def operator_of(proto: NodeProto) -> str:
    """The operator; one of a domain that is not ONNX's own with this domain, since it may mean anything."""
    return proto.op_type if proto.domain in OWN_DOMAINS else f"{proto.domain}:{proto.op_type}"


def label_of(proto: NodeProto) -> str:
    return f"node {proto.name or next(iter(proto.output), '')!r} ({operator_of(proto)})"


def with_subgraphs(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Nodes, and those of the graphs within them."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        pending += [inner for a in node.attribute for graph in (a.g, *a.graphs) for inner in graph.node]


def attributes_of(proto: NodeProto) -> dict[str, Any]:
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in proto.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}

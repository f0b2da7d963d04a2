"""An ONNX file read as a graph: node by node, each an operation on constants or one of `models.onnx_io.operators`.

Accepted is what can become spikes: convolutions, fully connected layers, pooling, enlarging, sums and concatenations,
ReLU and its relatives. Batch norm, scaling by constants, other orders and other shapes fold into weights, dropout falls
away, and so does what stands behind the logits: softmax, argmax, labels. Where no activation follows, a layer is
linear. Layers are named as in `models.onnx_io.names`. Anything else is refused, and so is what onnxruntime would not
run. Nothing in a file is ever executed or unpickled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import external_data_helper, inliner, numpy_helper

from models.graph import INPUT, Graph, GraphError
from models.onnx_io.inputs import input_of
from models.onnx_io.node import BehindLogits, Missing, Node, Value, attributes_of, label_of
from models.onnx_io.operators import (
    ADVICE,
    LOGITS_FOLLOWERS,
    OPERATORS,
    evaluate_constants,
    follow_logits,
    require_real,
)
from models.onnx_io.places import is_in_order
from models.onnx_io.running import open_session
from models.onnx_io.signals import OnnxError, Signal, naming, one_line
from models.onnx_io.trace import Trace
from models.onnx_io.writing import PRODUCER

OLDEST_OPSET = 7  # before it, Add and Mul spread their operands by other rules


def load(path: str | Path) -> Graph:
    """Read a trained network from an ONNX file.

    The network must have one input, of shape (batch, channels, height, width) or (batch, features); only the batch may
    be dynamic. Images with the channels last (Keras), without channels, and signals along one axis become maps with the
    channels first (`models.onnx_io.inputs`). Where it reads bytes, the graph reads them as floats in [0, 1].

    Raises
    ------
    OnnxError
        If the file is not sound, or holds what cannot become spikes: one line with the file, the node and the remedy.
    """
    with naming(path):
        model = read(path)
        graph = finish(model, *follow(model))
        require_runnable(path)
        return graph


def read(path: str | Path) -> onnx.ModelProto:
    """The file, checked, with its weights in memory; raises `OnnxError`."""
    path = Path(path)
    if not path.is_file():
        raise OnnxError("no such file")
    data = path.read_bytes()
    if not data:
        raise OnnxError("the file is empty")
    try:
        model = onnx.load_model_from_string(data)
        external_data_helper.load_external_data_for_model(model, str(path.parent))
        onnx.checker.check_model(model)
        model = inliner.inline_local_functions(model) if model.functions else model
    except DecodeError:
        raise OnnxError("not an ONNX file, or one that is cut short") from None
    except (onnx.checker.ValidationError, OSError, ValueError, RuntimeError) as error:
        raise OnnxError(f"not a sound ONNX file: {one_line(error)}") from None
    _require_unique_names(model.graph)
    _require_parts(model.graph, opset_of(model))
    return model


def _require_unique_names(graph: onnx.GraphProto) -> None:
    """Names of nodes and of tensors; the checker lets some that are borne twice pass."""
    nodes = Counter(node.name for node in graph.node if node.name)
    tensors = Counter(name for node in graph.node for name in node.output if name)
    tensors.update(tensor.name for tensor in graph.initializer)
    tensors.update({value.name for value in graph.input} - {tensor.name for tensor in graph.initializer})
    for kind, names in (("nodes", nodes), ("tensors", tensors)):
        if twice := [name for name, count in names.items() if count > 1]:
            raise OnnxError(f"two {kind} are called {twice[0]!r}; give each a name of its own, or export again")


def _require_parts(graph: onnx.GraphProto, opset: int) -> None:
    """No input left out that has to be there, and a Split of as many parts as it has outputs, all with names.

    Of others, ONNX and onnxruntime end the process.
    """
    for node in graph.node:
        if not all(node.input):
            _require_optional(node, opset)
        if node.op_type == "Split" and not all(node.output):
            raise OnnxError(f"{label_of(node)}: an output has no name; give it one, or export again")
        parts = attributes_of(node).get("num_outputs", len(node.output)) if node.op_type == "Split" else None
        if parts is not None and parts != len(node.output):
            raise OnnxError(f"{label_of(node)}: num_outputs is {parts}, but it has {len(node.output)} outputs")


def _require_optional(node: onnx.NodeProto, opset: int) -> None:
    """An `OnnxError` unless each input that a node leaves out is optional; nothing is known of foreign operators."""
    if not onnx.defs.has(node.op_type, opset, node.domain):
        return
    places = onnx.defs.get_schema(node.op_type, opset, node.domain).inputs
    for place, name in enumerate(node.input):
        if not name and places[min(place, len(places) - 1)].option != onnx.defs.OpSchema.FormalParameterOption.Optional:
            raise OnnxError(f"{label_of(node)}: input {place + 1} is missing")


def require_runnable(path: str | Path) -> None:
    """Raise an `OnnxError` if onnxruntime refuses the file, as it does types of tensors that do not fit, or an image.

    Some of what it refuses, such as shapes and padding, it finds only when it runs; a single black image shows it.
    """
    try:
        session = open_session(path, optimised=False)
        session.run(None, {given.name: _black(given.type, given.shape) for given in session.get_inputs()})
    except Exception as error:  # its exceptions share no base class
        raise OnnxError(f"onnxruntime refuses the file: {one_line(error)}; export the network again") from error


def _black(kind: str, shape: list[int | str | None]) -> NDArray[Any]:
    """One black image, or as many as the batch is fixed to, of a type such as "tensor(float)"."""
    names = {"float": "float32", "double": "float64"}
    name = kind.removeprefix("tensor(").removesuffix(")")
    return np.zeros([size if isinstance(size, int) else 1 for size in shape], names.get(name, name))


Visit = Callable[[Trace, Node, onnx.ModelProto], Value | tuple[Signal, ...]]


def follow(model: onnx.ModelProto, visit: Visit | None = None) -> tuple[Trace, dict[str, Value]]:
    """Follow the nodes in their order, which ONNX guarantees to be one in which each reads only earlier ones.

    Returns
    -------
    Trace, dict of str to Value
        The layers, and what each tensor holds; `visit` gives the value of a node, by default `evaluate`.

    Raises
    ------
    OnnxError
        Of `visit`, or about the file as a whole.
    """
    opset = opset_of(model)
    if not OLDEST_OPSET <= opset <= onnx.defs.onnx_opset_version():
        raise OnnxError(
            f"opset {opset} is not one from {OLDEST_OPSET} to {onnx.defs.onnx_opset_version()}; export again"
        )
    values: dict[str, Value] = {}
    for tensor in model.graph.initializer:
        with naming(f"tensor {tensor.name!r}"):
            if tensor.data_type not in onnx.TensorProto.DataType.values():
                raise OnnxError(f"is of type {tensor.data_type}, which ONNX has not; export the network again")
            values[tensor.name] = require_real(numpy_helper.to_array(tensor))
    given = input_of(model, values)
    trace = Trace(given.shape)
    image = trace.signal(INPUT)
    values[given.name] = trace.arrange(replace(image, scale=image.scale * given.largest), given.places, "flatten")
    reads, keeps_name = _reads(model.graph), model.producer_name == PRODUCER
    for proto in model.graph.node:
        inputs = tuple(values.get(name, Missing(name)) if name else None for name in proto.input)
        with naming(label_of(proto)):
            attributes = attributes_of(proto)
        node = Node(proto, inputs, attributes, given.batch, opset, keeps_name)
        made = (visit or evaluate)(trace, node, model)
        for name, value in zip(proto.output, made if isinstance(made, tuple) else (made,), strict=False):
            values[name] = value
            if isinstance(value, Signal) and reads[name] > 1:
                trace.shared.add(value.layer)
    return trace, values


def evaluate(trace: Trace, node: Node, model: onnx.ModelProto) -> Value | tuple[Signal, ...]:
    """The value of a node's first output, or of all if it splits a signal; layers that it makes are added to the trace.

    Raises
    ------
    OnnxError
        If it cannot become spikes.
    """
    with naming(node.label, GraphError):
        given = [value for value in node.inputs if value is not None]
        for value in given:
            if isinstance(value, Missing):
                raise OnnxError(f"reads {value.name!r}, which no node writes as its first output")
        if all(isinstance(value, np.ndarray) for value in given):
            return evaluate_constants(node, model)
        behind = [value for value in given if isinstance(value, BehindLogits)]
        if behind and node.operator in LOGITS_FOLLOWERS:
            return follow_logits(trace, node, behind[0])
        if node.operator not in OPERATORS:
            advice = ADVICE.get(node.operator, f"possible are {', '.join(OPERATORS)}")
            raise OnnxError(f"this operator cannot become spikes; {advice}")
        return OPERATORS[node.operator](trace, node)


def opset_of(model: onnx.ModelProto) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OLDEST_OPSET)


def _reads(graph: onnx.GraphProto) -> Counter[str]:
    """How many nodes and outputs read the values of each tensor, not just its shape or type."""
    reads = Counter(output.name for output in graph.output)
    for node in graph.node:
        if node.op_type != "Shape":
            reads.update(node.input[:1] if node.op_type == "CastLike" else node.input)
    return reads


def finish(model: onnx.ModelProto, trace: Trace, values: Mapping[str, Value]) -> Graph:
    """The graph up to the one layer that all outputs come from: the logits, when there are labels and probabilities."""
    signals: dict[str, Signal] = {}
    for name in (output.name for output in model.graph.output):
        value = values.get(name, Missing(name))
        if isinstance(value, np.ndarray):
            raise OnnxError(f"output {name!r} does not depend on the input")
        if isinstance(value, Missing):
            raise OnnxError(f"output {name!r} is one that no node writes as its first output")
        signals[name] = value.signal if isinstance(value, BehindLogits) else value
    if len({signal.layer for signal in signals.values()}) != 1:
        raise OnnxError(f"the outputs {', '.join(map(repr, signals))} come from different layers; export one of them")
    signal = next(iter(signals.values()))
    if signal.places is not None and is_in_order(signal.places, trace.shapes[signal.layer]):
        signal = replace(signal, places=None)  # the values in their order; the shape alone is another
    with naming(f"output {next(iter(signals))!r}", GraphError):
        last = trace.make_plain(signal)
    if last == INPUT:
        raise OnnxError("the network has no layers")
    needed = {last}
    for layer in reversed(trace.layers.values()):
        if layer.name in needed:
            needed.update(layer.inputs)
    layers = tuple(layer for layer in trace.layers.values() if layer.name in needed)
    try:
        return Graph(trace.shapes[INPUT], layers)
    except GraphError as error:
        raise OnnxError(str(error)) from error

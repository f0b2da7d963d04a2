"""An ONNX file read as a graph: node by node, each an operation on constants or one of `models.onnx_io.operators`.

Accepted is what can become spikes: convolutions, fully connected layers, pooling, sums and concatenations, ReLU and its
relatives. Batch norm and scaling by constants fold into weights, dropout falls away, and so does what stands behind the
logits: softmax, argmax, labels. Where no activation follows, a layer is linear. Layers are named as in
`models.onnx_io.names`. Anything else is refused. Nothing in a file is ever executed or unpickled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import external_data_helper, helper, inliner, numpy_helper
from onnx.reference import ReferenceEvaluator

from models.graph import INPUT, Graph, GraphError, Shape
from models.onnx_io.node import BehindLogits, Missing, Node, Value, attributes_of
from models.onnx_io.operators import ADVICE, LOGITS_FOLLOWERS, OPERATORS
from models.onnx_io.trace import OnnxError, Signal, Trace
from models.onnx_io.writing import PRODUCER

OLDEST_OPSET = 7  # before it, Add and Mul spread their operands by other rules


def load(path: str | Path) -> Graph:
    """Read a trained network from an ONNX file.

    The network must have one input, of shape (batch, channels, height, width) or (batch, features); only the batch may
    be dynamic.

    Raises
    ------
    OnnxError
        If the file is not sound, or holds what cannot become spikes: one line with the file, the node and the remedy.
    """
    try:
        model = read(path)
        return finish(model, *follow(model))
    except OnnxError as error:
        raise OnnxError(f"{path}: {error}") from None


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
        return inliner.inline_local_functions(model) if model.functions else model
    except DecodeError:
        raise OnnxError("not an ONNX file, or one that is cut short") from None
    except (onnx.checker.ValidationError, OSError, ValueError, RuntimeError) as error:
        raise OnnxError(f"not a sound ONNX file: {' '.join(str(error).split())}") from None


Visit = Callable[[Trace, Node, onnx.ModelProto], Value]


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
    values: dict[str, Value] = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    name, batch, shape = _input(model, values)
    trace = Trace(shape)
    values[name] = trace.signal(INPUT)
    reads = _reads(model.graph)
    for proto in model.graph.node:
        inputs = tuple(values.get(name, Missing(name)) if name else None for name in proto.input)
        node = Node(proto, inputs, attributes_of(proto), batch, keeps_name=model.producer_name == PRODUCER)
        value = values[proto.output[0]] = (visit or evaluate)(trace, node, model)
        if isinstance(value, Signal) and reads[proto.output[0]] > 1:
            trace.shared.add(value.layer)
    return trace, values


def evaluate(trace: Trace, node: Node, model: onnx.ModelProto) -> Value:
    """The value of a node's first output; layers that it makes are added to the trace.

    Raises
    ------
    OnnxError
        If it cannot become spikes.
    """
    given = [value for value in node.inputs if value is not None]
    behind = [value for value in given if isinstance(value, BehindLogits)]
    try:
        for value in given:
            if isinstance(value, Missing):
                raise OnnxError(f"reads {value.name!r}, which no node writes as its first output")
        if all(isinstance(value, np.ndarray) for value in given):
            return _constant(node, model)
        if behind and node.operator in LOGITS_FOLLOWERS:
            return behind[0]
        if node.operator not in OPERATORS:
            advice = ADVICE.get(node.operator, f"possible are {', '.join(OPERATORS)}")
            raise OnnxError(f"this operator cannot become spikes; {advice}")
        return OPERATORS[node.operator](trace, node)
    except (OnnxError, GraphError) as error:
        raise OnnxError(f"{node.label}: {error}") from None


def opset_of(model: onnx.ModelProto) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OLDEST_OPSET)


def _reads(graph: onnx.GraphProto) -> Counter[str]:
    """How many nodes and outputs read the values of each tensor, not just its shape or type."""
    reads = Counter(output.name for output in graph.output)
    for node in graph.node:
        if node.op_type != "Shape":
            reads.update(node.input[:1] if node.op_type == "CastLike" else node.input)
    return reads


def _input(model: onnx.ModelProto, values: dict[str, Value]) -> tuple[str, int, Shape]:
    """Name, batch size (1 if it is free) and shape of the one input that is not a weight."""
    inputs = [value for value in model.graph.input if value.name not in values]
    if len(inputs) != 1:
        raise OnnxError(f"the network has {len(inputs)} inputs, {[value.name for value in inputs]}; one is possible")
    name, tensor = inputs[0].name, inputs[0].type.tensor_type
    dims = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
    if len(dims) not in (2, 4):
        raise OnnxError(f"input {name!r} has shape {dims}, not (batch, channels, height, width) or (batch, features)")
    free = [str(dim or f"number {axis}") for axis, dim in enumerate(dims) if axis and not _is_fixed(dim)]
    if free:
        raise OnnxError(f"input {name!r} has the dynamic dimension {', '.join(free)}; only the batch may be free")
    return name, dims[0] if _is_fixed(dims[0]) else 1, tuple(dims[1:])


def _is_fixed(dimension: int | str) -> bool:
    return isinstance(dimension, int) and dimension > 0


def _constant(node: Node, model: onnx.ModelProto) -> Value:
    """The result of a node that reads only constants, such as the shape of a Reshape."""
    given = {name: value for name, value in zip(node.proto.input, node.inputs, strict=True) if name}
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in given]
    output = helper.make_tensor_value_info(node.proto.output[0], onnx.TensorProto.UNDEFINED, None)
    body = helper.make_graph([node.proto], "constant", inputs, [output])
    try:
        alone = helper.make_model(body, opset_imports=model.opset_import)
        results: Any = ReferenceEvaluator(alone).run(None, given)
    except Exception as error:  # whatever an evaluator of hundreds of operators may raise, the file is at fault
        raise OnnxError(f"cannot be evaluated: {' '.join(str(error).split())}") from None
    return np.asarray(results[0])


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
    last = trace.make_plain(next(iter(signals.values())))
    if last == INPUT:
        raise OnnxError("the network has no layers")
    needed = {last}
    for layer in reversed(trace.layers.values()):
        if layer.name in needed:
            needed.update(layer.inputs)
    return Graph(trace.shapes[INPUT], tuple(layer for layer in trace.layers.values() if layer.name in needed))

"""An ONNX file read as a graph: node by node, each an operation on constants or one of `models.onnx_io.operators`.

Accepted is what can become spikes: convolutions, fully connected layers, pooling, enlarging, sums and concatenations,
ReLU and its relatives. Batch norm, scaling by constants, other orders and other shapes fold into weights, dropout falls
away, and so does what stands behind the logits: softmax, sigmoid, argmax, labels. Where no activation follows, a layer
is linear. Layers are named as in `models.onnx_io.names`. Anything else is refused, and so is what onnxruntime would not
run. Nothing in a file is ever executed or unpickled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import external_data_helper, inliner, numpy_helper

from models.graph import INPUT, Graph, GraphError, Shape
from models.onnx_io.content import OLDEST_OPSET, opset_of, require_file, require_parts, require_unique_names
from models.onnx_io.editing import cut
from models.onnx_io.inputs import input_of, standardised
from models.onnx_io.node import BehindLogits, Missing, Node, Rounded, Value, attributes_of, label_of
from models.onnx_io.operators import (
    ADVICE,
    OPERATORS,
    ROUNDS,
    clip_rounded,
    evaluate_constants,
    follow_logits,
    require_real,
)
from models.onnx_io.places import is_in_order
from models.onnx_io.running import require_runnable
from models.onnx_io.signals import OnnxError, Signal, naming, one_line
from models.onnx_io.trace import Trace
from models.onnx_io.writing import PRODUCER
from models.standardisation import Standardisation, StandardisationError

UNTIL = "where it stands behind the network, `brianize tailor FILE --until NAME --output NEW.onnx` cuts it off"
UNSOUND = (onnx.checker.ValidationError, onnx.shape_inference.InferenceError)
PIXELS = Standardisation()  # the network reads them as they are


def load(path: str | Path, until: str | None = None, standardisation: Standardisation = PIXELS) -> Graph:
    """Read a trained network from an ONNX file, as one that reads pixels in [0, 1].

    What it reads instead, as `standardisation` or the type of its input says, is folded into its first layers, as
    operators that it begins with are; at a padded border a convolution then has a bias for each position.

    The network must have one input, of shape (batch, channels, height, width) or (batch, features); only the batch may
    be dynamic. Images with the channels last (Keras), without channels, and signals along one axis become maps with the
    channels first (`models.onnx_io.inputs`).

    Parameters
    ----------
    until : str, optional
        The tensor, or the node, that the network is read up to; by default the output of the file. It takes a network
        out of a larger file, and chooses one of several outputs.
    standardisation : Standardisation
        What the network reads in the place of pixels.

    Raises
    ------
    OnnxError
        If the file is not sound, or holds what cannot become spikes: one line with the file, the node and the remedy.
    """
    with naming(path, StandardisationError):
        model = read(path, until)
        graph = finish(model, *follow(model, standardisation=standardisation))
        require_runnable(path if until is None else model)
        return graph


def input_shape(path: str | Path) -> Shape:
    """What a network reads, of a file whose weights need not be read; raises `OnnxError`."""
    with naming(path):
        require_file(Path(path))
        try:
            model = onnx.load_model(path, load_external_data=False)
        except DecodeError:
            raise OnnxError("not an ONNX file, or one that is cut short") from None
        model = inliner.inline_local_functions(model) if model.functions else model
        return input_of(model, {tensor.name for tensor in model.graph.initializer}).shape


def read(path: str | Path, until: str | None = None) -> onnx.ModelProto:
    """The file, or the part of it that computes a tensor, checked, with its weights in memory; raises `OnnxError`."""
    path = Path(path)
    require_file(path)
    try:
        model = onnx.load_model_from_string(path.read_bytes())
        external_data_helper.load_external_data_for_model(model, str(path.parent))
        require_parts(model)
        if not all(output.type.tensor_type.HasField("shape") for output in model.graph.output):
            model = onnx.shape_inference.infer_shapes(model)  # tools that cut networks leave it out
        onnx.checker.check_model(model)
        model = inliner.inline_local_functions(model) if model.functions else model
        require_unique_names(model.graph)
        return model if until is None else cut(model, until)
    except DecodeError:
        raise OnnxError("not an ONNX file, or one that is cut short") from None
    except OnnxError:
        raise
    except (*UNSOUND, OSError, ValueError, RuntimeError) as error:
        raise OnnxError(f"not a sound ONNX file: {one_line(error)}") from None


Visit = Callable[[Trace, Node, onnx.ModelProto], Value | tuple[Signal, ...]]


def follow(
    model: onnx.ModelProto, visit: Visit | None = None, standardisation: Standardisation | None = None
) -> tuple[Trace, dict[str, Value]]:
    """Follow the nodes in their order, which ONNX guarantees to be one in which each reads only earlier ones.

    The input holds what the network reads, or, given a standardisation, pixels that become that.

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
    pixels = trace.signal(INPUT)
    if standardisation is not None:
        pixels = standardised(given, pixels, standardisation)
    values[given.name] = trace.arrange(pixels, given.places, "flatten")
    reads, keeps_name = _reads(model.graph), model.producer_name == PRODUCER
    for proto in model.graph.node:
        inputs = tuple(values.get(name, Missing(name)) if name else None for name in proto.input)
        with naming(label_of(proto)):
            attributes = attributes_of(proto)
        node = Node(proto, inputs, attributes, given.batch, opset, keeps_name)
        made = (visit or evaluate)(trace, node, model)
        for name, value in zip(proto.output, made if isinstance(made, tuple) else (made,), strict=False):
            values[name] = value
            signal = value.signal if isinstance(value, BehindLogits | Rounded) else value
            if isinstance(signal, Signal) and reads[name] > 1:
                trace.shared.add(signal.layer)
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
        if any(isinstance(value, BehindLogits) for value in given):
            return follow_logits(trace, node)
        if any(isinstance(value, Rounded) for value in given):
            return clip_rounded(trace, node)
        if node.operator not in OPERATORS:
            advice = ADVICE.get(node.operator, f"possible are {', '.join(OPERATORS)}; {UNTIL}")
            raise OnnxError(f"this operator cannot become spikes; {advice}")
        return OPERATORS[node.operator](trace, node)


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
        if isinstance(value, Rounded):
            raise OnnxError(f"output {name!r}: {ROUNDS}")
        signals[name] = value.signal if isinstance(value, BehindLogits) else value
    if not signals:
        raise OnnxError("the network has no output; export it again")
    if len({signal.layer for signal in signals.values()}) != 1:
        raise OnnxError(
            f"the outputs {', '.join(map(repr, signals))} come from different layers; `brianize tailor FILE --until "
            f"{next(iter(signals))} --output NEW.onnx` writes the network up to one of them"
        )
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

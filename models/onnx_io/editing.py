"""ONNX models made of ONNX models: a part of a network up to a tensor, weights stored as float16 or as bytes."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.onnx_io.node import with_subgraphs
from models.onnx_io.signals import OnnxError


def cut(model: onnx.ModelProto, until: str) -> onnx.ModelProto:
    """The part of a network that computes one tensor, which is then its only output.

    Parameters
    ----------
    until : str
        The name of the tensor, or of the node that makes it.

    Raises
    ------
    OnnxError
        If nothing is called so.
    """
    nodes = [node for node in model.graph.node if node.output]
    known = {node.name: node.output[0] for node in nodes if node.name}
    known |= {name: name for node in nodes for name in node.output if name}
    if until not in known:
        near = get_close_matches(until, known, cutoff=0.4) or [output.name for output in model.graph.output]
        raise OnnxError(f"no tensor or node is called {until!r}; there is {', '.join(map(repr, near))}")
    output = helper.make_tensor_value_info(known[until], TensorProto.FLOAT, None)
    inferred = onnx.shape_inference.infer_shapes(model).graph
    for value in (*inferred.value_info, *inferred.output):
        output = value if value.name == output.name else output
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.output[:]
    result.graph.output.append(output)
    result = without_unread(result)
    read = {name for node in result.graph.node for name in reads(node)}
    inputs = [value for value in result.graph.input if value.name in read] or list(result.graph.input)
    del result.graph.input[:]
    result.graph.input.extend(inputs)
    return result


def without_unread(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model without the nodes and constants that nothing reads."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph, needed, kept = result.graph, {output.name for output in model.graph.output}, list[onnx.NodeProto]()
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(reads(node))
            kept.append(node)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants or value.name in needed]
    for field in ("node", "initializer", "input", "value_info"):
        graph.ClearField(field)  # type: ignore[arg-type]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in needed)
    graph.input.extend(inputs)
    return result


def reads(node: onnx.NodeProto) -> list[str]:
    """The names of the tensors that a node reads, those of the graphs within it too."""
    return [name for inner in with_subgraphs([node]) for name in inner.input]


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with its constants rounded to float16; a Cast node brings each back to float32.

    Raises
    ------
    ValueError
        If a constant is too large for float16, or not finite.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    casts = []
    for tensor in result.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            stored = _round(tensor)
            casts.append(helper.make_node("Cast", [stored.name], [tensor.name], to=TensorProto.FLOAT))
            tensor.CopyFrom(stored)
    return _begin_with(casts, result)


def to_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with the weights of convolutions and dense layers rounded to 8 bits, one scale per output.

    A DequantizeLinear node makes float32 of them: byte times scale, where the largest weight of an output is 127. What
    is no weight of an output per row, biases among them, stays as it is.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    weights = {node.input[1] for node in result.graph.node if node.op_type == "Conv" or _is_by_row(node)}
    stored, nodes = list[onnx.TensorProto](), list[onnx.NodeProto]()
    for tensor in result.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or tensor.name not in weights:
            stored.append(tensor)
            continue
        parts = _bytes_and_scale(tensor)
        stored += parts
        nodes.append(helper.make_node("DequantizeLinear", [part.name for part in parts], [tensor.name], axis=0))
    del result.graph.initializer[:]
    result.graph.initializer.extend(stored)
    return _begin_with(nodes, result)


def _is_by_row(node: onnx.NodeProto) -> bool:
    return node.op_type == "Gemm" and any(a.name == "transB" and a.i == 1 for a in node.attribute)


def _bytes_and_scale(tensor: onnx.TensorProto) -> list[onnx.TensorProto]:
    values = numpy_helper.to_array(tensor)
    largest = np.abs(values).reshape(len(values), -1).max(axis=1)
    scale = (np.where(largest > 0, largest, 1) / 127).astype(np.float32)
    rounded = np.rint(values / scale.reshape(-1, *(1,) * (values.ndim - 1))).astype(np.int8)
    return [
        numpy_helper.from_array(rounded, f"{tensor.name}.bytes"),
        numpy_helper.from_array(scale, f"{tensor.name}.scale"),
    ]


def _begin_with(nodes: list[onnx.NodeProto], model: onnx.ModelProto) -> onnx.ModelProto:
    nodes = [*nodes, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _round(tensor: onnx.TensorProto) -> onnx.TensorProto:
    values = numpy_helper.to_array(tensor)
    largest = np.abs(values).max(initial=0)
    if not largest <= np.finfo(np.float16).max:
        raise ValueError(f"{tensor.name!r} holds {largest}, which float16 cannot")
    return numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}.half")

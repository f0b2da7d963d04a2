"""Nodes that read only constants, such as those that make the shape of a Reshape, or weights out of stored bytes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from models.onnx_io.node import Node, with_subgraphs
from models.onnx_io.running import open_session
from models.onnx_io.signals import LARGEST, OnnxError

IR_VERSION = 10
REPEATING = ("Loop", "Scan")


def evaluate_constants(node: Node, model: onnx.ModelProto) -> NDArray[Any]:
    """The first output of a node all of whose inputs are constants.

    Raises
    ------
    OnnxError
        If it cannot be evaluated, might never end, or would be too large.
    """
    if repeating := next((n.op_type for n in with_subgraphs([node.proto]) if n.op_type in REPEATING), None):
        raise OnnxError(f"a {repeating} may run for ever; export the network with its result as a constant")
    given = {name: value for name, value in zip(node.proto.input, node.inputs, strict=True) if name}
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in given]
    output = helper.make_tensor_value_info(node.proto.output[0], onnx.TensorProto.UNDEFINED, None)
    alone = helper.make_model(
        helper.make_graph([node.proto], "constant", inputs, [output]), opset_imports=model.opset_import
    )
    _require_size(alone, given)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is not finite is refused where it is used
            results: Any = ReferenceEvaluator(alone).run(None, given)
    except Exception as error:  # whatever an evaluator of hundreds of operators may raise
        results = _by_onnxruntime(alone, given, error)
    return require_real(np.asarray(results[0]))


def require_real(values: NDArray[Any]) -> NDArray[Any]:
    """The same values; raises an `OnnxError` about complex numbers, of which NumPy would drop a part."""
    if values.dtype.kind == "c":
        raise OnnxError(f"holds numbers of type {values.dtype}; only real ones are possible")
    return values


def _by_onnxruntime(alone: onnx.ModelProto, given: Mapping[str, Any], error: Exception) -> Any:
    """Of operators whose older versions ONNX's own evaluator does not know; `error` is what it said."""
    try:
        return open_session(_with_types(alone, given)).run(None, dict(given))
    except Exception:  # then the file is at fault
        raise OnnxError(f"cannot be evaluated: {' '.join(str(error).split())}") from error


def _with_types(alone: onnx.ModelProto, given: Mapping[str, Any]) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.CopyFrom(alone)
    model.ir_version = IR_VERSION
    for value in model.graph.input:
        constant = given[value.name]
        kind = helper.np_dtype_to_tensor_dtype(constant.dtype)
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, constant.shape))
    model.graph.output[0].ClearField("type")
    return model


def _require_size(alone: onnx.ModelProto, given: Mapping[str, Any]) -> None:
    """Refuse what a few numbers would blow up, such as Expand and ConstantOfShape, before it takes the memory."""
    try:
        model = _with_types(alone, given)
        small = {name: value for name, value in given.items() if value.size <= 64}
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in small.items()
        )
        output = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output[0]
    except Exception:  # then the evaluation itself says what is wrong
        return
    size = math.prod(dim.dim_value for dim in output.type.tensor_type.shape.dim)
    if size > LARGEST:
        raise OnnxError(f"makes a constant of {size} numbers; {LARGEST} is the most possible")

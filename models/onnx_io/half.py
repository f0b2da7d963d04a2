"""Weights stored as float16: a file of half the size that computes in float32."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


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
    nodes = [*casts, *result.graph.node]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result


def _round(tensor: onnx.TensorProto) -> onnx.TensorProto:
    values = numpy_helper.to_array(tensor)
    largest = np.abs(values).max(initial=0)
    if not largest <= np.finfo(np.float16).max:
        raise ValueError(f"{tensor.name!r} holds {largest}, which float16 cannot")
    return numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}.half")

"""What the input of an ONNX file holds: features, images with the channels first or last, or signals along one axis.

A network of this project reads maps (channels, height, width) or features. Files of Keras have the channels last and
reorder them first thing, images of one channel may come without that axis, and 1-d convolutions read maps of one row.
The order is read off the sizes and off the first node that cares for it.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace

import onnx
from onnx import TensorProto

from models.graph import Shape
from models.onnx_io.node import attributes_of, operator_of
from models.onnx_io.places import Places, in_order
from models.onnx_io.signals import OnnxError, Signal, require_size
from models.standardisation import Standardisation

VALUE_BY_VALUE = (
    "Abs", "Add", "Cast", "CastLike", "Clip", "Div", "Dropout", "Identity", "Mul", "Neg", "Pad", "Relu", "Sub",
)  # fmt: skip
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
WHOLE = (
    TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT16, TensorProto.UINT32,
    TensorProto.UINT64,
)  # fmt: skip
SCALES = {**dict.fromkeys(FLOATS, 1.0), **dict.fromkeys(WHOLE), TensorProto.UINT8: 255.0}
ANY_ORDER = ("Flatten", "Gemm", "MatMul", "Reshape")
ALONG_CHANNELS = (
    "AveragePool", "BatchNormalization", "Conv", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "PRelu",
)  # fmt: skip
COLOURS = (1, 3)


@dataclass(frozen=True, eq=False)
class Input:
    """The one input: its name and batch size (1 if it is free), the shape of the layer, the tensor's places of it.

    `scale` is what the value 1 of a pixel is by the type of the tensor: 255 of bytes, None where that says nothing.
    """

    name: str
    batch: int
    shape: Shape
    places: Places
    scale: float | None


def input_of(model: onnx.ModelProto, constants: Container[str]) -> Input:
    """The one input of a network that is no weight; raises `OnnxError`."""
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise OnnxError(f"the network has {len(inputs)} inputs, {[value.name for value in inputs]}; one is possible")
    name, tensor = inputs[0].name, inputs[0].type.tensor_type
    if tensor.elem_type not in SCALES:
        known = tensor.elem_type in TensorProto.DataType.values()
        kind = TensorProto.DataType.Name(tensor.elem_type).lower() if known else tensor.elem_type
        raise OnnxError(f"input {name!r} is of type {kind}; images are floats or whole numbers")
    dims = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
    if len(dims) not in (2, 3, 4):
        raise OnnxError(f"input {name!r} has shape {dims}, not (batch, channels, height, width) or (batch, features)")
    free = [str(dim or f"number {axis}") for axis, dim in enumerate(dims) if axis and not _is_fixed(dim)]
    if free:
        raise OnnxError(f"input {name!r} has the dynamic dimension {', '.join(free)}; only the batch may be free")
    shape, places = _layout(tuple(dims[1:]), _first_reader(model.graph, name))
    return Input(name, dims[0] if _is_fixed(dims[0]) else 1, shape, places, SCALES[tensor.elem_type])


def standardised(given: Input, signal: Signal, standardisation: Standardisation) -> Signal:
    """The input as the network reads it, made of pixels in [0, 1].

    Raises
    ------
    OnnxError, StandardisationError
        If it cannot be told what the network reads.
    """
    said = standardisation.said
    if given.scale is None and "scale" not in said:
        raise OnnxError(f"input {given.name!r} holds whole numbers; say with scale which of them is white, such as 255")
    if given.scale != 1 and said.keys() - {"scale"}:
        raise OnnxError(f"input {given.name!r} holds whole numbers, which have no mean and std; leave these out")
    factor, offset = standardisation.affine(given.shape, given.scale or 1.0)
    return replace(signal, scale=factor, offset=offset)


def _is_fixed(dimension: int | str) -> bool:
    return isinstance(dimension, int) and dimension > 0


def _layout(sizes: Shape, reader: onnx.NodeProto | None) -> tuple[Shape, Places]:
    """The shape of the layer, and the places of an input of these sizes, given the first node that cares for order."""
    require_size(sizes)
    operator = "" if reader is None else operator_of(reader)
    order = attributes_of(reader).get("perm") if reader is not None and operator == "Transpose" else None
    if len(sizes) == 3:
        gray_or_coloured = sizes[2] in COLOURS and sizes[0] not in COLOURS
        if order == [0, 3, 1, 2] or (operator in ANY_ORDER and gray_or_coloured):
            shape = (sizes[2], *sizes[:2])
            return shape, in_order(shape).transpose(1, 2, 0)
        return sizes, in_order(sizes)
    if len(sizes) == 2 and order == [0, 2, 1]:
        return (sizes[1], 1, sizes[0]), in_order((sizes[1], sizes[0])).T
    if len(sizes) == 2:
        shape = (1, *sizes)
        if operator in ALONG_CHANNELS or sizes[1] == 1:
            shape = (sizes[0], 1, sizes[1]) if operator in ALONG_CHANNELS else (1, 1, sizes[0])
        return shape, in_order(sizes)
    return sizes, in_order(sizes)


def _first_reader(graph: onnx.GraphProto, name: str) -> onnx.NodeProto | None:
    """The first node behind a tensor that does not go value by value."""
    names = {name}
    for node in graph.node:
        if names.intersection(node.input) and operator_of(node) != "Shape":
            if operator_of(node) not in VALUE_BY_VALUE:
                return node
            names.update(node.output)
    return None

"""ONNX operators that resize maps by taking the nearest pixel: enlarging by whole factors, or picking some."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from onnx import helper

from models.graph import Upsample2d
from models.onnx_io.node import Node, Value
from models.onnx_io.places import Places, in_order
from models.onnx_io.running import open_session
from models.onnx_io.signals import OnnxError, one_line, require_size
from models.onnx_io.trace import Trace


def resize(trace: Trace, node: Node) -> Value:
    """Which pixel is the nearest is left to onnxruntime, as operator sets and modes differ in it."""
    if node.attributes.get("mode", "nearest") != "nearest":
        raise OnnxError(f"resizes by mode {node.attributes['mode']!r}; only taking the nearest pixel is possible")
    signal = trace.settle(node.signal())
    signal, _ = trace.unpadded(signal)
    shape = trace.shape(signal)
    if len(shape) != 3:
        raise OnnxError(f"reads values of shape {shape}; it needs maps (channels, height, width)")
    places = _nearest(node, in_order(shape))
    factor = places.shape[1] // shape[1], places.shape[2] // shape[2]
    enlarged = in_order(shape).repeat(max(factor[0], 1), 1).repeat(max(factor[1], 1), 2)
    name = node.name("upsample", trace.shapes)
    if not np.array_equal(enlarged, places):
        return trace.arrange(signal, places, name)
    if signal.scale.shape[1:] != (1, 1) or signal.offset.shape[1:] != (1, 1):
        signal = trace.signal(trace.make_plain(signal))
    return replace(signal, layer=trace.add(Upsample2d(name=name, inputs=(signal.layer,), factor=factor)).layer)


def _nearest(node: Node, places: Places) -> Places:
    """What the node makes of an image of whole numbers."""
    constants = {
        name: node.required(i, "size")
        for i, name in enumerate(node.proto.input[1:], 1)
        if name and node.inputs[i] is not None
    }
    _require_moderate(node, places.shape)
    inputs = [helper.make_tensor_value_info(node.proto.input[0], onnx.TensorProto.INT32, None)]
    output = helper.make_tensor_value_info(node.proto.output[0], onnx.TensorProto.INT32, None)
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    body = helper.make_graph([node.proto], "resize", inputs, [output], weights)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", node.opset)], ir_version=8)
    image = np.broadcast_to(places.astype(np.int32), (node.batch, *places.shape))
    try:
        made = open_session(model).run(None, {node.proto.input[0]: np.ascontiguousarray(image)})[0]
    except Exception as error:  # its exceptions share no base class
        raise OnnxError(f"onnxruntime refuses it: {one_line(error)}") from error
    if len(made) != node.batch:
        raise OnnxError(f"makes {len(made)} images of {node.batch}; only the shape of each image can change")
    return made[0].astype(np.int64)


def _require_moderate(node: Node, shape: tuple[int, ...]) -> None:
    """Before onnxruntime takes the memory, or ends the process at numbers that are too few."""
    here, first = (node.batch, *shape), 1 if node.opset < 11 else 2
    axes = [axis % len(here) for axis in node.attributes.get("axes", range(len(here)))]
    for position, name in enumerate(("scales", "sizes"), first):
        given = np.ravel(node.setting(name, position, ()))
        if given.size and (given.size != len(axes) or not np.all(np.isfinite(given))):
            raise OnnxError(f"{name} is {given.tolist()}; {len(axes)} numbers are possible, one of each axis")
        of_axis = dict(zip(axes, given.tolist(), strict=False))
        require_size([int(of_axis.get(i, n) if name == "sizes" else n * of_axis.get(i, 1)) for i, n in enumerate(here)])

"""ONNX models from x to y, node by node, for the tests of the importer, and their comparison with onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.graph import Graph
from models.onnx_io.reading import load
from models.onnx_io.running import predict
from models.onnx_io.signals import OnnxError

RNG = np.random.default_rng(3)
MAPS = ("batch", 2, 6, 5)


def network(
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, np.ndarray],
    shape: Sequence[str | int | None] | None = ("batch", 4),
    opset: int = 17,
    axes: int = 2,
) -> onnx.ModelProto:
    """A model whose output has `axes` dimensions."""
    body = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", *map(str, range(1, axes))))],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def written(path: Path, content: onnx.ModelProto | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def node(operator: str, inputs: str, output: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, ["" if name == "-" else name for name in inputs.split()], [output], **attributes)


def same(path: Path, model: onnx.ModelProto) -> Graph:
    """Load the model and compare its outputs, for images of both signs, with those of onnxruntime."""
    onnx.checker.check_model(model)
    graph = load(written(path / "network.onnx", model))
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 3
    x = np.random.default_rng(0).normal(size=(batch, *graph.input_shape)).astype(np.float32)
    wanted = onnxruntime.InferenceSession(model.SerializeToString()).run(["y"], {"x": x})[0]
    got = predict(graph, x)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    return graph


def refused(path: Path, model: onnx.ModelProto, words: str) -> None:
    with pytest.raises(OnnxError, match=words):
        load(written(path / "network.onnx", model))

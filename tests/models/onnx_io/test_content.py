"""The files of a network and their hash, against hashlib on the bytes; weights in files beside it count."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.onnx_io import OnnxError, content_hash, files_of, input_shape, load, predict
from models.paths import ROOT
from tests.models.onnx_files import network, written
from tests.models.onnx_io.operators.test_table import node

FILE = ROOT / "tests" / "data" / "onnx" / "mlp_script.onnx"


def save(folder: Path, weight: np.ndarray, **where: object) -> Path:
    path = folder / "net.onnx"
    settings = {"location": "net.onnx.data", **where}
    model = network(
        [node("MatMul", "x w", "h"), node("MatMul", "h v")], {"w": weight, "v": np.eye(3, dtype=np.float32)}
    )
    onnx.save(model, path, save_as_external_data=True, size_threshold=0, **settings)
    return path


def sha256(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def test_a_file_alone() -> None:
    assert files_of(FILE) == (FILE,)
    assert content_hash(FILE) == sha256(FILE)


def test_retrained_weights_beside_a_file_of_the_same_bytes(tmp_path: Path) -> None:
    """As PyTorch exports a network without biases: only the file beside it changes."""
    weights = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    path = save(tmp_path, weights[0])
    before, bytes_before, x = content_hash(path), path.read_bytes(), np.ones((1, 4), np.float32)
    assert files_of(path) == (path, tmp_path / "net.onnx.data")
    assert before == sha256(path, tmp_path / "net.onnx.data")
    np.testing.assert_allclose(predict(load(path), x), x @ weights[0], rtol=1e-5)
    (tmp_path / "net.onnx.data").unlink()
    assert save(tmp_path, weights[1]).read_bytes() == bytes_before
    assert content_hash(path) != before
    np.testing.assert_allclose(predict(load(path), x), x @ weights[1], rtol=1e-5)


def test_a_file_per_tensor_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = save(tmp_path, np.ones((4, 3), np.float32), all_tensors_to_one_file=False, location=None)
    assert files_of(path) == (path, tmp_path / "v", tmp_path / "w")
    assert content_hash(path) == sha256(path, tmp_path / "v", tmp_path / "w")


def test_data_of_a_constant_within_a_branch(tmp_path: Path) -> None:
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "inner.data"
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=tensor)], "inner", [], [helper.make_empty_tensor_value_info("c")]
    )
    model = network([helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)], {})
    (tmp_path / "inner.data").write_bytes(b"1234")
    path = written(tmp_path / "x.onnx", model)
    assert files_of(path) == (path, tmp_path / "inner.data")


def test_what_is_missing_or_elsewhere(tmp_path: Path) -> None:
    path = save(tmp_path, np.ones((4, 3), np.float32))
    (tmp_path / "net.onnx.data").unlink()
    with pytest.raises(OnnxError, match=r"net.onnx: its data lie in 'net.onnx.data', which is no file there; put"):
        content_hash(path)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = "../secret"
    with pytest.raises(OnnxError, match=r"net.onnx: its data lie in '../secret', outside of its folder"):
        files_of(written(path, model))
    with pytest.raises(OnnxError, match=r"none.onnx: no such file"):
        files_of(tmp_path / "none.onnx")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are of Unix")
@pytest.mark.parametrize("read", [load, content_hash, input_shape])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, read) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (tmp_path / "pipe.onnx", tmp_path, Path("/dev/zero")):
        with pytest.raises(OnnxError, match=f"{path}: this is a folder, a pipe or a device, no file"):
            read(path)
    path = save(tmp_path, np.ones((4, 3), np.float32))
    (tmp_path / "net.onnx.data").unlink()
    os.mkfifo(tmp_path / "net.onnx.data")
    if read is not input_shape:
        with pytest.raises(OnnxError, match=r"net\.onnx.data"):
            read(path)


@pytest.mark.parametrize("read", [load, content_hash, input_shape])
def test_a_file_that_no_memory_holds(tmp_path: Path, read) -> None:
    with (tmp_path / "large.onnx").open("wb") as file:
        file.truncate(10**13)  # takes no room on the disk
    with pytest.raises(
        OnnxError, match=r"large.onnx: the file has 10000000000000 bytes; 2147483647 is the most possible"
    ):
        read(tmp_path / "large.onnx")


def test_the_input_is_known_without_the_weights(tmp_path: Path) -> None:
    path = save(tmp_path, np.ones((4, 3), np.float32))
    (tmp_path / "net.onnx.data").unlink()
    assert input_shape(path) == (4,)


def test_what_is_no_network(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(OnnxError, match=r"net.onnx: (not an ONNX file|cannot be read)"):
        content_hash(written(path, b"\x08 no network"))

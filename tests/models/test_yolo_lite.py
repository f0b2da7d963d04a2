"""YOLO-LITE from its weights: the layers of the paper, computed by SciPy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from scipy.signal import correlate2d

from models import yolo_lite
from models.datasets.files import DatasetError
from models.detection.yolo import read_head

CHANNELS = (3, 2, 3, 2, 2, 3, 4, 125)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, np.ndarray]:
    rng, arrays = np.random.default_rng(0), {}
    for i in range(7):
        kernel = 1 if i == 6 else 3
        shape = (CHANNELS[i + 1], CHANNELS[i], kernel, kernel)
        arrays[f"w{i}"] = rng.normal(0, 0.5, shape).astype(np.float32)
        arrays[f"b{i}"] = rng.normal(0, 0.5, shape[0]).astype(np.float32)
    np.savez(tmp_path / yolo_lite.WEIGHTS, **arrays)
    return arrays


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def call(output: Path) -> None:
        monkeypatch.setattr(sys, "argv", ["yolo_lite", str(output), "--data", str(tmp_path)])
        yolo_lite.main()

    return call


def by_scipy(arrays: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    for i in range(7):
        weight, bias = arrays[f"w{i}"], arrays[f"b{i}"]
        maps = (sum(correlate2d(c, k, "same") for c, k in zip(x, kernels, strict=True)) for kernels in weight)
        x = np.stack([values + b for values, b in zip(maps, bias, strict=True)])
        x = np.where(x > 0, x, 0.1 * x) if i < 6 else x
        x = x.reshape(len(x), len(x[0]) // 2, 2, -1, 2).max(axis=(2, 4)) if i < 5 else x
    return x


def test_the_file_is_the_network_and_says_what_its_output_means(tmp_path: Path, weights, run) -> None:
    path = tmp_path / "out.onnx"
    run(path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert read_head(path) == yolo_lite.VOC
    assert yolo_lite.VOC.channels == 125
    assert list(yolo_lite.VOC.classes) == sorted(yolo_lite.VOC.classes)
    x = np.random.default_rng(1).random((3, 224, 224)).astype(np.float32)
    (got,) = onnxruntime.InferenceSession(path).run(None, {"input": x[None]})[0]
    assert got.shape == (125, 7, 7)
    np.testing.assert_allclose(got, by_scipy(weights, x), rtol=1e-3, atol=1e-3)


def test_weights_that_lack(tmp_path: Path, run, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path / "out.onnx")
    assert "yolo_lite_voc.npz is not in" in capsys.readouterr().err
    np.savez(tmp_path / yolo_lite.WEIGHTS, w0=np.zeros((1, 3, 3, 3)))
    with pytest.raises(DatasetError, match="has no b0; it holds w0"):
        yolo_lite.yolo_lite(tmp_path / yolo_lite.WEIGHTS)
    assert not (tmp_path / "out.onnx").exists()

"""Tiny YOLO from its weights: the layers, computed by SciPy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from scipy.signal import correlate2d

from models.datasets.files import DatasetError
from models.detection.yolo import read_head
from models.paths import ROOT
from models.tiny_yolo import WEIGHTS, tiny_yolo

CHANNELS = (3, 2, 2, 3, 2, 2, 3, 2, 2, 40)


@pytest.fixture
def weights(tmp_path: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {"anchors": rng.uniform(1, 4, (5, 2)).astype(np.float32)}
    for i in range(1, 10):
        kernel = 1 if i == 9 else 3
        shape = (CHANNELS[i], CHANNELS[i - 1], kernel, kernel)
        arrays[f"w{i}"] = rng.integers(-127, 128, shape).astype(np.int8)
        arrays[f"s{i}"] = rng.uniform(0.002, 0.01, shape[0]).astype(np.float32)
        arrays[f"b{i}"] = rng.normal(0, 0.5, shape[0]).astype(np.float32)
    np.savez(tmp_path / WEIGHTS, **arrays)
    return arrays


def by_scipy(arrays: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    for i in range(1, 10):
        weight = arrays[f"w{i}"].astype(float) * arrays[f"s{i}"][:, None, None, None]
        maps = (sum(correlate2d(c, k, "same") for c, k in zip(x, kernels, strict=True)) for kernels in weight)
        x = np.stack([values + b for values, b in zip(maps, arrays[f"b{i}"], strict=True)])
        x = np.where(x > 0, x, 0.1 * x) if i < 9 else x
        if i < 6:
            x = x.reshape(len(x), len(x[0]) // 2, 2, -1, 2).max(axis=(2, 4))
        elif i == 6:  # a step of one pixel; nothing lies below and to the right
            x = np.pad(x, ((0, 0), (0, 1), (0, 1)), constant_values=-np.inf)
            x = np.maximum.reduce([x[:, :-1, :-1], x[:, 1:, :-1], x[:, :-1, 1:], x[:, 1:, 1:]])
    return x


def test_the_file_is_the_network_and_says_what_its_output_means(tmp_path: Path, weights) -> None:
    path = tmp_path / "out.onnx"
    command = [sys.executable, "-m", "models.tiny_yolo", str(path), "--data", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT)
    head = read_head(path)
    assert (head.classes, head.channels) == (("RBC", "WBC", "Platelets"), 40)
    np.testing.assert_allclose(head.anchors, weights["anchors"], rtol=1e-6)
    x = np.random.default_rng(1).random((3, 416, 416)).astype(np.float32)
    (got,) = onnxruntime.InferenceSession(path).run(None, {"input": x[None]})[0]
    assert got.shape == (40, 13, 13)
    np.testing.assert_allclose(got, by_scipy(weights, x), rtol=1e-3, atol=1e-3)


def test_weights_that_lack(tmp_path: Path, weights) -> None:
    np.savez(tmp_path / WEIGHTS, **{name: value for name, value in weights.items() if name != "s3"})
    with pytest.raises(DatasetError, match="has no s3; it holds anchors, b1"):
        tiny_yolo(tmp_path / WEIGHTS)

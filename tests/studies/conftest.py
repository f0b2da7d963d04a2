"""A network of a few neurons on scikit-learn's digits, and a study of it that takes about a second."""

from __future__ import annotations

import numpy as np
import pytest

from models.graph import LINEAR, AvgPool2d, Conv2d, Dense, Flatten, Graph, sequential
from models.onnx_io.writing import save

STUDY = """
title = "Tiny"
question = "Does it run?"
[fixed]
model = "tiny.onnx"
dataset = "digits8"
images = 12
calibration = 30
duration_ms = 20
readout_ms = 5
[grid]
normalization = ["none", "data"]
seed = [0, 1, 2]
[quick]
images = 4
seed = [0]
[[figures]]
name = "accuracy"
plot = "lineplot"
x = "time_ms"
y = "accuracy"
hue = "normalization"
ceiling = "ann_accuracy"
"""


def tiny_network() -> Graph:
    rng = np.random.default_rng(1)
    kernel = rng.normal(0.1, 0.4, (3, 1, 3, 3)).astype(np.float32)
    weight = rng.normal(0.0, 0.5, (10, 48)).astype(np.float32)
    return sequential(
        (1, 8, 8),
        Conv2d(name="conv", inputs=("",), weight=kernel, padding=(1, 1, 1, 1)),
        AvgPool2d(name="pool", inputs=("",), kernel=(2, 2), stride=(2, 2)),
        Flatten(name="flat", inputs=("",)),
        Dense(name="fc", inputs=("",), weight=weight, activation=LINEAR),
    )


@pytest.fixture
def study_file(tmp_path):
    """A study's file with its network beside it."""
    save(tiny_network(), tmp_path / "tiny.onnx")
    path = tmp_path / "tiny.toml"
    path.write_text(STUDY)
    return path

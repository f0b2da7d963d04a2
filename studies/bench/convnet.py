"""The ConvNet of Diehl 2015, as all engines simulate it."""

from __future__ import annotations

from conversion.normalize import normalize
from models.datasets import load_dataset
from models.graph import Array, Graph
from models.onnx_io import load
from models.paths import WEIGHTS

CALIBRATION = 1000
STEPS = 100  # per image


def convnet(n_images: int) -> tuple[Graph, Array]:
    """The data-normalised ConvNet, and test images."""
    digits = load_dataset("digits")
    graph = load(WEIGHTS / "mnist_convnet.onnx")
    return normalize(graph, digits.x[-CALIBRATION:], "data"), digits.x[:n_images]

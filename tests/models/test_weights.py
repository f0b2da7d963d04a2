"""The shipped networks: each file is the one that weights.json enters, and answers as well as it says."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import onnx
import onnxruntime
import pytest

from models.datasets.loading import NAMES, load_dataset
from models.detection.average_precision import mean_average_precision
from models.detection.boxes import unpad_boxes
from models.detection.yolo import detect, read_head
from models.graph import Conv2d, Graph, MaxPool2d
from models.onnx_io.reading import load
from models.onnx_io.running import predict
from models.onnx_io.signals import OnnxError
from models.paths import WEIGHTS

ENTRIES = json.loads((WEIGHTS / "weights.json").read_text())
SIZES = {  # layers with weights, from the papers
    "mnist_convnet": {"conv1": (12, 1, 5, 5), "conv2": (64, 12, 5, 5), "fc": (10, 1024)},
    "mnist_mlp": {"fc1": (1200, 784), "fc2": (1200, 1200), "fc3": (10, 1200)},
    "cifar_cnn_tailored": {
        "conv1": (64, 3, 5, 5), "conv2": (64, 64, 5, 5), "conv3": (64, 64, 3, 3), "fc": (10, 2304),
    },
}  # fmt: skip
TANH = {
    f"cifar_cnn_{step}{how}" for step in ("abs", "untailored") for how in ("", "_no_decay")
}  # the first steps of Cao 2015's tailoring: ANNs only
MEASURES = ("accuracy", "map_50")
CLASSIFIERS = [name for name, entry in ENTRIES.items() if "accuracy" in entry]
ACCURACIES = [(name, data) for name in CLASSIFIERS for data in ENTRIES[name]["accuracy"]]


def accuracy(name: str, data) -> float:
    session = onnxruntime.InferenceSession(WEIGHTS / f"{name}.onnx", providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: data.x})[0]
    return float(np.mean(outputs.argmax(axis=1) == data.y))


def test_every_file_has_an_entry_and_every_entry_a_file() -> None:
    assert {path.stem for path in WEIGHTS.glob("*.onnx")} == ENTRIES.keys()


@pytest.mark.parametrize("name", ENTRIES)
def test_the_file_is_the_one_that_was_entered(name: str) -> None:
    assert hashlib.sha256((WEIGHTS / f"{name}.onnx").read_bytes()).hexdigest() == ENTRIES[name]["sha256"]


@pytest.mark.parametrize("name", ENTRIES)
def test_the_entry_says_how_to_make_it_again(name: str) -> None:
    entry = ENTRIES[name]
    network, seed, steps = re.fullmatch(r"(\w+?)(?:_seed(\d+))?(?:_steps(\d+))?", name).groups()
    assert seed is None or entry["seed"] == int(seed)
    anew = f"python -m models.train {network} --seed {entry['seed']} --epochs {entry['epochs']}"
    anew += f" --steps {steps}" if steps else ""
    assert entry["command"].startswith(f"{anew} --") if "start" in entry else entry["command"] == anew
    assert ("start" in entry) == (f"--start models/weights/{network}.onnx" in entry["command"])
    (measured,) = (entry[measure] for measure in MEASURES if measure in entry)
    assert measured.keys() <= set(NAMES)


@pytest.mark.parametrize("name", SIZES)
def test_the_layers_have_the_sizes_of_the_paper_and_no_biases(name: str) -> None:
    graph = load(WEIGHTS / f"{name}.onnx")
    weighted = [layer for layer in graph if hasattr(layer, "weight")]
    assert {layer.name: layer.weight.shape for layer in weighted} == SIZES[name]
    assert all(layer.bias is None for layer in weighted)
    assert [layer.activation.is_linear for layer in weighted] == [layer is graph.output for layer in weighted]


def test_the_detector_is_a_small_tiny_yolo() -> None:
    graph = load(WEIGHTS / "digit_detector.onnx")
    weighted = [layer for layer in graph if isinstance(layer, Conv2d)]
    assert sum(layer.weight.size + layer.bias.size for layer in weighted) < 1_000_000
    assert [layer.activation.negative_slope for layer in weighted] == [pytest.approx(0.1)] * 5 + [1.0]
    assert [type(layer) for layer in graph if not isinstance(layer, Conv2d)] == [MaxPool2d] * 4
    head = read_head(WEIGHTS / "digit_detector.onnx")
    assert graph.shapes[graph.output.name] == (head.channels, 6, 6)
    assert head.classes == tuple("0123456789")


def test_the_boxes_of_the_detector_are_as_good_as_entered() -> None:
    data, path = load_dataset("digit_scenes"), WEIGHTS / "digit_detector.onnx"
    found = detect(predict(load(path), data.x), read_head(path))
    entered = ENTRIES["digit_detector"]["map_50"]["digit_scenes"]
    assert entered >= 0.85
    assert mean_average_precision(found, unpad_boxes(data.y)) == pytest.approx(entered, abs=2e-3)


@pytest.mark.parametrize("name", sorted(TANH & ENTRIES.keys()))
def test_the_networks_before_tailoring_are_refused(name: str) -> None:
    with pytest.raises(OnnxError, match="Tanh"):
        load(WEIGHTS / f"{name}.onnx")


@pytest.mark.parametrize("name", sorted(ENTRIES.keys() - TANH))
def test_the_import_computes_what_the_file_computes(name: str) -> None:
    path = WEIGHTS / f"{name}.onnx"
    graph: Graph = load(path)
    x = np.random.default_rng(0).random((3, *graph.input_shape)).astype(np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: x})[0]
    np.testing.assert_allclose(predict(graph, x), expected, rtol=1e-4, atol=1e-4)
    onnx.checker.check_model(onnx.load(path), full_check=True)


@pytest.mark.parametrize("name", [name for name, data in ACCURACIES if data == "digits"])
def test_the_accuracy_on_the_embedded_digits_is_the_one_entered(name: str) -> None:
    assert accuracy(name, load_dataset("digits")) == pytest.approx(ENTRIES[name]["accuracy"]["digits"], abs=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data"), [pair for pair in ACCURACIES if pair[1] != "digits"])
def test_the_accuracy_on_real_data_is_the_one_entered(real_data, name: str, data: str) -> None:
    assert accuracy(name, real_data(data)) == pytest.approx(ENTRIES[name]["accuracy"][data], abs=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "published"), [("mnist_convnet", 0.9914), ("mnist_mlp", 0.9884)])
def test_the_networks_of_diehl_2015_are_as_good_as_published(real_data, name: str, published: float) -> None:
    assert accuracy(name, real_data("mnist")) == pytest.approx(published, abs=0.003)

"""The large networks of the benchmark: their size against numbers made by hand, their rates against what was asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.plan.populations import make_plan
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.datasets.files import DatasetError
from models.encoders import Poisson
from models.graph import Conv2d
from models.neurons import integrate_and_fire
from models.onnx_io.running import activations
from studies.bench import large_networks
from studies.bench.large_networks import at_rate, make_spiking, random_images, tiny_yolo, vgg16

NEURONS = {  # side of the map squared, times channels
    "input": 416**2 * 3, "conv1": 416**2 * 16, "pool1": 208**2 * 16, "conv2": 208**2 * 32, "pool2": 104**2 * 32,
    "conv3": 104**2 * 64, "pool3": 52**2 * 64, "conv4": 52**2 * 128, "pool4": 26**2 * 128, "conv5": 26**2 * 256,
    "pool5": 13**2 * 256, "conv6": 13**2 * 512, "pool6": 13**2 * 512, "conv7": 13**2 * 1024, "conv8": 13**2 * 1024,
    "conv9": 13**2 * 125,
}  # fmt: skip
CONVOLUTIONS = [  # side, channels in and out; a 3x3 kernel on a padded map of side n joins (3 n - 2)^2 pixel pairs
    (416, 3, 16), (208, 16, 32), (104, 32, 64), (52, 64, 128), (26, 128, 256), (13, 256, 512), (13, 512, 1024),
    (13, 1024, 1024),
]  # fmt: skip
POOLED = 416**2 * 16 + 208**2 * 32 + 104**2 * 64 + 52**2 * 128 + 26**2 * 256 + (2 * 13 - 1) ** 2 * 512
VGG_CONVOLUTIONS = [
    (32, 3, 64), (32, 64, 64), (16, 64, 128), (16, 128, 128), (8, 128, 256), (8, 256, 256), (8, 256, 256),
    (4, 256, 512), (4, 512, 512), (4, 512, 512), (2, 512, 512), (2, 512, 512), (2, 512, 512),
]  # fmt: skip
VGG_POOLED = 32**2 * 64 + 16**2 * 128 + 8**2 * 256 + 4**2 * 512 + 2**2 * 512  # a synapse for each neuron that is read


def test_neurons_and_synapses_of_vgg16():
    plan = make_plan(vgg16())
    neurons = sum(side**2 * channels for side, _, channels in VGG_CONVOLUTIONS)
    pools = VGG_POOLED // 4
    assert sum(p.size for p in plan.populations) == 32**2 * 3 + neurons + pools + 4096 + 4096 + 10 == 318_986
    convolved = sum((3 * side - 2) ** 2 * n_in * n_out for side, n_in, n_out in VGG_CONVOLUTIONS)
    synapses = sum(int(p.connection.fan_out().sum()) for p in plan.projections)
    assert synapses == convolved + VGG_POOLED + 512 * 4096 + 4096 * 4096 + 4096 * 10
    assert not any(bias.any() for bias in plan.biases.values())


def test_neurons_and_synapses_of_tiny_yolo_at_full_size():
    plan = make_plan(tiny_yolo())
    assert {p.name: p.size for p in plan.populations} == NEURONS
    assert sum(NEURONS.values()) == 7_765_381
    convolved = sum((3 * side - 2) ** 2 * n_in * n_out for side, n_in, n_out in CONVOLUTIONS)
    synapses = sum(int(p.connection.fan_out().sum()) for p in plan.projections)
    assert synapses == convolved + 13**2 * 1024 * 125 + POOLED


def shares(graph, images):
    """Spikes per neuron and step of each population, once it has settled."""
    recording = simulate(
        graph,
        images,
        Simulation(neuron=integrate_and_fire(v_init="uniform"), encoder=Poisson(1000 * Hz), duration=220 * ms),
    )
    sizes = np.array([recording.sizes[name] for name in recording.populations])
    return (recording.spikes[-1] - recording.spikes[59]) / 160 / sizes


@pytest.fixture(scope="module")
def small():
    """The network for images of 32 pixels, at 3 % of the steps."""
    graph = tiny_yolo(32)
    images = random_images(graph, 0.03, n_images=2)
    return at_rate(graph, images, 0.03), images


def test_input_is_at_the_rate(small):
    _, images = small
    assert images.min() >= 0
    assert images.max() <= 0.06
    assert images.mean() == pytest.approx(0.03, rel=0.02)


def test_every_convolution_is_at_the_rate_in_onnxruntime(small):
    graph, images = small
    means = {name: np.maximum(x, 0).mean() for name, x in activations(graph, images).items() if name.startswith("conv")}
    assert len(means) == 9
    assert list(means.values()) == pytest.approx([0.03] * 9, rel=1e-3)


def test_every_weighted_layer_of_vgg16_is_at_the_rate_in_onnxruntime_and_in_spikes():
    """Average pooling keeps the mean, so that all populations are at the rate."""
    graph, images = make_spiking(vgg16(), 0.03)
    means = {name: np.maximum(x, 0).mean() for name, x in activations(graph, images).items()}
    assert list(means.values()) == pytest.approx([0.03] * (13 + 5 + 1 + 3), rel=1e-3)
    assert shares(graph, images) == pytest.approx(np.full(1 + 13 + 5 + 3, 0.03), rel=0.25)


def test_scaling_changes_no_more_than_one_factor_per_layer(small):
    graph, _ = small
    for layer, original in zip(graph, tiny_yolo(32), strict=True):
        if isinstance(layer, Conv2d):
            factor = np.linalg.norm(layer.weight) / np.linalg.norm(original.weight)
            np.testing.assert_allclose(layer.weight, factor * original.weight, rtol=1e-4)


def test_neurons_spike_at_the_rate(small):
    graph, images = small
    names = [population.name for population in make_plan(graph).populations]
    convolutions = [p for p, name in enumerate(names) if name.startswith("conv")]
    assert shares(graph, images)[convolutions] == pytest.approx(0.03, rel=0.25)


def test_the_photograph_is_shown_as_in_the_study():
    c = large_networks.photograph().condition
    assert (c.neuron, c.encoder, c.normalization, c.headroom, c.percentile) == ("signed", "constant", "channel", 2, 100)
    assert (c.dataset, c.images, c.calibration_dataset) == ("voc2007_test14", 1, "indoor_photos")
    assert c.readout == "potential"


def test_missing_weights_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(large_networks, "model_path", lambda job: tmp_path / "none.onnx")
    assert "there is no data/yolo_lite.onnx" in large_networks.missing_files()


def test_missing_photographs_are_said_without_naming_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def absent(name):
        raise DatasetError(f"{name} is not in {tmp_path}")

    monkeypatch.setattr(large_networks, "model_path", lambda job: Path(__file__))
    monkeypatch.setattr(large_networks, "find_file", absent)
    assert large_networks.missing_files() == "voc2007_test14.npz is in no data directory"


def test_nothing_is_said_where_all_files_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(large_networks, "model_path", lambda job: Path(__file__))
    monkeypatch.setattr(large_networks, "find_file", lambda name: Path(__file__))
    assert large_networks.missing_files() == ""

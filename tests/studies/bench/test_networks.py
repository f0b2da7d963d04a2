"""Where the time of a step goes, on made-up times; what is measured of YOLO-LITE; never how long something takes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz

from models.datasets.files import DatasetError
from models.encoders import ConstantCurrent
from models.graph import Graph
from models.neurons import integrate_and_fire, signed_integrate_and_fire
from models.onnx_io.running import activations
from studies.bench import networks as bench_networks
from studies.bench.networks import PARTS, layers, parts, photograph, rows
from studies.bench.throughput import SETTLING, in_own_process, show
from tests.studies.bench.test_throughput import network, signed_network

BOUNDS = {"adds_per_s_in_cache": 64e3, "adds_per_s_from_memory": 16e3}
ONES = np.ones((1, 1, 4, 4), np.float32)


@pytest.fixture(scope="module")
def timing():
    return show(network(), ONES, integrate_and_fire(), SETTLING + 5, profile=True)


def test_the_parts_of_a_step_are_its_whole(timing):
    found = parts(timing)
    assert [row["part"] for row in found] == list(PARTS)
    assert min(row["ms_per_step"] for row in found) >= 0
    assert sum(row["ms_per_step"] for row in found) == pytest.approx(1e3 * sum(timing.profile.values()))
    assert sum(row["share_percent"] for row in found) == pytest.approx(100)


def times(timing, **milliseconds):
    """The timing as if its objects had taken these times, and nothing else any."""
    unknown = milliseconds.keys() - timing.profile.keys()
    assert not unknown, f"there are only {sorted(timing.profile)}"
    return replace(timing, profile=dict.fromkeys(timing.profile, 0.0) | {k: v / 1e3 for k, v in milliseconds.items()})


def test_every_object_belongs_to_its_part(timing):
    made_up = times(
        timing, input=1, input_spike_thresholder=2, neurons_spike_thresholder=4, relays_spike_thresholder=8,
        neurons_spike_resetter=16, input_to_conv=32, conv_to_pool=64, pool_to_fc=128, counter=256, conductor=512,
        stopwatch=1024,
    )  # fmt: skip
    assert {row["part"]: row["ms_per_step"] for row in parts(made_up)} == pytest.approx(
        {"input": 3, "state updates": 0, "thresholds": 12, "resets": 16, "synapses": 224, "rest": 1792}
    )
    assert parts(made_up)[-1]["share_percent"] == pytest.approx(100 * 1792 / 2047)


def test_objects_of_signed_neurons_belong_to_their_parts():
    made_up = times(
        show(
            signed_network(), ONES, signed_integrate_and_fire(), SETTLING + 5, encoder=ConstantCurrent(1000 * Hz),
            readout="potential", profile=True,
        ),
        neurons_stateupdater=1, outputs_stateupdater=2, neurons_spike_thresholder=4,
        neurons_negative_spike_thresholder=8, neurons_spike_resetter=16, neurons_negative_spike_resetter=32,
        conv_to_pool=64, window_opener=128,
    )  # fmt: skip
    assert {row["part"]: row["ms_per_step"] for row in parts(made_up)} == pytest.approx(
        {"input": 0, "state updates": 3, "thresholds": 12, "resets": 48, "synapses": 64, "rest": 128}
    )


def test_layers_have_the_rate_of_what_they_send(timing):
    """All 16 inputs, 32, 8 and 3 neurons spike in every step; they have 2, 1, 3 and no synapses each."""
    found = layers(times(timing, input_to_conv=4, conv_to_pool=2, pool_to_fc=1), BOUNDS)
    assert [row["layer"] for row in found] == ["input", "conv", "pool", "fc"]
    assert [row["share_percent"] for row in found] == [100] * 4
    assert [row["delivery_ms"] for row in found] == pytest.approx([4, 2, 1, 0])
    assert [row["synops_per_s"] for row in found[:3]] == pytest.approx([8e3, 16e3, 24e3])
    assert [row["percent_of_cache_bound"] for row in found[:3]] == pytest.approx([12.5, 25, 37.5])
    assert [row["percent_of_memory_bound"] for row in found[:3]] == pytest.approx([50, 100, 150])
    assert math.isnan(found[3]["synops_per_s"])


def test_the_whole_network_in_numbers(timing, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench_networks, "additions_per_second", lambda: BOUNDS)
    (row,), layer_rows, part_rows = rows(timing)
    assert (row["neurons"], row["synapses"]) == (16 + 32 + 8 + 3, 16 * 2 + 32 + 8 * 3)
    assert (row["spikes_per_step"], row["synops_per_step"]) == (59, 88)
    assert row["s_per_2500_steps"] == pytest.approx(2.5 * row["ms_per_step"])
    assert row["adds_per_s_in_cache"] == 64e3
    assert (len(layer_rows), len(part_rows)) == (4, 6)


def test_the_photograph_is_shown_as_in_the_study():
    c = photograph().condition
    assert (c.neuron, c.encoder, c.normalization, c.headroom, c.percentile) == ("signed", "constant", "channel", 2, 100)
    assert (c.dataset, c.images, c.calibration_dataset) == ("voc2007_test14", 1, "indoor_photos")
    assert c.readout == "potential"


def test_missing_weights_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(bench_networks, "model_path", lambda job: tmp_path / "none.onnx")
    assert "there is no data/yolo_lite.onnx" in bench_networks.missing_files()


def test_missing_photographs_are_said_without_naming_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def absent(name):
        raise DatasetError(f"{name} is not in {tmp_path}")

    monkeypatch.setattr(bench_networks, "model_path", lambda job: Path(__file__))
    monkeypatch.setattr(bench_networks, "find_file", absent)
    assert bench_networks.missing_files() == "voc2007_test14.npz is in no data directory"


def test_nothing_is_said_where_all_files_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench_networks, "model_path", lambda job: Path(__file__))
    monkeypatch.setattr(bench_networks, "find_file", lambda name: Path(__file__))
    assert bench_networks.missing_files() == ""


@pytest.mark.slow
def test_yolo_lite_spikes_as_its_activations_say():
    """A neuron of activation a sends |a| spikes per step, at most one; the output only accumulates."""
    if reason := bench_networks.missing_files():
        pytest.skip(reason)
    *graph, images = in_own_process(bench_networks.prepared_photograph)
    activity = activations(Graph(*graph), images)
    _, found, _ = in_own_process(bench_networks.yolo_lite, 100)
    shares = {row["layer"]: row["share_percent"] for row in found}
    sizes = {row["layer"]: row["neurons"] for row in found}
    sides = {1: (224, 16), 2: (112, 32), 3: (56, 64), 4: (28, 128), 5: (14, 128), 6: (7, 256)}
    signed = {f"conv{number}": side**2 * channels for number, (side, channels) in sides.items()}
    assert {name: sizes[name] for name in signed} == signed
    assert 1.5e6 < sum(signed.values()) < 1.6e6
    expected = {name: 100 * np.minimum(abs(activity[name]), 1).mean() for name in signed}
    assert {name: shares[name] for name in signed} == pytest.approx(expected, rel=0.03)
    assert shares["conv7"] == 0

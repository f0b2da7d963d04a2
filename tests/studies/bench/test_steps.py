"""What a step costs and where its time goes, on made-up times; never how long something takes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.graph import Graph
from models.onnx_io.running import activations
from studies.bench import large_networks, steps
from studies.bench.steps import PARTS, TABLES, describe, draw_parts, layers, parts, whole
from studies.bench.stopwatch import in_own_process, show, spiking
from tests.studies.bench.test_stopwatch import SETTLING, SIGNED, network, signed_network

ONES = np.ones((1, 1, 4, 4), np.float32)


@pytest.fixture(scope="module")
def timing():
    return show(network(), ONES, spiking(SETTLING + 5), settling=SETTLING)


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
        timing, input=1, input_loop=2, neurons_loop=4, relays_loop=8, neurons=16, input_to_conv=32, conv_to_pool=64,
        pool_to_fc=128, counter=256, conductor=512, stopwatch=1024,
    )  # fmt: skip
    assert {row["part"]: row["ms_per_step"] for row in parts(made_up)} == pytest.approx(
        {"input": 3, "neurons": 28, "synapses": 224, "rest": 1792}
    )
    assert parts(made_up)[-1]["share_percent"] == pytest.approx(100 * 1792 / 2047)


def test_objects_of_signed_neurons_belong_to_their_parts():
    made_up = times(
        show(signed_network(), ONES, SIGNED, settling=SETTLING),
        neurons_loop=1, outputs_loop=2, conv_to_pool=64, window_opener=128,
    )  # fmt: skip
    assert {row["part"]: row["ms_per_step"] for row in parts(made_up)} == pytest.approx(
        {"input": 0, "neurons": 3, "synapses": 64, "rest": 128}
    )


def test_layers_have_the_rate_of_what_they_send(timing):
    """All 16 inputs, 32, 8 and 3 neurons spike in every step; they have 2, 1, 3 and no synapses each."""
    found = layers(times(timing, input_to_conv=4, conv_to_pool=2, pool_to_fc=1))
    assert [row["layer"] for row in found] == ["input", "conv", "pool", "fc"]
    assert [row["share_percent"] for row in found] == [100] * 4
    assert [row["delivery_ms"] for row in found] == pytest.approx([4, 2, 1, 0])
    assert [row["synops_per_s"] for row in found[:3]] == pytest.approx([8e3, 16e3, 24e3])
    assert math.isnan(found[3]["synops_per_s"])


def test_the_whole_network_in_numbers(timing):
    """Steps of 4, 1, 2, 3 and 100 ms are settled, behind the step that only begins the profile."""
    ends = np.cumsum([[500.0] * (SETTLING + 1) + [4.0, 1.0, 2.0, 3.0, 100.0]], axis=1) / 1e3
    row = whole(replace(timing, ends=ends))
    assert (row["neurons"], row["synapses"]) == (16 + 32 + 8 + 3, 16 * 2 + 32 + 8 * 3)
    assert (row["spikes_per_step"], row["synops_per_step"]) == (59, 88)
    assert (row["ms_low"], row["ms_per_step"], row["ms_high"]) == pytest.approx((2, 3, 4))
    assert row["synops_per_s"] == pytest.approx(88 / 3e-3)


def test_each_network_is_in_all_tables_but_those_that_are_missing(timing, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(steps, "in_own_process", lambda function: describe(timing))
    tables = steps.measure_networks({"YOLO-LITE": "no file"})
    assert tuple(tables) == TABLES
    counts = {name: table["network"].value_counts(sort=False).to_dict() for name, table in tables.items()}
    assert counts == {name: {"VGG-16": n, "Tiny YOLO": n} for name, n in zip(TABLES, (1, 4, 4), strict=True)}


def test_the_parts_of_a_step_are_stacked_and_told_apart_in_grey():
    table = {"network": ["VGG-16", "VGG-16", "Tiny YOLO", "Tiny YOLO"], "part": ["synapses", "rest"] * 2}
    figure = draw_parts(pd.DataFrame(table | {"ms_per_step": [3.0, 1.0, 40.0, 4.0]}))
    (axes,), (legend,) = figure.axes, figure.legends
    synapses, rest = axes.containers
    assert [bar.get_width() for bar in synapses] == [3, 40]
    assert [(bar.get_x(), bar.get_width()) for bar in rest] == [(3, 1), (40, 4)]
    assert len({bars[0].get_hatch() for bars in axes.containers}) == 2
    assert [text.get_text() for text in axes.texts] == ["4", "44"]
    assert [text.get_text() for text in legend.get_texts()] == ["synapses", "rest"]
    assert axes.get_xlabel() == "time per step (ms)"


@pytest.mark.slow
def test_yolo_lite_spikes_as_its_activations_say():
    """A neuron of activation a sends |a| spikes per step, at most one; the output only accumulates."""
    if reason := large_networks.missing_files():
        pytest.skip(reason)
    *graph, images = in_own_process(large_networks.prepare_photograph)
    activity = activations(Graph(*graph), images)
    _, found, _ = in_own_process(steps.yolo_lite)
    shares = {row["layer"]: row["share_percent"] for row in found}
    sizes = {row["layer"]: row["neurons"] for row in found}
    sides = {1: (224, 16), 2: (112, 32), 3: (56, 64), 4: (28, 128), 5: (14, 128), 6: (7, 256)}
    signed = {f"conv{number}": side**2 * channels for number, (side, channels) in sides.items()}
    assert {name: sizes[name] for name in signed} == signed
    assert 1.5e6 < sum(signed.values()) < 1.6e6
    expected = {name: 100 * np.minimum(abs(activity[name]), 1).mean() for name in signed}
    assert {name: shares[name] for name in signed} == pytest.approx(expected, rel=0.03)
    assert shares["conv7"] == 0

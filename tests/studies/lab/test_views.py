"""The figures of the lab show what was recorded, until the time that is asked for."""

from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from studies.lab import answer
from studies.lab.views import (
    draw_accuracies,
    draw_agreement,
    draw_evidence,
    draw_input,
    draw_layers,
    draw_potentials,
    evidence,
    picture,
    some,
    spikes_per_neuron,
)

SETTINGS = {"model": "mnist_mlp", "dataset": "digits", "images": 3, "calibration": 50, "normalization": "data"}


@pytest.fixture(scope="module")
def found():
    return answer(SETTINGS | {"duration_ms": 30.0}, 1)


def test_evidence_is_the_rate_of_the_output(found):
    recording = found.recording
    for k, time in enumerate(recording.times):
        expected = recording.output_counts[k, 0] / (time * 1000)
        np.testing.assert_allclose(evidence(found)[k], expected)


def test_spikes_of_pixels_until_a_time(found):
    table = found.recording.rasters["input"]
    counts = np.zeros(784)
    for row in table.itertuples():
        counts[row.neuron] += row.time_ms <= 12
    np.testing.assert_array_equal(spikes_per_neuron(table, 784, 12.0), counts)
    whole = spikes_per_neuron(table, 784)
    np.testing.assert_array_equal(whole, found.recording.spike_counts["input"].ravel())


def test_the_evidence_is_drawn_until_a_time_beside_the_ann(found):
    left, right = draw_evidence(found, 12.0).axes
    assert max(line.get_xdata().max() for line in left.lines) == 12
    bars = [patch.get_width() for patch in right.patches]
    np.testing.assert_allclose(bars[:10], evidence(found)[found.recording.times <= 0.012 + 1e-9][-1])
    np.testing.assert_allclose(bars[10:], found.ann)


def test_the_strongest_class_is_named_at_its_line(found):
    left, _ = draw_evidence(found).axes
    order = np.argsort(found.recording.output_counts[-1, 0], kind="stable")
    assert [text.get_text() for text in left.texts][-1] == str(order[-1])


@pytest.mark.parametrize("draw", [draw_layers, draw_potentials])
def test_nothing_is_drawn_after_the_time(found, draw):
    panels = draw(found, 12.0).axes
    drawn = [segment[:, 0] for axes in panels for lines in axes.collections for segment in lines.get_segments()]
    drawn += [line.get_xdata()[np.isfinite(line.get_ydata())] for axes in panels for line in axes.lines[1:]]
    assert 11 <= max(np.max(x) for x in drawn if len(x)) <= 12
    assert panels[-1].get_xlim()[1] >= 30


def test_the_input_is_named_by_its_spikes(found):
    titles = [axes.get_title() for axes in draw_input(found).axes]
    assert titles == ["image", f"{found.recording.spike_counts['input'].sum():,} input spikes"]


def test_an_input_of_currents_has_no_spikes():
    constant = answer(SETTINGS | {"duration_ms": 5.0, "encoder": "constant"})
    assert [text.get_text() for text in draw_input(constant).axes[1].texts] == ["constant current:\nno input spikes"]
    assert len(draw_agreement(constant).axes) >= 3


@pytest.mark.parametrize(("most", "expected"), [(3, ["a", "c", "e"]), (2, ["a", "e"]), (9, list("abcde")), (1, ["a"])])
def test_some_names_are_spread_evenly(most, expected):
    assert some(list("abcde"), most) == expected


def test_accuracies_tell_settings_apart_without_colour():
    table = pd.DataFrame({"time_ms": [1.0, 2.0], "accuracy": [0.1, 0.9], "ann_accuracy": 1.0})
    (axes,) = draw_accuracies({"A": table, "B": table}).axes
    assert len({str(line.get_linestyle()) + str(line._unscaled_dash_pattern) for line in axes.lines}) == 3


def test_a_picture_is_in_its_address(found):
    address = picture(draw_input, found)
    kind, content = address.split(",")
    assert kind == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size[0] > 400

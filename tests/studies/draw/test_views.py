"""What is drawn is what was recorded: marks and lines against values worked out here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection

from conversion.recording import Probe, Recording
from studies.draw.views import choose_neurons, draw_membrane_traces, draw_raster

STEPS, IMAGES = 20, 3
SHAPES = {"input": (1, 4, 4), "hidden": (300,), "output": (3,)}
PROBE = Probe(tuple(SHAPES), {"hidden": (7, 2), "output": (2,)})


@pytest.fixture(scope="module")
def spikes():
    """Random spike trains (steps, images, neurons) of each population."""
    rng = np.random.default_rng(5)
    return {name: rng.random((STEPS, IMAGES, int(np.prod(shape)))) < 0.3 for name, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def recording(spikes) -> Recording:
    """Steps of 2 ms with those spikes; a trace's value names its step, image and neuron."""
    rasters = {}
    for name, trains in spikes.items():
        step, image, neuron = np.nonzero(trains)
        rasters[name] = pd.DataFrame({"image": image, "neuron": neuron, "time_ms": 2.0 * (step + 1), "sign": 1})
    step, image = np.ogrid[:STEPS, :IMAGES]
    traces = {
        name: np.stack([step + 0.1 * image + 0.001 * n for n in neurons], axis=-1)
        for name, neurons in PROBE.traces.items()
    }
    counts = {name: trains.sum(axis=0).reshape(-1, *SHAPES[name]) for name, trains in spikes.items()}
    totals = np.array([[counts[name].sum() / IMAGES for name in SHAPES]])
    return Recording(
        dt=0.002, duration=0.04, max_rate=250.0, times=np.array([0.04]), output_counts=counts["output"][None],
        output_potentials=np.zeros((1, IMAGES, 3), np.float32), populations=tuple(SHAPES), shapes=SHAPES,
        spikes=totals, synops=totals, spike_counts=counts, largest_count=20, rasters=rasters,
        traces=traces,
    )  # fmt: skip


def marks(axes) -> list[tuple[float, float]]:
    """(time, middle) of the vertical lines in a panel."""
    (lines,) = [c for c in axes.collections if isinstance(c, LineCollection)]
    return [(segment[0, 0], segment[:, 1].mean()) for segment in lines.get_segments()]


def test_raster_has_a_mark_per_spike_and_the_input_below(recording, spikes):
    figure = draw_raster(recording, image=1, shown=300)
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == ["output", "hidden", "input"]
    for axes, name in zip(figure.axes, ("output", "hidden", "input"), strict=True):
        step, neuron = np.nonzero(spikes[name][:, 1])
        np.testing.assert_allclose(sorted(marks(axes)), sorted(zip(2.0 * (step + 1), neuron, strict=True)))
    assert figure.axes[-1].get_xlabel() == "time (ms)"


def test_raster_of_a_subset_shows_its_spikes_alone(recording, spikes):
    axes = draw_raster(recording, image=2, shown=50).axes[1]
    assert axes.get_ylabel() == "hidden\n300 neurons\n(50 shown)"
    chosen = choose_neurons(300, 50)
    step, row = np.nonzero(spikes["hidden"][:, 2, chosen])
    np.testing.assert_allclose(sorted(marks(axes)), sorted(zip(2.0 * (step + 1), row, strict=True)))


def test_subset_is_sorted_and_without_repeats():
    chosen = choose_neurons(10_000, 100)
    assert len(set(chosen)) == 100
    assert list(chosen) == sorted(chosen)
    np.testing.assert_array_equal(chosen, choose_neurons(10_000, 100))
    assert max(chosen) > 5000  # not the first
    np.testing.assert_array_equal(choose_neurons(5, 100), np.arange(5))


def test_traces_threshold_and_spikes(recording, spikes):
    figure = draw_membrane_traces(recording, PROBE, v_th=0.7, image=2)
    for axes, (name, neuron) in zip(figure.axes, [("hidden", 7), ("hidden", 2), ("output", 2)], strict=True):
        threshold, potential, ticks = axes.lines
        steps = np.flatnonzero(spikes[name][:, 2, neuron])
        assert set(threshold.get_ydata()) == {0.7}
        np.testing.assert_allclose(potential.get_xdata(), 2.0 * np.arange(1, STEPS + 1))
        np.testing.assert_allclose(potential.get_ydata(), np.arange(STEPS) + 0.2 + 0.001 * neuron)
        np.testing.assert_allclose(ticks.get_xdata(), 2.0 * (steps + 1))
        (lines,) = axes.collections
        feet = [segment[0] for segment in lines.get_segments()]
        np.testing.assert_allclose(feet, np.column_stack([2.0 * (steps + 1), steps + 0.2 + 0.001 * neuron]))
        assert axes.get_title(loc="left") == f"{name}, neuron {neuron}: {len(steps)} spikes"
    assert figure.get_supylabel() == "potential (units of activation)"


def test_negative_spikes_are_red_and_marked_below(recording, spikes):
    table = recording.rasters["hidden"]
    signs = np.where(table["neuron"] == 7, -1, 1)
    signed = replace(recording, rasters={**recording.rasters, "hidden": table.assign(sign=signs)})
    (lines,) = draw_raster(signed, image=2, shown=300).axes[1].collections
    red = {round(segment[:, 1].mean()) for segment, color in zip(lines.get_segments(), lines.get_colors(), strict=True)
           if color[0] > 0}  # fmt: skip
    assert red == {7}
    below, above, _ = draw_membrane_traces(signed, PROBE, v_th=0.7, image=2).axes
    np.testing.assert_allclose(below.lines[2].get_ydata(), -0.21)
    np.testing.assert_allclose(above.lines[2].get_ydata(), 0.91)


def test_figures_belong_to_no_window_and_name_their_axes(recording):
    before = plt.get_fignums()
    figures = draw_raster(recording), draw_membrane_traces(recording, PROBE)
    assert plt.get_fignums() == before
    for figure in figures:
        figure.canvas.draw()
        assert figure.axes[-1].get_xlabel() == "time (ms)"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda r: draw_raster(r, image=3), "image is 3; it must be a whole number from 0 to 2"),
        (lambda r: draw_membrane_traces(r, PROBE, image=-1), "image is -1; it must be a whole number from 0 to 2"),
        (lambda r: draw_membrane_traces(r, Probe()), "the probe has no traces"),
        (lambda r: draw_membrane_traces(r, Probe(traces={"pool": (0,)})), "spikes of 'pool' are not recorded"),
    ],
)
def test_what_was_not_recorded_is_named(recording, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(recording)


def test_no_rasters(recording):
    with pytest.raises(ValueError, match=r"has no rasters; name populations in Probe\(rasters=...\)"):
        draw_raster(replace(recording, rasters={}))

"""What is drawn is what was recorded: marks, lines, points and cells against values worked out here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from sklearn.metrics import r2_score

from conversion.recording import Probe, Recording
from studies.views import choose, confusions, membrane_traces, raster, rates

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
        rasters[name] = pd.DataFrame({"image": image, "neuron": neuron, "time_ms": 2.0 * (step + 1)})
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
        spikes=totals, synops=totals, spike_counts=counts, rasters=rasters, traces=traces,
    )  # fmt: skip


def marks(axes) -> list[tuple[float, float]]:
    """(time, middle) of the vertical lines in a panel."""
    (lines,) = [c for c in axes.collections if isinstance(c, LineCollection)]
    return [(segment[0, 0], segment[:, 1].mean()) for segment in lines.get_segments()]


def labels(figure) -> list[str]:
    texts = [figure.get_supxlabel(), figure.get_supylabel()]
    return texts + [text for axes in figure.axes for text in (axes.get_xlabel(), axes.get_ylabel())]


def test_raster_has_a_mark_per_spike_and_the_input_below(recording, spikes):
    figure = raster(recording, image=1, shown=300)
    assert [axes.get_ylabel().split("\n")[0] for axes in figure.axes] == ["output", "hidden", "input"]
    for axes, name in zip(figure.axes, ("output", "hidden", "input"), strict=True):
        step, neuron = np.nonzero(spikes[name][:, 1])
        np.testing.assert_allclose(sorted(marks(axes)), sorted(zip(2.0 * (step + 1), neuron, strict=True)))
    assert figure.axes[-1].get_xlabel() == "time (ms)"


def test_raster_of_a_subset_shows_its_spikes_alone(recording, spikes):
    axes = raster(recording, image=2, shown=50, seed=4).axes[1]
    assert axes.get_ylabel() == "hidden\n300 neurons\n(50 shown)"
    chosen = choose(300, 50, 4)
    step, row = np.nonzero(spikes["hidden"][:, 2, chosen])
    np.testing.assert_allclose(sorted(marks(axes)), sorted(zip(2.0 * (step + 1), row, strict=True)))


def test_subset_is_seeded_sorted_and_without_repeats():
    chosen = choose(10_000, 100, 3)
    assert len(set(chosen)) == 100
    assert list(chosen) == sorted(chosen)
    np.testing.assert_array_equal(chosen, choose(10_000, 100, 3))
    assert set(chosen) != set(choose(10_000, 100, 4))
    np.testing.assert_array_equal(choose(5, 100, 0), np.arange(5))


def test_traces_threshold_and_spikes(recording, spikes):
    figure = membrane_traces(recording, PROBE, v_th=0.7, image=2)
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
    assert {"time (ms)", "potential (units of activation)"} <= set(labels(figure))


def test_rates_of_few_neurons_are_points(recording, spikes):
    activation = np.random.default_rng(0).normal(0.3, 1, (IMAGES, 16))
    figure = rates(recording, {"input": activation, "other": activation})
    (axes,) = figure.axes
    (points,) = [c for c in axes.collections if isinstance(c, PathCollection)]
    rate = np.array([[spikes["input"][:, i, n].sum() / (0.04 * 250) for n in range(16)] for i in range(IMAGES)])
    np.testing.assert_allclose(points.get_offsets(), np.column_stack([activation.ravel(), rate.ravel()]))
    wanted = [min(max(a, 0), 2) for a in activation.ravel()]  # a spike every 2 ms is twice the largest rate of 250 Hz
    assert axes.texts[0].get_text() == f"$R^2$ = {r2_score(wanted, rate.ravel()):.3f}"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), np.clip(axes.lines[0].get_xdata(), 0, 2))
    assert axes.lines[0].get_xdata()[[0, -1]] == pytest.approx([activation.min(), activation.max()])


@pytest.mark.parametrize("steps", [20, 130])
def test_rates_of_many_neurons_are_counted_in_cells(recording, steps):
    """Every pair of neuron and image is in the cell of its activation and rate."""
    rng = np.random.default_rng(1)
    counts, activation = rng.integers(0, steps + 1, (IMAGES, 900)), rng.random((IMAGES, 900))
    longer = replace(
        recording, duration=steps * 0.002, max_rate=500.0, spike_counts={**recording.spike_counts, "hidden": counts}
    )
    axes = rates(longer, {"hidden": activation}).axes[0]
    (mesh,) = [c for c in axes.collections if isinstance(c, QuadMesh)]
    x, y = mesh.get_coordinates()[0, :, 0], mesh.get_coordinates()[:, 0, 1]
    drawn = np.ma.filled(mesh.get_array(), 0).reshape(len(y) - 1, len(x) - 1)
    expected = np.zeros(drawn.shape)
    for a, n in zip(activation.ravel(), counts.ravel(), strict=True):
        expected[np.searchsorted(y, n / steps) - 1, np.searchsorted(x, a, side="right") - 1] += 1
    assert drawn.sum() == activation.size
    np.testing.assert_array_equal(drawn, expected)
    assert len(y) - 1 <= 51


def test_confusions_by_hand():
    answers = np.array([[1, 0, 0], [0, 0.5, 0.5], [0, 0, 0], [0, 0, 1], [1, 0, 0]])
    figure = confusions(answers, np.array([0, 1, 1, 2, 2]), np.array([0, 1, 1, 2, 1]))
    left, right = figure.axes
    shown = [{tuple(t.get_position()): t.get_text() for t in axes.texts} for axes in (left, right)]
    cell = {(row, column): (column + 0.5, row + 0.5) for row in range(3) for column in range(4)}
    assert shown[0] == {cell[0, 0]: "1", cell[1, 1]: "0.5", cell[1, 2]: "0.5", cell[1, 3]: "1", cell[2, 2]: "1",
                        cell[2, 0]: "1"}  # fmt: skip
    assert shown[1] == {cell[1, 2]: "0.5", cell[1, 3]: "1", cell[1, 0]: "1"}
    assert left.get_title() == "SNN: 50 % of 5 images correct"
    assert right.get_title() == "SNN differs from the ANN: 50 % of the images"
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["0", "1", "2", "none"]


def test_many_classes_have_a_colour_bar_in_place_of_numbers():
    figure = confusions(np.eye(30), np.arange(30), np.arange(30)[::-1])
    assert not figure.axes[0].texts
    assert [axes.get_ylabel() for axes in figure.axes[2:]] == ["images", "images"]


def test_figures_belong_to_no_window_and_name_their_axes(recording):
    before = plt.get_fignums()
    figures = (
        raster(recording), membrane_traces(recording, PROBE), rates(recording, {"hidden": np.ones((IMAGES, 300))}),
        confusions(np.eye(3), np.arange(3), np.arange(3)),
    )  # fmt: skip
    assert plt.get_fignums() == before
    for figure in figures:
        figure.canvas.draw()
        for axis in ("x", "y"):
            shared = figure.get_supxlabel() if axis == "x" else figure.get_supylabel()
            assert shared or any(getattr(axes, f"get_{axis}label")() for axes in figure.axes)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda r: raster(r, image=3), "image is 3; it must be a whole number from 0 to 2"),
        (lambda r: membrane_traces(r, PROBE, image=-1), "image is -1; it must be a whole number from 0 to 2"),
        (lambda r: membrane_traces(r, Probe()), "the probe has no traces"),
        (lambda r: membrane_traces(r, Probe(traces={"pool": (0,)})), "spikes of 'pool' are not recorded"),
        (lambda r: rates(r, {"fc": np.ones(3)}), "no activations of input, hidden, output; there are fc"),
    ],
)
def test_what_was_not_recorded_is_named(recording, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(recording)


def test_no_rasters(recording):
    with pytest.raises(ValueError, match=r"has no rasters; name populations in Probe\(rasters=...\)"):
        raster(replace(recording, rasters={}))

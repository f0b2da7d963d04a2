"""Points, cells and numbers of the figures against values worked out here."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import PathCollection, QuadMesh
from sklearn.metrics import r2_score

from conversion.recording import Recording
from studies.draw.agreement import draw_confusions, draw_rates

IMAGES = 3
COUNTS = np.random.default_rng(5).integers(0, 21, (IMAGES, 16))


def recording(counts: np.ndarray, steps: int = 20, max_rate: float = 250.0) -> Recording:
    """Steps of 2 ms in which one population spiked so often."""
    empty = np.zeros((1, 1))
    return Recording(
        dt=0.002, duration=steps * 0.002, max_rate=max_rate, times=np.array([steps * 0.002]),
        output_counts=counts[None], output_potentials=np.zeros((1, *counts.shape), np.float32),
        populations=("hidden",), shapes={"hidden": counts.shape[1:]}, spikes=empty, synops=empty,
        spike_counts={"hidden": counts}, largest_count=steps,
    )  # fmt: skip


def test_rates_of_few_neurons_are_points():
    activation = np.random.default_rng(0).normal(0.3, 1, (IMAGES, 16))
    figure = draw_rates(recording(COUNTS), {"hidden": activation, "other": activation})
    (axes,) = figure.axes
    (points,) = [c for c in axes.collections if isinstance(c, PathCollection)]
    rate = COUNTS / (0.04 * 250)
    np.testing.assert_allclose(points.get_offsets(), np.column_stack([activation.ravel(), rate.ravel()]))
    wanted = [min(max(a, 0), 2) for a in activation.ravel()]  # a spike every 2 ms is twice the largest rate of 250 Hz
    assert axes.texts[0].get_text() == f"$R^2$ = {r2_score(wanted, rate.ravel()):.3f}"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), np.clip(axes.lines[0].get_xdata(), 0, 2))
    assert axes.lines[0].get_xdata()[[0, -1]] == pytest.approx([activation.min(), activation.max()])


def test_rates_of_a_signed_population_may_be_negative():
    activation = np.random.default_rng(0).normal(0, 2, (IMAGES, 16))
    signed = replace(recording(COUNTS - 10), signed=("hidden",))
    (axes,) = draw_rates(signed, {"hidden": activation}).axes
    wanted, rate = np.clip(activation, -2, 2).ravel(), (COUNTS - 10).ravel() / (0.04 * 250)
    assert axes.texts[0].get_text() == f"$R^2$ = {r2_score(wanted, rate):.3f}"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), np.clip(axes.lines[0].get_xdata(), -2, 2))


def test_every_count_of_many_signed_neurons_is_in_a_cell():
    rng = np.random.default_rng(1)
    counts, activation = rng.integers(-130, 131, (IMAGES, 900)), rng.normal(0, 0.3, (IMAGES, 900))
    signed = replace(recording(counts, 130, max_rate=500.0), signed=("hidden",))
    axes = draw_rates(signed, {"hidden": activation}).axes[0]
    (mesh,) = [c for c in axes.collections if isinstance(c, QuadMesh)]
    assert np.ma.filled(mesh.get_array(), 0).sum() == activation.size
    assert len(mesh.get_coordinates()) - 1 <= 53


@pytest.mark.parametrize("steps", [20, 130])
def test_rates_of_many_neurons_are_counted_in_cells(steps):
    """Every pair of neuron and image is in the cell of its activation and rate."""
    rng = np.random.default_rng(1)
    counts, activation = rng.integers(0, steps + 1, (IMAGES, 900)), rng.random((IMAGES, 900))
    axes = draw_rates(recording(counts, steps, max_rate=500.0), {"hidden": activation}).axes[0]
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
    answers = np.array([[1, 0, 0], [0, 0.5, 0.5], [1 / 3] * 3, [0, 0, 1], [1, 0, 0]])
    figure = draw_confusions(answers, np.array([0, 1, 1, 2, 2]), np.array([0, 1, 1, 2, 1]))
    left, right = figure.axes
    shown = [{tuple(t.get_position()): t.get_text() for t in axes.texts} for axes in (left, right)]
    cell = {(row, column): (column + 0.5, row + 0.5) for row in range(3) for column in range(4)}
    assert shown[0] == {cell[0, 0]: "1", cell[1, 1]: "0.5", cell[1, 2]: "0.5", cell[1, 3]: "1", cell[2, 2]: "1",
                        cell[2, 0]: "1"}  # fmt: skip
    assert shown[1] == {cell[1, 2]: "0.5", cell[1, 3]: "1", cell[1, 0]: "1"}
    assert left.get_title() == "SNN: 56.67 % of 5 images correct"  # 1 + 1/2 + 1/3 + 1 + 0
    assert right.get_title() == "SNN differs from the ANN: 43.33 % of the images"
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["0", "1", "2", "none"]


def test_many_classes_have_a_colour_bar_in_place_of_numbers():
    figure = draw_confusions(np.eye(30), np.arange(30), np.arange(30)[::-1])
    assert not figure.axes[0].texts
    assert [axes.get_ylabel() for axes in figure.axes[2:]] == ["images", "images"]


def test_of_many_classes_those_that_occur_have_a_mark_for_each_pair():
    """Labels and answers are 40 of 1,000 classes; the last image has no answer."""
    labels = np.append(np.arange(0, 80, 2), 0)
    answers = np.vstack([np.eye(1000)[labels[1:].tolist()], np.full((1, 1000), 1 / 1000)])
    left, right, *_ = draw_confusions(answers, labels, labels).axes
    (marks,) = left.collections
    expected = {(*place, 1.0) for place in [*((n + 1, n) for n in range(39)), (0, 39), (40, 0)]}
    drawn = zip(*marks.get_offsets().T.tolist(), marks.get_array().tolist(), strict=True)
    assert {(round(x), round(y), images) for x, y, images in drawn} == expected
    assert left.get_xticklabels()[0].get_text() == "0"
    assert left.get_xticklabels()[-2].get_text() == "78"
    assert left.get_xticklabels()[-1].get_text() == "none"
    assert len(right.collections[0].get_offsets()) == 41  # none agrees with itself


def test_of_many_classes_few_that_occur_are_cells_with_numbers():
    left, _ = draw_confusions(np.eye(1000)[[7, 7, 999]], np.array([7, 7, 3]), np.array([7, 7, 3])).axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["3", "7", "999"]
    assert {tuple(t.get_position()): t.get_text() for t in left.texts} == {(1.5, 1.5): "2", (2.5, 0.5): "1"}


def test_the_confusion_of_a_thousand_classes_needs_little_memory():
    """Two dense matrices of them, as drawn cells, took 200 MB."""
    rng = np.random.default_rng(0)
    answers, labels = np.eye(1000)[rng.integers(0, 1000, 500)], rng.integers(0, 1000, (2, 500))
    tracemalloc.start()
    try:
        draw_confusions(answers, *labels).canvas.draw()
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


def test_figures_belong_to_no_window_and_name_their_axes():
    before = plt.get_fignums()
    of_rates, of_answers = (
        draw_rates(recording(COUNTS), {"hidden": COUNTS / 20}),
        draw_confusions(np.eye(3), *[np.arange(3)] * 2),
    )
    assert plt.get_fignums() == before
    for figure in (of_rates, of_answers):
        figure.canvas.draw()
    assert of_rates.get_supylabel() == "firing rate / largest rate"
    assert "units of the largest rate" in of_rates.get_supxlabel()
    assert [axes.get_ylabel() for axes in of_answers.axes] == ["label (class)", "answer of the ANN (class)"]


def test_activations_of_other_layers_are_named():
    with pytest.raises(ValueError, match="no activations of hidden; there are fc"):
        draw_rates(recording(COUNTS), {"fc": np.ones(3)})

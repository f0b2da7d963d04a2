"""Figures from tables that are small enough to read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from studies.draw.comparisons import (
    draw_accuracy_over_time,
    draw_energy_and_accuracy,
    draw_spikes_per_layer,
    pareto_points,
)
from studies.tables.labels import CAVEAT

METRICS = pd.DataFrame(
    [
        ("none", 0, 10, 0.2, 1.0), ("none", 0, 20, 0.5, 3.0), ("none", 1, 10, 0.4, 3.0), ("none", 1, 20, 0.7, 5.0),
        ("data", 0, 10, 0.3, 3.0), ("data", 0, 20, 0.9, 8.0), ("data", 1, 10, 0.1, 1.0), ("data", 1, 20, 0.7, 8.0),
    ],
    columns=["normalization", "seed", "time_ms", "accuracy", "energy_nj"],
).assign(ann_accuracy=0.95, ann_energy_nj=40.0)  # fmt: skip
LAYERS = pd.DataFrame(
    [("none", 0, "conv", 30.0), ("none", 1, "conv", 50.0), ("none", 0, "fc", 7.0), ("none", 1, "fc", 9.0),
     ("data", 0, "conv", 4.0), ("data", 1, "conv", 6.0), ("data", 0, "fc", 1.0), ("data", 1, "fc", 3.0)],
    columns=["normalization", "seed", "layer", "spikes_per_image"],
)  # fmt: skip


def test_accuracy_lines_are_means_over_seeds_below_the_ceiling():
    (axes,) = draw_accuracy_over_time(METRICS).axes
    drawn = [tuple(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 2]
    for means in [(0.3, 0.6), (0.2, 0.8), (0.95, 0.95)]:
        assert any(values == pytest.approx(means) for values in drawn)
    ceiling = next(line for line in axes.lines if tuple(line.get_ydata()) == (0.95, 0.95))
    assert ceiling.get_linestyle() == "--"


def test_one_network_alone_needs_no_hue():
    alone = METRICS[METRICS["seed"] == 0].query("normalization == 'data'").drop(columns=["normalization", "seed"])
    (axes,) = draw_accuracy_over_time(alone, hue="").axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.3, 0.9])
    points = pareto_points(alone, hue="")
    assert list(points["front"]) == [True, True]
    assert draw_energy_and_accuracy(alone, hue="").axes[0].lines[0].get_label() == "SNN"


def test_bars_are_means_per_layer_and_scheme():
    (axes,) = draw_spikes_per_layer(LAYERS).axes
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    np.testing.assert_allclose(heights, [[40, 8], [5, 2]])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["conv", "fc"]
    assert axes.get_ylabel() == "spikes per image"


def test_pareto_points_by_hand():
    """None is at (2, 0.3) and (4, 0.6); data at (2, 0.2), which costs the same for less, and at (8, 0.8)."""
    points = pareto_points(METRICS)
    assert list(points["normalization"]) == ["none", "none", "data", "data"]
    np.testing.assert_allclose(points["energy_nj"], [2, 4, 2, 8])
    np.testing.assert_allclose(points["accuracy"], [0.3, 0.6, 0.2, 0.8])
    assert list(points["front"]) == [True, True, False, True]


def test_energy_figure_marks_the_front_and_the_ann():
    figure = draw_energy_and_accuracy(METRICS)
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(lines["none"].get_xydata(), [[2, 0.3], [4, 0.6]])
    np.testing.assert_allclose(lines["data-based"].get_xydata(), [[2, 0.2], [8, 0.8]])
    np.testing.assert_allclose(lines["Pareto front"].get_xydata(), [[2, 0.3], [4, 0.6], [8, 0.8]])
    np.testing.assert_allclose(lines["ANN"].get_xydata(), [[40, 0.95]])
    full = [line.get_xydata() for line in axes.lines if line.get_linestyle() == "None" and line.get_label() != "ANN"]
    np.testing.assert_allclose(np.concatenate(full), [[2, 0.3], [4, 0.6], [8, 0.8]])
    assert (axes.get_xlabel(), axes.get_xscale()) == ("energy per image (nJ)", "log")
    assert figure.get_supxlabel() == CAVEAT


def test_figures_belong_to_no_window():
    before = plt.get_fignums()
    for figure in (draw_accuracy_over_time(METRICS), draw_spikes_per_layer(LAYERS), draw_energy_and_accuracy(METRICS)):
        figure.canvas.draw()
    assert plt.get_fignums() == before


def test_a_detector_is_drawn_by_its_map():
    detector = METRICS.rename(columns={"accuracy": "map_50", "ann_accuracy": "ann_map_50"})
    for draw in (draw_accuracy_over_time, draw_energy_and_accuracy):
        (axes, *_), (expected, *_) = draw(detector).axes, draw(METRICS).axes
        assert axes.get_ylabel() == "mAP@0.5 (%)"
        for line, other in zip(axes.lines, expected.lines, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), other.get_xydata())

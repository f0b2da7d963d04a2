"""What every figure keeps to: plain numbers, percent, few lines to a panel, no line to zero, layers as a scheme."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from studies.draw.declared import plot
from tests.studies.random_table import figure


@pytest.mark.parametrize(
    ("times", "labels"),
    [
        ([1.0, 10.0, 1000.0], ["1", "10", "100", "1,000"]),
        ([2.0, 5.0, 20.0], ["2", "5", "10", "20"]),
        ([0.1, 1.0, 100.0], ["0.1", "1", "10", "100"]),
    ],
)
def test_a_logarithmic_axis_has_numbers_and_no_powers(times: list[float], labels: list[str]) -> None:
    rows = pd.DataFrame({"time_ms": times, "accuracy": [0.1, 0.5, 0.9], "seed": 0})
    (axes,) = plot(figure(hue="", log="x"), rows).axes
    low, high = axes.get_xlim()
    ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    assert [label.get_text() for tick, label in ticks if low <= tick <= high] == labels
    assert not any(label.get_text() for label in axes.get_xticklabels(minor=True))


def test_shares_are_in_percent_and_no_tick_is_above_a_hundred() -> None:
    rows = pd.DataFrame({"time_ms": [1.0, 2.0], "accuracy": [0.988, 1.0], "seed": 0})
    (axes,) = plot(figure(hue=""), rows).axes
    assert axes.get_ylabel() == "accuracy (% of images)"
    shown = dict(zip(axes.get_yticks(), (label.get_text() for label in axes.get_yticklabels()), strict=True))
    assert "99" in shown.values()
    for tick, label in shown.items():
        assert label == ("" if tick > 1 + 1e-9 else f"{round(100 * tick, 6):g}")


@pytest.mark.parametrize("kind", ["lineplot", "pointplot"])
def test_no_line_leads_to_zero_on_a_logarithmic_axis_and_the_point_is_named_below(kind: str) -> None:
    rows = pd.DataFrame({"layer": ["a", "b", "fc"] * 2, "rate_hz": [5.0, 2.0, 0.0, 7.0, 3.0, 0.0], "seed": 0})
    rows["normalization"] = ["none"] * 3 + ["data"] * 3
    canvas = plot(figure(plot=kind, table="layers", x="layer", y="rate_hz", log="y"), rows)
    heights = np.concatenate([line.get_ydata() for line in canvas.axes[0].lines])
    assert heights[np.isfinite(heights)].min() == 2
    assert "not above 0, on a logarithmic scale: fc" in canvas.texts[0].get_text()


def test_what_is_below_a_logarithmic_axis_is_named_with_its_level_where_not_all_are() -> None:
    rows = pd.DataFrame({"time_ms": [1.0, 2.0, 3.0] * 2, "spikes_per_image": [0.0, 0.0, 4.0, 1.0, 2.0, 3.0], "seed": 0})
    rows["normalization"] = ["data"] * 3 + ["none"] * 3
    canvas = plot(figure(y="spikes_per_image", log="y"), rows)
    assert canvas.texts[0].get_text().replace("\n", " ").endswith("scale: 1 to 2 ms (data-based)")


def test_an_interval_that_reaches_zero_is_one_sided_on_a_logarithmic_axis() -> None:
    rows = pd.DataFrame({"time_ms": [5.0] * 3, "seed": [0, 1, 2], "energy_nj": [1.0, 1.0, 9.0]})
    axes = plot(figure(plot="pointplot", y="energy_nj", hue="", log="y"), rows).axes[0]
    (ends,) = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 2]
    assert sorted(ends) == pytest.approx([11 / 3, 15.140404])


def test_the_ceiling_stands_upright_where_names_stand_on_the_y_axis() -> None:
    rows = pd.DataFrame({"neuron": ["lif", "qif"], "seed": 0, "accuracy": [0.9, 0.8], "ann_accuracy": 0.95})
    axes = plot(figure(plot="barplot", x="accuracy", y="neuron", hue="", ceiling="ann_accuracy"), rows).axes[0]
    assert [list(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "--"] == [[0.95, 0.95]]


def test_the_interval_of_bars_ends_where_the_values_do_also_sideways() -> None:
    rows = pd.DataFrame({"neuron": ["lif"] * 3, "seed": [0, 1, 2], "accuracy": [0.95, 1.0, 1.0]})
    axes = plot(figure(plot="barplot", x="accuracy", y="neuron", hue=""), rows).axes[0]
    assert max(axes.lines[0].get_xdata()) == 1


@pytest.mark.parametrize(("levels", "panels"), [(6, [6]), (7, [4, 3]), (8, [4, 4]), (13, [5, 4, 4])])
@pytest.mark.parametrize("kind", ["lineplot", "pointplot"])
def test_at_most_six_lines_stand_in_a_panel(kind: str, levels: int, panels: list[int]) -> None:
    rows = pd.DataFrame(
        [(f"{level}", time, level / 20) for level in range(levels) for time in (1.0, 2.0)],
        columns=["variant", "time_ms", "accuracy"],
    ).assign(seed=0)
    canvas = plot(figure(plot=kind, hue="variant"), rows)
    drawn = [[line for line in axes.lines if np.isfinite(line.get_ydata()).sum() == 2] for axes in canvas.axes]
    assert [len(lines) for lines in drawn] == panels
    assert len(canvas.legends[0].get_texts()) == levels


def test_panels_of_numbers_say_which_they_show() -> None:
    rows = pd.DataFrame([(v, t, 0.5) for v in range(8) for t in (1, 2)], columns=["v_th", "time_ms", "accuracy"])
    titles = [axes.get_title() for axes in plot(figure(hue="v_th"), rows.assign(seed=0)).axes]
    assert titles == ["threshold 0 to 3", "threshold 4 to 7"]


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3)), (7, (3, 3))]
)
def test_four_panels_stand_two_by_two_and_no_figure_is_wider_than_a_page(count: int, shape: tuple[int, int]) -> None:
    rows = pd.DataFrame([(v, t, 0.5) for v in range(count) for t in (1, 2)], columns=["v_th", "time_ms", "accuracy"])
    canvas = plot(figure(hue="", col="v_th" if count > 1 else ""), rows.assign(seed=0))
    grid = canvas.axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == shape
    assert len(canvas.axes) == count
    assert canvas.get_figwidth() <= 9


def test_an_interval_is_over_seeds_not_over_what_a_figure_leaves_out() -> None:
    """Two layers of which the figure shows the mean differ much, the two seeds little: 0.3 ± 12.7 * 0.01."""
    rates = [(seed, layer, rate + 0.01 * (2 * seed - 1)) for seed in (0, 1) for layer, rate in (("a", 0.1), ("b", 0.5))]
    rows = pd.DataFrame(rates, columns=["seed", "layer", "rmse"]).assign(v_th=1.0)
    axes = plot(figure(plot="pointplot", table="layers", x="v_th", y="rmse", hue=""), rows).axes[0]
    (ends,) = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 2]
    assert sorted(ends) == pytest.approx([0.3 - 12.7062 * 0.01, 0.3 + 12.7062 * 0.01], abs=1e-5)


def test_thirty_layers_are_a_scheme_of_letters_with_the_names_of_groups() -> None:
    stages = [f"block{i}_{j}_path_{what}" for i in (1, 2, 3) for j in (1, 2, 3) for what in ("conv1", "conv2", "add")]
    layers = ["input", *stages, "pool", "fc"]
    rows = pd.DataFrame({"layer": layers, "rate_hz": np.arange(1.0, len(layers) + 1), "seed": 0})
    canvas = plot(figure(plot="pointplot", table="layers", x="layer", y="rate_hz", hue=""), rows)
    (axes,) = canvas.axes
    assert "".join(label.get_text() for label in axes.get_xticklabels()) == "i" + 9 * "cc+" + "pf"
    (below,) = axes.child_axes
    named = zip((label.get_text() for label in below.get_xticklabels()), below.get_xticks(), strict=True)
    assert dict(named) == {"block1": 5, "block2": 14, "block3": 23, "fc": 29}
    assert "c: convolution" in canvas.texts[0].get_text()


def test_names_that_would_touch_are_turned() -> None:
    names = [f"a rather long name {n}" for n in range(6)]
    rows = pd.DataFrame({"variant": names, "accuracy": 0.5, "seed": 0})
    axes = plot(figure(plot="barplot", x="variant", hue=""), rows).axes[0]
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {25}
    axes = plot(figure(plot="barplot", x="variant", hue=""), rows.assign(variant=list("abcdef"))).axes[0]
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {0}

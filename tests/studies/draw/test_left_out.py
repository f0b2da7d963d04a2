"""What a figure says that it does not show, counted by hand, and that it shows the rest."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from studies.declare.figure_spec import PLOTS, FigureSpec
from studies.draw.declared import plot
from studies.draw.left_out import left_out
from studies.tables.labels import CAVEAT

NONE = math.nan
ROWS = pd.DataFrame(
    {
        "v_th": [1.0, 1.0, 2.0, 2.0, math.inf, math.inf],
        "seed": [0, 1] * 3,
        "reset": ["zero", "zero", "zero", "zero", "zero", None],
        "time_to_99_ms": [5.0, NONE, 7.0, 9.0, 11.0, 13.0],
        "spikes_per_image": [0.0, 0.0, 0.0, 8.0, 9.0, 9.0],
    }
)


def spec(**fields) -> FigureSpec:
    return FigureSpec(**{"name": "f", "plot": "lineplot", "x": "v_th", "y": "time_to_99_ms"} | fields)


TIME, V_TH, SPIKES = "time to 99 % of the ANN's accuracy (ms)", "threshold (units of activation)", "spikes per image"
INFINITE = f"Not shown: 2 of 6 values, {V_TH}: infinite"
MISSING = f"Not shown: 1 of 6 values, {TIME}: no value"
LOG = "not above 0, on a logarithmic scale"


@pytest.mark.parametrize(
    ("fields", "hidden", "lines"),
    [
        ({}, [1, 4, 5], [INFINITE, MISSING]),
        ({"plot": "pointplot"}, [1], [MISSING]),  # infinity is a name there
        ({"plot": "pointplot", "hue": "reset"}, [1, 5], [MISSING, "Not shown: 1 of 6 values, reset: no value"]),
        ({"plot": "scatterplot", "hue": "reset"}, [1, 4, 5], [INFINITE, MISSING]),  # each row for one reason
        ({"y": "spikes_per_image"}, [4, 5], [INFINITE]),
        ({"y": "spikes_per_image", "log": "y"}, [0, 1, 4, 5],
         [INFINITE, f"Not shown: 2 of 6 values, {SPIKES}: {LOG}: 1"]),
        (
            {"plot": "scatterplot", "y": "spikes_per_image", "log": "y"},  # a point for each seed, and no mean above 0
            [0, 1, 2, 4, 5],
            [INFINITE, f"Not shown: 3 of 6 values, {SPIKES}: {LOG}: 1 to 2"],
        ),
        ({"plot": "scatterplot", "x": "spikes_per_image", "y": "v_th", "log": "x"}, [0, 1, 2, 4, 5],
         [f"Not shown: 3 of 6 values, {SPIKES}: {LOG}: 1 to 2", INFINITE]),
        ({"plot": "heatmap", "x": "reset", "y": "seed", "hue": "v_th"}, [4, 5],
         ["Not shown: 1 of 6 values, reset: no value", f"Not shown: 1 of 6 values, {V_TH}: infinite"]),
    ],
)  # fmt: skip
def test_each_value_that_has_no_place_is_counted_once(fields, hidden, lines):
    left, said = left_out(spec(**fields), ROWS)
    assert list(np.flatnonzero(left)) == hidden
    assert said == lines


def test_what_is_left_out_stands_below_the_figure_and_the_rest_is_drawn():
    canvas = plot(spec(), ROWS)
    assert [text.get_text() for text in canvas.texts] == [f"{INFINITE}\n{MISSING}"]
    (line,) = (line for line in canvas.axes[0].lines if len(line.get_xdata()))
    np.testing.assert_array_equal(line.get_xydata(), [[1, 5], [2, 8]])
    canvas.draw_without_rendering()
    assert canvas.texts[0].get_window_extent().y1 < canvas.axes[0].xaxis.label.get_window_extent().y0


def test_an_infinite_value_of_one_seed_is_left_out_of_the_mean():
    rows = ROWS.assign(time_to_99_ms=[5.0, math.inf, 7.0, 9.0, 11.0, 13.0])
    canvas = plot(spec(), rows)
    (line,) = (line for line in canvas.axes[0].lines if len(line.get_xdata()))
    np.testing.assert_array_equal(line.get_xydata(), [[1, 5], [2, 8]])
    assert canvas.texts[0].get_text().endswith(f"Not shown: 1 of 6 values, {TIME}: infinite")


def test_it_stands_below_the_longest_names_of_layers():
    layers = [f"block{i}_path_convolution" for i in range(30)]
    rows = pd.DataFrame({"layer": layers, "rate_hz": [NONE, *range(29)]})
    canvas = plot(spec(plot="pointplot", table="layers", x="layer", y="rate_hz"), rows)
    canvas.draw_without_rendering()
    assert canvas.texts[0].get_window_extent().y1 < canvas.axes[0].xaxis.label.get_window_extent().y0


def test_a_figure_that_shows_all_says_nothing():
    assert not plot(spec(), ROWS.iloc[2:4]).texts


def test_the_caveat_of_energies_stands_above():
    rows = ROWS.assign(energy_nj=ROWS["time_to_99_ms"])
    (text,) = plot(spec(plot="pointplot", y="energy_nj"), rows).texts
    assert (
        text.get_text().replace("ISSCC\n", "ISSCC ")
        == f"{CAVEAT}\nNot shown: 1 of 6 values, energy per image (nJ): no value"
    )


def test_a_level_without_a_value_keeps_its_place():
    """A time that was not reached leaves a gap, as among the time constants of leaky neurons."""
    rows = ROWS.assign(time_to_99_ms=[NONE, NONE, 7.0, 9.0, 11.0, 13.0])
    axes = plot(spec(plot="pointplot"), rows).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "∞"]


def test_colours_have_no_infinite_end():
    rows = ROWS.assign(time_to_99_ms=[5.0, math.inf, 7.0, 9.0, 11.0, 13.0])
    canvas = plot(spec(plot="heatmap", x="v_th", y="seed", hue="time_to_99_ms"), rows)
    assert canvas.axes[0].collections[0].get_clim() == (5, 13)
    assert canvas.texts[-1].get_text() == f"Not shown: 1 of 6 values, {TIME}: infinite"


@pytest.mark.parametrize("kind", [kind for kind in PLOTS if kind != "boxes"])
@pytest.mark.parametrize("col", ["", "reset"])
def test_a_figure_without_any_value_is_empty_and_says_so(kind, col):
    nothing = ROWS.assign(time_to_99_ms=NONE)
    figure = {"plot": kind, "col": col, "title": "Nothing"}
    figure |= {"x": "seed", "y": "v_th", "hue": "time_to_99_ms"} if kind == "heatmap" else {"ceiling": "seed"}
    canvas = plot(spec(**figure), nothing)
    missing = 4 if kind in ("lineplot", "scatterplot") else 6  # those have no place for the infinite ones anyway
    said = canvas.texts[-1].get_text().replace("\n", " ")
    assert f"Not shown: {missing} of 6 values, {TIME}: no value" in said
    assert len(canvas.axes) == 1
    assert not canvas.axes[0].lines
    assert canvas.get_suptitle() == "Nothing"

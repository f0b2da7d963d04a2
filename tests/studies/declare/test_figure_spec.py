"""A figure's table in a study's file; what is wrong with one is in test_study.py, as part of a whole file."""

from __future__ import annotations

import pytest

from studies.declare.columns import BOX_COLUMNS, DETECTION_COLUMNS, LAYER_COLUMNS, METRIC_COLUMNS, TABLES
from studies.declare.errors import StudyError
from studies.declare.figure_spec import PLOTS, FigureSpec, parse_figure

GRID = {"normalization": ("none", "data"), "v_th": (0.5, 1.0)}
BASE = {"name": "some", "plot": "lineplot", "x": "time_ms", "y": "accuracy"}


def test_what_is_left_out_has_a_default() -> None:
    assert parse_figure(BASE, GRID) == FigureSpec(**BASE)
    assert FigureSpec(**BASE).table == "metrics"


def test_everything_that_is_written_is_kept() -> None:
    content = BASE | {
        "hue": "normalization", "col": "v_th", "where": {"seed": [0, 1], "time_ms": "end"}, "ceiling": "ann_accuracy",
        "log": "xy", "title": "Some",
    }  # fmt: skip
    figure = parse_figure(content, GRID)
    assert {key: getattr(figure, key) for key in content} == content
    assert set(figure.columns) == {"time_ms", "accuracy", "normalization", "v_th", "ann_accuracy", "seed"}


@pytest.mark.parametrize("plot", [plot for plot in PLOTS if plot != "boxes"])
def test_every_plot_is_known(plot: str) -> None:
    assert parse_figure(BASE | {"plot": plot, "hue": "energy_nj"}, GRID).plot == plot


BOXES = {"name": "some", "plot": "boxes", "table": "boxes", "x": "time_ms", "y": "image"}


def test_boxes_have_a_table_of_their_own() -> None:
    assert parse_figure(BOXES, GRID) == FigureSpec(**BOXES)
    assert parse_figure(BOXES | {"x": "v_th"}, GRID).x == "v_th"
    for change in ({"table": "metrics", "y": "accuracy"}, {"plot": "lineplot"}, {"y": "score"}):
        with pytest.raises(StudyError, match="figure 'some': plot 'boxes' goes with table 'boxes' and y 'image'"):
            parse_figure(BOXES | change, GRID)


@pytest.mark.parametrize("column", [*METRIC_COLUMNS, *DETECTION_COLUMNS, "seed", "normalization", "v_th"])
def test_columns_are_those_of_the_table_and_the_grid(column: str) -> None:
    for place in ("x", "hue", "col", *(() if column == "normalization" else ("y", "ceiling"))):
        assert column in parse_figure(BASE | {place: column}, GRID).columns
    assert parse_figure(BASE | {"where": {column: 1}}, GRID).where == {column: 1}


@pytest.mark.parametrize("column", sorted(set(LAYER_COLUMNS) - set(METRIC_COLUMNS)))
def test_columns_of_the_other_table_are_unknown(column: str) -> None:
    layers = BASE | {"table": "layers", "x": "layer", "y": "rmse"}
    assert parse_figure(layers | {"hue": column}, GRID).hue == column
    with pytest.raises(StudyError, match=f"unknown column of metrics in figure 'some' '{column}'"):
        parse_figure(BASE | {"hue": column}, GRID)


@pytest.mark.parametrize("place", ["x", "y", "hue", "col", "ceiling", "where"])
def test_a_key_that_the_study_does_not_vary_is_no_column(place: str) -> None:
    """tau_m_ms is a key of a condition, but the grid says nothing about it."""
    value = {"tau_m_ms": 5} if place == "where" else "tau_m_ms"
    with pytest.raises(
        StudyError, match=r"unknown column of metrics in figure 'some' 'tau_m_ms'.*\(known: normalization"
    ):
        parse_figure(BASE | {place: value}, GRID)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "a.svg"])
def test_a_name_is_that_of_a_file(name: str) -> None:
    with pytest.raises(StudyError, match="it names a file: letters, digits, '-' and '_'"):
        parse_figure(BASE | {"name": name}, GRID)


@pytest.mark.parametrize("content", ["accuracy", ["x"], 3])
def test_a_figure_is_a_table(content) -> None:
    with pytest.raises(StudyError, match=r"it must be a list of tables, \[\[figures\]\]"):
        parse_figure(content, GRID)


def test_a_heatmap_needs_what_it_shows() -> None:
    with pytest.raises(StudyError, match="figure 'some': a heatmap needs `hue`"):
        parse_figure(BASE | {"plot": "heatmap"}, GRID)


def test_tables_are_those_that_a_run_writes() -> None:
    """A classifier's and a detector's metrics, of which each has some columns alone."""
    assert TABLES["layers"] == LAYER_COLUMNS
    assert TABLES["boxes"] == BOX_COLUMNS
    assert set(TABLES["metrics"]) == {*METRIC_COLUMNS, *DETECTION_COLUMNS}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": "normalization"}, "y is 'normalization', a text, where a lineplot needs a number"),
        ({"ceiling": "normalization"}, "ceiling is 'normalization', a text, where a lineplot needs a number"),
        ({"theory": "normalization"}, "theory is 'normalization', a text, where a lineplot needs a number"),
        ({"plot": "heatmap", "hue": "normalization"}, "hue is 'normalization', a text, where a heatmap needs a number"),
        (
            {"plot": "barplot", "table": "layers", "x": "layer", "y": "normalization"},
            "x is 'layer', a text, where a barplot needs a number",
        ),
        (
            {"plot": "scatterplot", "y": "normalization", "ceiling": "ann_accuracy"},
            "y is 'normalization', a text, where a scatterplot needs a number",
        ),
        ({"x": "normalization", "log": "x"}, "log is 'x', but x is 'normalization', a text: that is no scale"),
        ({"plot": "pointplot", "x": "v_th", "log": "xy"}, "log is 'xy', but x is 'v_th', whose values a pointplot has"),
        ({"plot": "barplot", "y": "normalization", "log": "y"}, "log is 'y', but y is 'normalization', a text"),
        ({"plot": "heatmap", "hue": "accuracy", "log": "y"}, "log is 'y', but y is 'accuracy', whose values a heatmap"),
    ],
)
def test_a_text_is_no_number_and_has_no_logarithm(changes, message) -> None:
    with pytest.raises(StudyError, match=f"figure 'some': {message}"):
        parse_figure(BASE | changes, GRID)


@pytest.mark.parametrize(
    "changes",
    [
        {"plot": "barplot", "y": "normalization", "x": "accuracy", "log": "x"},  # bars that lie
        {"plot": "scatterplot", "y": "normalization"},
        {"x": "normalization"},
        {"plot": "pointplot", "x": "v_th", "log": "y"},
        {"plot": "scatterplot", "x": "v_th", "log": "xy", "ceiling": "ann_accuracy"},
    ],
)
def test_texts_stand_side_by_side(changes) -> None:
    assert parse_figure(BASE | changes, GRID)

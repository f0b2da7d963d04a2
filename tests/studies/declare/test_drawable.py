"""Figures that no run could draw are refused with the study; those that could are drawn, also what is infinite."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from models.paths import STUDIES
from studies.__main__ import main
from studies.declare.drawable import check_kinds
from studies.declare.errors import StudyError
from studies.declare.figure_spec import FigureSpec
from studies.declare.study import parse_study, study_names

FIXED = {"model": "m", "dataset": "d", "images": 4, "neuron": "lif", "duration_ms": 20, "readout_ms": 5}
GRID = {"tau_m_ms": [5, float("inf")], "refractory_ms": [0, 2], "reset": ["zero", "subtract"]}
FIGURE = {"name": "f", "plot": "lineplot", "x": "tau_m_ms", "y": "accuracy"}
BOXES = {"name": "f", "plot": "boxes", "table": "boxes", "x": "time_ms", "y": "image"}


def parsed(figure, *, quick=None, **changes):
    content = {"title": "", "question": "", "fixed": FIXED, "grid": GRID, "figures": [figure]} | changes
    return parse_study(content | ({"quick": quick} if quick else {}), "s", Path(), quick is not None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "tau_m_ms = inf has no place on a scale of numbers; leave it out by `where`, or let plot be 'pointplot'"),
        ({"log": "x"}, "tau_m_ms = inf has no place on a logarithmic scale"),
        ({"plot": "scatterplot", "x": "accuracy", "y": "tau_m_ms"}, "tau_m_ms = inf has no place on a scale"),
        ({"x": "refractory_ms", "log": "x"}, "refractory_ms = 0 has no place on a logarithmic scale"),
        ({"x": "refractory_ms", "log": "x", "where": {"refractory_ms": [0, 2]}}, "refractory_ms = 0 has no place on a"),
    ],
)
def test_a_scale_has_no_place_for_some_values(changes, message):
    with pytest.raises(StudyError, match=f"figure 'f': {message}"):
        parsed(FIGURE | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"plot": "pointplot"},  # the remedies that the message names
        {"where": {"tau_m_ms": 5}},
        {"x": "refractory_ms"},
        {"x": "refractory_ms", "log": "x", "where": {"refractory_ms": 2}},
        {"plot": "barplot", "log": "y"},
        {"plot": "heatmap", "y": "refractory_ms", "hue": "accuracy"},
        {"x": "time_ms", "hue": "tau_m_ms", "col": "refractory_ms", "log": "x"},
    ],
)
def test_infinity_and_zero_are_levels_and_names(changes):
    assert parsed(FIGURE | changes).figures


def test_values_that_no_shown_condition_has():
    """Time constants are of leaky neurons alone."""
    grid = {
        "grid": {"neuron": ["if", "lif"], "tau_m_ms": [5, 10]},
        "fixed": {k: FIXED[k] for k in FIXED if k != "neuron"},
    }
    assert parsed(FIGURE, **grid).figures
    for place in ("x", "hue", "col"):
        with pytest.raises(
            StudyError, match=f"figure 'f': {place} is 'tau_m_ms', which no condition that it shows has"
        ):
            parsed(FIGURE | {"x": "time_ms", place: "tau_m_ms", "where": {"neuron": "if"}}, **grid)


def test_what_where_names_must_be_there_at_once():
    """Each value is some condition's, but of two variants that never are of the same."""
    variants = [{"name": "a", "v_th": 2}, {"name": "b"}]
    study = {"variants": variants, "grid": {"tau_m_ms": [5]}}
    assert parsed(FIGURE | {"where": {"variant": "a", "tau_m_ms": 5}}, **study)
    short = {
        "grid": {"neuron": ["if", "lif"], "tau_m_ms": [5, 10]},
        "fixed": {k: FIXED[k] for k in FIXED if k != "neuron"},
    }
    with pytest.raises(StudyError, match="figure 'f': no condition has all that `where` names at once"):
        parsed(FIGURE | {"where": {"neuron": "if", "tau_m_ms": 5}}, **short)


def test_a_quick_version_may_lack_some_of_the_values():
    where = {"where": {"refractory_ms": [0, 2]}}
    assert parsed(FIGURE | {"plot": "pointplot"} | where, quick={"refractory_ms": [2]}).figures
    with pytest.raises(StudyError, match=r"no condition has refractory_ms = \[0, 2\]; there are 1"):
        parsed(FIGURE | {"plot": "pointplot"} | where, quick={"refractory_ms": [1]})
    with pytest.raises(StudyError, match="no condition has refractory_ms = 3; there are 0, 2"):
        parsed(FIGURE | {"plot": "pointplot", "where": {"refractory_ms": [0, 3]}})


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"image": [3, 4]}, "no condition has image = 4; there are 0, 1, 2, 3"),
        ({"reset": "zero", "tau_m_ms": 5}, "shows boxes of several conditions; name one refractory_ms in `where`"),
    ],
)
def test_boxes_that_cannot_be_drawn(where, message):
    with pytest.raises(StudyError, match=f"figure 'f'.* {message}"):
        parsed(BOXES | {"where": where})
    assert parsed(BOXES | {"where": {"reset": "zero", "tau_m_ms": 5, "refractory_ms": 0, "image": [3]}})
    assert parsed(BOXES | {"x": "tau_m_ms", "where": {"reset": "zero", "refractory_ms": 0, "time_ms": 20}})


@pytest.mark.parametrize("name", study_names())
@pytest.mark.parametrize("quick", [False, True])
def test_the_figures_of_the_shipped_studies_can_be_drawn(name, quick):
    content = tomllib.loads((STUDIES / f"{name}.toml").read_text(encoding="utf-8"))
    if not quick or "quick" in content:
        assert parse_study(content, name, STUDIES, quick).figures


@pytest.mark.parametrize(
    ("column", "detectors", "message"),
    [
        ("map_50", [False], "the results have no 'map_50': no network finds boxes"),
        ("accuracy", [True], "the results have no 'accuracy': every network finds boxes, and is measured by its mAP"),
        ("spikes_per_image", [True], ""),
        ("spikes_per_image", [False], ""),
        ("map_50", [False, True], ""),
        ("accuracy", [False, True], ""),
    ],
)
def test_columns_of_the_other_kind_of_network(column, detectors, message):
    figures = [FigureSpec(name="f", plot="lineplot", x="time_ms", y=column)]
    if not message:
        return check_kinds(figures, detectors)
    with pytest.raises(StudyError, match=f"figure 'f': {message}"):
        check_kinds(figures, detectors)


def test_layers_have_the_same_columns_whatever_the_network():
    check_kinds([FigureSpec(name="f", plot="pointplot", table="layers", x="layer", y="rmse")], [True])
    with pytest.raises(StudyError, match="figure 'f': there are no boxes to draw: no network finds boxes"):
        check_kinds([FigureSpec(**BOXES)], [False])


def test_nothing_is_simulated_for_a_figure_that_classes_cannot_fill(study_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("studies.run.runner.rows_of", lambda _: pytest.fail("simulated"))
    study_file.write_text(study_file.read_text().replace('y = "accuracy"', 'y = "map_50"'))
    assert main(["run", str(study_file), "--results", str(tmp_path / "r"), "--jobs", "1"]) == 2
    assert "figure 'accuracy': the results have no 'map_50': no network finds boxes" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()

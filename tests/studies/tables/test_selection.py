"""Which rows a figure shows, and which of all boxes a study keeps."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from studies.declare.errors import StudyError
from studies.tables.selection import select, select_drawn
from tests.studies.random_table import figure, table


def test_rows_are_those_with_a_value_or_one_of_several() -> None:
    rows = table()
    assert set(select(rows, figure(where={"normalization": "data"}))["normalization"]) == {"data"}
    several = select(rows, figure(where={"normalization": ["data", "none"], "seed": 1}))
    assert len(several) == 2 * 2 * 3
    assert set(several["normalization"]) == {"data", "none"}
    assert len(select(rows, figure())) == len(rows)


def test_the_end_is_that_of_the_window_of_each_condition() -> None:
    rows = table()
    rows = rows[(rows["normalization"] != "data") | (rows["time_ms"] < 15)]
    ends = select(rows, figure(where={"time_ms": "end"})).groupby("normalization")["time_ms"].unique()
    assert {scheme: list(times) for scheme, times in ends.items()} == {"none": [15], "data": [10], "channel": [15]}


def test_the_end_where_a_key_is_empty() -> None:
    rows = table().assign(v_th=np.nan)
    rows = rows.drop_duplicates(["normalization", "seed", "time_ms"])
    assert len(select(rows, figure(where={"time_ms": "end"}))) == 9


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"normalization": "model"}, "no row has normalization = 'model'; there are none, data, channel"),
        ({"seed": [7, 8]}, r"no row has seed = \[7, 8\]; there are 0, 1, 2"),
        ({"seed": 0, "time_ms": 3}, r"no row has time_ms = 3; there are 5\.0, 10\.0, 15\.0"),
    ],
)
def test_no_rows_at_all(where: dict, message: str) -> None:
    with pytest.raises(StudyError, match=f"figure 'some': {message}"):
        select(table(), figure(where=where))


@pytest.mark.parametrize("place", ["x", "y", "hue", "col", "ceiling", "where"])
def test_a_column_that_older_results_lack(place: str) -> None:
    rows = table().drop(columns="energy_nj")
    value = {"energy_nj": 3} if place == "where" else "energy_nj"
    with pytest.raises(StudyError, match="figure 'some': the results have no column 'energy_nj'; run the study again"):
        select(rows, figure(**{place: value}))


BOXES = pd.DataFrame(
    [("snn", 0, 10.0), ("snn", 0, 20.0), ("ann", 0, np.nan), ("snn", 1, 10.0), ("snn", 1, 20.0), ("ann", 1, np.nan)],
    columns=["source", "seed", "time_ms"],
)


@pytest.mark.parametrize(
    ("wheres", "kept"),
    [
        ([{"time_ms": [10], "seed": 1}], [3, 5]),  # the boxes of the ANN have no time
        ([{"time_ms": [10, 20]}], [0, 1, 2, 3, 4, 5]),
        ([{"time_ms": [10], "seed": 1}, {"time_ms": [20], "seed": [0]}], [1, 2, 3, 5]),
        ([{"time_ms": "end", "seed": 0}], [0, 1, 2]),
        ([], []),
    ],
)
def test_boxes_are_kept_that_a_figure_asks_for(wheres: list[dict], kept: list[int]) -> None:
    figures = [figure(plot="boxes", where=where) for where in wheres]
    study = SimpleNamespace(figures=[*figures, figure(where={"seed": 0})])  # no figure of boxes, which asks for none
    assert list(select_drawn(BOXES, study).index) == kept

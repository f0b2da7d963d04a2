"""Multiples of physiological values worked out by hand."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.declare import load_study
from studies.declare.errors import StudyError
from studies.tables.tolerance import bearable, load_physiology, tolerances

GOOD = """factor,study,where,column,measure,value,source
leak,leaks,v_th=1,tau_m_ms,1/x,20,Someone 2000
failure,failures,,release,1-x,0.5,Other 2009
"""


@pytest.fixture
def physiology(tmp_path: Path) -> Path:
    path = tmp_path / "physiology.csv"
    path.write_text(GOOD)
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    grid = product("ab", (0.5, 1, 2, np.inf), (1.0, 0.5), (0, 1), (5, 10))
    leaks = [(m, 20.0 * k, v, s, t, 0.9 - 0.01 * s - 0.1 / k - 0.05 * (t < 10), 0.9) for m, k, v, s, t in grid]
    table(tmp_path / "leaks", ["model", "tau_m_ms", "v_th", "seed", "time_ms", "accuracy", "ann_accuracy"], leaks)
    failures = [("a", p, 0, 10, 0.9 if p > 0.2 else 0.3, 0.9) for p in (1.0, 0.75, 0.1)]
    table(tmp_path / "failures", ["model", "release", "seed", "time_ms", "accuracy", "ann_accuracy"], failures)
    return tmp_path


def table(folder: Path, columns: list[str], rows: list[tuple]) -> None:
    folder.mkdir()
    pd.DataFrame(rows, columns=columns).to_csv(folder / "metrics.csv", index=False)


def test_multiples_are_of_what_the_measure_says(physiology: Path, results: Path) -> None:
    found = tolerances(load_physiology(physiology), results)
    leak = found[(found["factor"] == "leak") & (found["model"] == "b") & (found["seed"] == 0)]
    assert dict(zip(leak["multiple"], leak["accuracy"].round(3), strict=True)) == {2: 0.7, 1: 0.8, 0.5: 0.85, 0: 0.9}
    failure = found[found["factor"] == "failure"]
    assert list(failure["multiple"]) == [0.0, 0.5, 1.8]


def test_bearable_is_the_largest_multiple_within_a_point_over_the_seeds(physiology: Path, results: Path) -> None:
    found = bearable(tolerances(load_physiology(physiology), results)).set_index(["factor", "model"])
    assert found.loc[("failure", "a")].to_list() == [0.5, 1.8]
    assert found.loc[("leak", "a")].to_list() == [0.0, 2.0]
    assert (
        bearable(tolerances(load_physiology(physiology), results), 0.001)["bearable"].isna().to_list()[:2] == [True] * 2
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1/x", "log x", "measure of 'leak' is 'log x'; it must be one of x, 1/x, 1-x"),
        ("0.5", "none", "value of 'failure' is 'none'"),
        ("factor,", "name,", "has no column 'factor'"),
        ("v_th=1", "v_th=3", "'leak': the tables of study 'leaks' have no rows where v_th=3"),
        (",release,", ",releases,", "the tables of study 'failures' have no column 'releases'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(physiology: Path, results: Path, old: str, new: str, message: str) -> None:
    physiology.write_text(GOOD.replace(old, new))
    with pytest.raises(StudyError, match=message):
        tolerances(load_physiology(physiology), results)


def test_the_shipped_factors_are_of_studies_that_vary_them() -> None:
    for row in load_physiology().itertuples():
        assert row.column in load_study(row.study).columns, row.factor

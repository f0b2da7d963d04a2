"""How much of each kind of biology a network bears: accuracy against factors in units of their physiological values.

The values are in physiology.csv, a row per factor with its source; the accuracies, in the tables of the study that it
names. `measure` says what of a study's column is compared with the value: x, 1/x (a leak, of a time constant) or 1-x
(failures, of a probability of release).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from models.paths import STUDIES
from studies.declare import StudyError
from studies.tables.store import read_table

PHYSIOLOGY = STUDIES / "physiology.csv"
COLUMNS = ("factor", "study", "where", "column", "measure", "value", "source")
MEASURES = {"x": lambda x: x, "1/x": lambda x: 1 / x, "1-x": lambda x: 1 - x}


def load_physiology(path: Path = PHYSIOLOGY) -> pd.DataFrame:
    """The table of factors, with the columns `COLUMNS`.

    Raises
    ------
    StudyError
        If there is no such file, a column is missing, or a value or a measure is none.
    """
    if not path.is_file():
        raise StudyError(f"there is no file {path}")
    factors = pd.read_csv(path, keep_default_na=False)
    if missing := [column for column in COLUMNS if column not in factors]:
        raise StudyError(f"{path} has no column {missing[0]!r}; it needs {', '.join(COLUMNS)}")
    values = pd.to_numeric(factors["value"], errors="coerce")
    for factor, measure, written, value in zip(
        factors["factor"], factors["measure"], factors["value"], values, strict=True
    ):
        if measure not in MEASURES:
            raise StudyError(f"{path}: measure of {factor!r} is {measure!r}; it must be one of {', '.join(MEASURES)}")
        if not 0 < value < math.inf:
            raise StudyError(f"{path}: value of {factor!r} is {written!r}; it must be a number above 0")
    return factors.assign(value=values)


def tolerances(factors: pd.DataFrame, results: Path) -> pd.DataFrame:
    """Accuracies at the end of the window, by factor.

    Parameters
    ----------
    factors : DataFrame
        See `load_physiology`.
    results : path
        The folder of the studies' folders.

    Returns
    -------
    DataFrame
        Columns factor, multiple (of the physiological value; 0 is without it), model, seed, accuracy, ann_accuracy.
    """
    return pd.concat([_of_factor(row, results) for row in factors.itertuples()], ignore_index=True)


def bearable(table: pd.DataFrame, points: float = 0.01) -> pd.DataFrame:
    """For each factor and network the largest multiple up to which the mean accuracy is within `points` of the ANN's.

    Returns
    -------
    DataFrame
        Columns factor, model, bearable (nan where it is not even without the factor), tested (the largest multiple).
    """
    means = table.groupby(["factor", "model", "multiple"], sort=False)[["accuracy", "ann_accuracy"]].mean()
    rows = []
    for (factor, model), some in means.reset_index().groupby(["factor", "model"], sort=False):
        some = some.sort_values("multiple")
        close = np.logical_and.accumulate((some["accuracy"] >= some["ann_accuracy"] - points).to_numpy())
        within = some["multiple"].to_numpy()[close]
        rows.append((factor, model, within.max(initial=-math.inf), some["multiple"].max()))
    found = pd.DataFrame(rows, columns=["factor", "model", "bearable", "tested"])
    return found.assign(bearable=found["bearable"].where(np.isfinite(found["bearable"])))


def _of_factor(factor, results: Path) -> pd.DataFrame:
    rows = read_table(results / factor.study, "metrics")
    for name, wanted in (pair.split("=", 1) for pair in factor.where.split("; ") if pair):
        _require(rows, name, factor)
        rows = rows[rows[name].astype(str).isin([wanted, f"{wanted}.0"])]
    _require(rows, factor.column, factor)
    keys = list(rows.columns[: list(rows.columns).index("time_ms")])
    last = rows.groupby(keys, sort=False, dropna=False).tail(1)
    measure = MEASURES[factor.measure]
    multiple = measure(last[factor.column].astype(float)) / measure(factor.value)
    return last[["model", "seed", "accuracy", "ann_accuracy"]].assign(factor=factor.factor, multiple=multiple.round(4))


def _require(rows: pd.DataFrame, column: str, factor) -> None:
    if column not in rows or rows.empty:
        what = f"no column {column!r}" if column not in rows else f"no rows where {factor.where}"
        raise StudyError(f"factor {factor.factor!r}: the tables of study {factor.study!r} have {what}")

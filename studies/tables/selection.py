"""Which rows of a table a figure shows. DataFrame -> DataFrame."""

from __future__ import annotations

import pandas as pd

from studies.declare import FigureSpec, Study, StudyError


def select(table: pd.DataFrame, spec: FigureSpec) -> pd.DataFrame:
    """The rows of a table that a figure shows."""
    for column in spec.columns:
        if column not in table:
            raise StudyError(f"figure {spec.name!r}: the results have no column {column!r}; run the study again")
    rows = table
    for column, wanted in spec.where.items():
        if column == "time_ms" and wanted == "end":
            kept = rows[_is_end(rows)]
        else:
            kept = rows[rows[column].isin(wanted if isinstance(wanted, list) else [wanted])]
        if kept.empty:
            there = ", ".join(map(str, rows[column].unique()[:60]))
            raise StudyError(f"figure {spec.name!r}: no row has {column} = {wanted!r}; there are {there}")
        rows = kept
    return rows


def select_drawn(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The rows that some figure of a study asks for: all boxes of all times would be the largest of its tables."""
    wanted = pd.Series(False, index=table.index)
    for spec in (spec for spec in study.figures if spec.plot == "boxes"):
        where = {column: value for column, value in spec.where.items() if value != "end"}
        rows = pd.Series(True, index=table.index)
        for column, value in where.items():
            is_one = table[column].isin(value if isinstance(value, list) else [value])
            rows &= is_one | (table["source"] == "ann") if column == "time_ms" else is_one
        wanted |= rows
    return table[wanted]


def _is_end(rows: pd.DataFrame) -> pd.Series:
    """Which rows are the end of the window of their condition."""
    keys = list(rows.columns[: list(rows.columns).index("time_ms")])
    return rows["time_ms"] == rows.groupby(keys, dropna=False)["time_ms"].transform("max")

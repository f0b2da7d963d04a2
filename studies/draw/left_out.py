"""What a figure cannot show of its rows: values that are missing, infinite, or not above 0 on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from studies.declare import FigureSpec, has_numbers, is_text
from studies.tables import LABELS, name_of, with_unit

PLACES = ("x", "y", "hue", "col")
BELOW = "not above 0, on a logarithmic scale"
MOST_NAMES = 4
AVERAGED = ("lineplot", "pointplot", "barplot")


def left_out(spec: FigureSpec, rows: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """Which rows a figure does not show, and a line for each reason.

    A row is one value of a condition: of a seed, and at a time or of a layer.
    """
    left, lines = pd.Series(False, index=rows.index), []
    for column, why, hidden in _hidden(spec, rows):
        more = hidden & ~left
        left |= more
        if more.any():
            named = f": {_places(spec, rows, more, column)}" if why == BELOW else ""
            lines.append(f"Not shown: {more.sum():,} of {len(rows):,} values, {LABELS[column]}: {why}{named}")
    return left, lines


def _places(spec: FigureSpec, rows: pd.DataFrame, hidden: pd.Series, column: str) -> str:
    """Where the values are that have no place on the scale of a column: on the other axis, and of which levels."""
    other = spec.x if column == spec.y else spec.y
    keys = [key for key in (spec.hue, spec.col) if key not in ("", column, other)]
    if not keys:
        return _in_words(spec, other, rows[hidden])
    levels: dict[str, list[str]] = {}
    for level, part in rows[hidden].groupby(keys, sort=False, observed=True):
        names = ", ".join(name_of(key, value) for key, value in zip(keys, level, strict=True))
        levels.setdefault(_in_words(spec, other, part), []).append(names)
    every = rows.groupby(keys, observed=True).ngroups
    return "; ".join(
        place if len(names) == every else f"{place} ({'; '.join(names)})" for place, names in levels.items()
    )


def _in_words(spec: FigureSpec, column: str, rows: pd.DataFrame) -> str:
    """The values of a column, of numbers the smallest and the largest."""
    values = list(rows[column].unique())
    if is_text(column):
        return ", ".join(name_of(column, value) for value in values[:MOST_NAMES]) + ", ..." * (len(values) > MOST_NAMES)
    ends = dict.fromkeys(name_of(column, end) for end in (min(values), max(values)))
    return with_unit(column, " to ".join(ends))


def _hidden(spec: FigureSpec, rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series]]:
    """Which rows have no place, by column and reason."""
    for place in PLACES:
        if not (column := getattr(spec, place)):
            continue
        yield column, "no value", rows[column].isna()
        if _is_scale(spec, place):
            yield column, "infinite", rows[column].isin([np.inf, -np.inf])
            if place in spec.log:
                yield column, BELOW, _shown_values(spec, rows, place) <= 0


def _is_scale(spec: FigureSpec, place: str) -> bool:
    """Whether the values there are numbers on an axis, or on the scale of colours of a heatmap."""
    return spec.plot == "heatmap" if place == "hue" else place in ("x", "y") and has_numbers(spec, place)


def _shown_values(spec: FigureSpec, rows: pd.DataFrame, axis: str) -> pd.Series:
    """The place of each row on an axis: of what is averaged over seeds, that of the mean."""
    values = rows[getattr(spec, axis)]
    others = {getattr(spec, other) for other in PLACES if other != axis} - {"", values.name}
    if spec.plot not in AVERAGED or (axis == "x" and spec.plot == "lineplot"):
        return values
    return values.groupby([rows[other] for other in sorted(others)], observed=True).transform("mean")

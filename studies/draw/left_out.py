"""What a figure cannot show of its rows: values that are missing, infinite, or not above 0 on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from studies.declare import FigureSpec, has_numbers
from studies.tables import LABELS

PLACES = ("x", "y", "hue", "col")
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
            lines.append(f"Not shown: {more.sum():,} of {len(rows):,} values, {LABELS[column]}: {why}")
    return left, lines


def _hidden(spec: FigureSpec, rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.Series]]:
    """Which rows have no place, by column and reason."""
    for place in PLACES:
        if not (column := getattr(spec, place)):
            continue
        yield column, "no value", rows[column].isna()
        if _is_scale(spec, place):
            yield column, "infinite", rows[column].isin([np.inf, -np.inf])
            if place in spec.log:
                yield column, "not above 0, on a logarithmic scale", _shown_values(spec, rows, place) <= 0


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

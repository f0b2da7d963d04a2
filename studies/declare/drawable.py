"""Whether the figures of a study can be drawn, as far as its conditions tell; what cannot is refused before a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from studies.declare.columns import DETECTION_COLUMNS, DRAWN_IMAGES, METRIC_COLUMNS
from studies.declare.conditions import Condition, cells, readout_steps
from studies.declare.errors import StudyError
from studies.declare.figure_spec import FigureSpec, has_numbers

Point = Mapping[str, Any]  # the keys of a condition, and its variant


def check_figures(
    figures: Iterable[FigureSpec], variant_of: Mapping[Condition, str], columns: Sequence[str], quick: bool = False
) -> None:
    """Raise `StudyError` if a figure shows nothing, or has no place for a value of the conditions.

    Parameters
    ----------
    variant_of, columns : mapping, sequence
        Of the study.
    quick : bool
        Whether `where` may name values of the full version beside those that are there.
    """
    points = [_point(c, variant) for c, variant in variant_of.items()]
    known: dict[str, set[Any]] = {name: {point[name] for point in points} for name in columns}
    known["time_ms"] = {"end", *(time for c in variant_of for time in _times_ms(c))}
    known["image"] = set(range(min(DRAWN_IMAGES, max(c.images for c in variant_of))))
    for figure in figures:
        _check_where(figure, known, quick)
        shown = [point for point in points if _is_shown(figure, point)]
        if not shown:
            raise StudyError(f"figure {figure.name!r}: no condition has all that `where` names at once")
        _check_axes(figure, shown)
        if figure.plot == "boxes":
            _check_boxes(figure, shown, columns)


def shown_datasets(figure: FigureSpec, variant_of: Mapping[Condition, str]) -> set[str]:
    """The datasets of the conditions that a figure shows; of boxes it is one."""
    points = (_point(c, variant) for c, variant in variant_of.items())
    return {point["dataset"] for point in points if _is_shown(figure, point)}


def _is_shown(figure: FigureSpec, point: Point) -> bool:
    """Whether `where` keeps a condition; times, images and what is measured are not asked."""
    kept = {name: wanted if isinstance(wanted, list) else [wanted] for name, wanted in figure.where.items()}
    return all(point[name] in wanted for name, wanted in kept.items() if name in point)


def check_kinds(figures: Iterable[FigureSpec], detectors: Iterable[bool]) -> None:
    """Raise `StudyError` if a figure names a column that only other networks have.

    Parameters
    ----------
    detectors : iterable of bool
        Of each condition of a study, whether its network finds boxes; others tell classes.
    """
    kinds = set(detectors)
    there = {*(DETECTION_COLUMNS if True in kinds else ()), *(METRIC_COLUMNS if False in kinds else ())}
    why = "every network finds boxes, and is measured by its mAP" if False not in kinds else "no network finds boxes"
    for figure in figures:
        missing = {*METRIC_COLUMNS, *DETECTION_COLUMNS}.intersection(figure.columns) - there
        if figure.table == "metrics" and missing:
            raise StudyError(f"figure {figure.name!r}: the results have no {min(missing)!r}: {why}")
        if figure.plot == "boxes" and True not in kinds:
            raise StudyError(f"figure {figure.name!r}: there are no boxes to draw: {why}")


def _check_where(figure: FigureSpec, known: Mapping[str, set[Any]], quick: bool) -> None:
    """Refuse times at which no condition is read, and values that none has."""
    for name, wanted in figure.where.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        if any(isinstance(value, dict | list) for value in values):
            raise StudyError(f"figure {figure.name!r}: where has {name} = {wanted!r}; it must be a value or a list")
        missing = [value for value in values if name in known and value not in known[name]]
        if missing and (not quick or len(missing) == len(values)):
            there = sorted(known[name] - {None}, key=lambda value: (isinstance(value, str), value))
            listed = ", ".join(f"{value:g}" if isinstance(value, float) else repr(value) for value in there[:60])
            said = wanted if len(missing) == len(values) else missing[0]
            raise StudyError(f"figure {figure.name!r}: no condition has {name} = {said!r}; there are {listed}")


def _check_axes(figure: FigureSpec, shown: Sequence[Point]) -> None:
    """Refuse values of the conditions that a scale of numbers has no place for."""
    for axis in ("x", "y", "hue", "col"):
        column = getattr(figure, axis)
        values = {point[column] for point in shown} if column in shown[0] else set()
        if values == {None}:
            raise StudyError(f"figure {figure.name!r}: {axis} is {column!r}, which no condition that it shows has")
        for value in values - {None} if axis in ("x", "y") and has_numbers(figure, axis) else ():
            if math.isinf(value) or (axis in figure.log and value <= 0):
                scale = "a logarithmic scale" if axis in figure.log else "a scale of numbers"
                raise StudyError(
                    f"figure {figure.name!r}: {column} = {value:g} has no place on {scale}; leave it out by `where`, "
                    "or let plot be 'pointplot', which has values of x side by side, without `log` there"
                )


def _check_boxes(figure: FigureSpec, shown: Sequence[Point], columns: Sequence[str]) -> None:
    """Refuse the boxes of several conditions, or of several datasets, on the same image."""
    for name in columns:
        if name != figure.x and len({point[name] for point in shown}) > 1:
            raise StudyError(f"figure {figure.name!r} shows boxes of several conditions; name one {name} in `where`")
    datasets = sorted({point["dataset"] for point in shown})
    if len(datasets) > 1:
        raise StudyError(f"figure {figure.name!r}: boxes are drawn on one dataset, but it shows {', '.join(datasets)}")


def _point(c: Condition, variant: str) -> Point:
    return {"variant": variant, **cells(c)}


def _times_ms(c: Condition) -> Iterable[float]:
    """The `time_ms` of a condition's rows."""
    steps = readout_steps(c)
    late = steps[steps * c.dt_ms > (c.evaluation_delay_ms or 0.0) + c.dt_ms / 2]
    return np.round(c.residual_ms + late * c.dt_ms, 6).tolist()  # such as 0.3, where 3 * 0.1 is more

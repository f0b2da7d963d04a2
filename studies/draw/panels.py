"""The panels of a declared figure, and seaborn's calls that draw one of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from models.graph import INPUT
from studies.declare import METRIC_COLUMNS, SIDE_BY_SIDE, FigureSpec, has_numbers, is_text, limits
from studies.draw.style import PALETTE, Style
from studies.statistics import interval
from studies.tables import name_of, short_label, with_unit

MOST_LINES = 6  # that can be told apart in one panel
NAMED_ALONE = ("model", "variant", "factor", "layer")  # whose values say what they are
LINES = ("lineplot", "pointplot")
Ways = Mapping[Any, Style]


class Panel(NamedTuple):
    """A part of a figure's rows, and what stands above it."""

    title: str
    rows: pd.DataFrame


def split(spec: FigureSpec, rows: pd.DataFrame) -> list[Panel]:
    """A panel for each value of `col`, and where lines would be more than `MOST_LINES`, several for it."""
    if not spec.col:
        return _few_lines(spec, Panel("", rows))
    parts = [
        Panel(value_name(spec.col, level), rows[rows[spec.col] == level]) for level in rows[spec.col].dropna().unique()
    ]
    return [panel for part in parts for panel in _few_lines(spec, part)]


def value_name(column: str, value: Any) -> str:
    """A value with the name of its column, where it does not say itself what it is."""
    name = with_unit(column, name_of(column, value))
    return name if column in NAMED_ALONE else f"{short_label(column)}: {name}"


def _few_lines(spec: FigureSpec, panel: Panel) -> list[Panel]:
    levels = list(panel.rows[spec.hue].dropna().unique()) if spec.hue and spec.plot in LINES else []
    if len(levels) <= MOST_LINES:
        return [panel]
    several = np.array_split(np.arange(len(levels)), math.ceil(len(levels) / MOST_LINES))
    parts = [[levels[number] for number in numbers] for numbers in several]
    return [Panel(_title(spec, panel, part), panel.rows[panel.rows[spec.hue].isin(part)]) for part in parts]


def _title(spec: FigureSpec, panel: Panel, levels: list[Any]) -> str:
    """What tells a panel from the others of the same value of `col`."""
    if is_text(spec.hue):
        return panel.title
    said = f"{short_label(spec.hue)} {name_of(spec.hue, levels[0])} to {name_of(spec.hue, levels[-1])}"
    return f"{panel.title}, {said}" if panel.title else said


def measured_axis(spec: FigureSpec) -> str:
    """The axis, "x" or "y", of what is measured: x where names stand on the y axis."""
    return "x" if spec.plot in SIDE_BY_SIDE and is_text(spec.y) else "y"


def measured(spec: FigureSpec) -> str:
    """The column of what is measured."""
    return str(getattr(spec, measured_axis(spec)))


def order_of(spec: FigureSpec, axis: str, rows: pd.DataFrame) -> list[Any] | None:
    """The values that stand side by side on an axis, in their order; None of a scale of numbers."""
    column = getattr(spec, axis)
    if has_numbers(spec, axis) or (spec.plot not in SIDE_BY_SIDE and not is_text(column)):
        return None
    levels = list(rows[column].dropna().unique())
    return levels if is_text(column) else sorted(levels)


def prepare(spec: FigureSpec, rows: pd.DataFrame, hidden: pd.Series) -> pd.DataFrame:
    """Rows as seaborn averages them rightly: one per seed, so that intervals are those over seeds.

    Those that are hidden keep their place, without a value.
    """
    value = spec.hue if spec.plot == "heatmap" else measured(spec)
    if spec.x == "layer":  # some layers have no value in any row, and the input comes first
        kept = rows[value].notna()
        rows = rows[kept].sort_values("layer", key=lambda layers: layers != INPUT, kind="stable")
    rows = rows.assign(**{value: rows[value].mask(hidden.reindex(rows.index))})
    if spec.plot == "lineplot" and spec.x in METRIC_COLUMNS and spec.x != "time_ms":
        return _mean_over_seeds(rows)
    if spec.plot in ("scatterplot", "boxplot", "heatmap") or "seed" not in rows:
        return rows
    named = [column for column in (spec.x, spec.y, spec.hue, spec.col) if column and column != measured(spec)]
    wanted = dict.fromkeys(column for column in (measured(spec), spec.theory, spec.ceiling) if column)
    keys = list(dict.fromkeys([*named, "seed"]))
    means = rows.groupby(keys, sort=False, dropna=False, observed=True)[[*wanted.keys() - keys]].mean()
    return means.reset_index()


def _mean_over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per condition and time: seeds differ along a measured x too, so that no interval would be right."""
    keys = [key for key in rows.columns[: list(rows.columns).index("time_ms") + 1] if key != "seed"]
    return rows.groupby(keys, sort=False, dropna=False, observed=True).mean(numeric_only=True).reset_index()


def draw_panel(spec: FigureSpec, rows: pd.DataFrame, axes: Axes, ways: Ways) -> None:
    """Draw rows on axes, a colour, marker, dash and hatch for each level of `hue`."""
    place = {axis: order_of(spec, axis, rows) for axis in "xy"}
    shown = rows.copy()
    for column, levels in ((getattr(spec, axis), levels) for axis, levels in place.items() if levels is not None):
        names = {level: name_of(column, level) for level in levels}
        shown[column] = pd.Categorical(rows[column].map(names), list(names.values()))
    here = [level for level in ways if (rows[spec.hue] == level).any()] if spec.hue else []
    if spec.hue:  # levels, not numbers: seaborn's colour scale fails at infinity
        hue = "hue " + spec.hue
        shown[hue] = pd.Categorical(rows[spec.hue], here)
    else:
        hue = ""
    own = {level: ways[level] for level in here}
    shared: dict[str, Any] = {"x": spec.x, "y": spec.y, "ax": axes}
    shared |= {"hue": hue, "palette": {level: way.colour for level, way in own.items()}, "legend": False} if own else {}
    shared |= {} if own else {"color": PALETTE[0]}
    _PLOTS[spec.plot](spec, shown, shared, own)
    if spec.theory:
        _theory(spec, rows, axes, own, place["x"])
    sns.despine(ax=axes)


def _band(spec: FigureSpec) -> Callable[[pd.Series], tuple[float, float]]:
    """The interval over seeds of what is measured, within what that can be, and above 0 on a logarithmic scale."""
    lowest, highest = limits(measured(spec))
    bounded = partial(interval, lowest=lowest, highest=highest)
    return partial(_one_sided, bounded) if measured_axis(spec) in spec.log else bounded


def _one_sided(bounded: Callable[[pd.Series], tuple[float, float]], values: pd.Series) -> tuple[float, float]:
    """An interval that reaches 0 has no lower half on a logarithmic scale."""
    low, high = bounded(values)
    return (low if low > 0 else float(values.mean())), high


def _line(spec: FigureSpec, rows: pd.DataFrame, shared: dict[str, Any], ways: Ways) -> None:
    style = {"style": shared["hue"], "dashes": _pick(ways, "dashes"), "markers": _pick(ways, "marker")} if ways else {}
    every = max(1, rows[spec.x].nunique() // 10)
    sns.lineplot(rows, errorbar=_band(spec), markevery=every, **shared, **style)


def _scatter(spec: FigureSpec, rows: pd.DataFrame, shared: dict[str, Any], ways: Ways) -> None:
    style = {"style": shared["hue"], "markers": _pick(ways, "marker")} if ways else {}
    sns.scatterplot(rows, **shared, **style)


def _bar(spec: FigureSpec, rows: pd.DataFrame, shared: dict[str, Any], ways: Ways) -> None:
    axes, width = shared["ax"], plain_line() / 2
    error = {"color": "black", "linewidth": 2 * width}
    sns.barplot(
        rows, errorbar=_band(spec), saturation=1, edgecolor="black", linewidth=width, err_kws=error,
        dodge=is_beside(spec), **shared,
    )  # fmt: skip
    for bars, way in zip(axes.containers, ways.values(), strict=False):
        for bar in bars:
            bar.set_hatch(way.hatch)


def _point(spec: FigureSpec, rows: pd.DataFrame, shared: dict[str, Any], ways: Ways) -> None:
    style: dict[str, Any] = (
        {"markers": list(_pick(ways, "marker").values()), "dodge": is_beside(spec) and len(ways) > 1} if ways else {}
    )
    joined = "-" if not is_text(spec.x) or spec.x == "layer" else "none"
    styles = {"linestyles" if ways else "linestyle": [joined] * len(ways) if ways else joined}
    width = plain_line()
    sns.pointplot(
        rows, errorbar=_band(spec), linewidth=width, markersize=3.5 * width, err_kws={"linewidth": width},
        **shared, **style, **styles,
    )  # fmt: skip


def _box(spec: FigureSpec, rows: pd.DataFrame, shared: dict[str, Any], ways: Ways) -> None:
    sns.boxplot(rows, saturation=1, dodge=is_beside(spec), **shared)


def is_beside(spec: FigureSpec) -> bool:
    """Whether levels stand side by side at a value of x; not where they are that value."""
    return bool(spec.hue) and spec.hue not in (spec.x, spec.y)


def plain_line() -> float:
    """The width of a line in points."""
    return Line2D([], []).get_linewidth()


def _theory(spec: FigureSpec, rows: pd.DataFrame, axes: Axes, ways: Ways, order: list[Any] | None) -> None:
    """What is predicted, as dashed lines; a pointplot has its values of x at 0, 1, ..."""
    parts = [(way.colour, rows[rows[spec.hue] == level]) for level, way in ways.items()] or [("black", rows)]
    for colour, part in parts:
        means = part.groupby(spec.x)[spec.theory].mean()
        x = means.index if order is None else [order.index(value) for value in means.index]
        axes.plot(x, means.to_numpy(), color=colour, linestyle="--", linewidth=plain_line() / 1.5)


_PLOTS = {"lineplot": _line, "scatterplot": _scatter, "barplot": _bar, "pointplot": _point, "boxplot": _box}


def _pick(ways: Ways, what: str) -> dict[Any, Any]:
    return {level: getattr(way, what) for level, way in ways.items()}


def handles(spec: FigureSpec, ways: Ways) -> list[Artist]:
    """What the legend shows of each level."""
    if spec.plot in ("barplot", "boxplot"):
        hatched = spec.plot == "barplot"
        return [
            Patch(facecolor=way.colour, edgecolor="black", hatch=way.hatch if hatched else "") for way in ways.values()
        ]
    marks = [{"color": way.colour, "marker": way.marker} for way in ways.values()]
    if spec.plot == "lineplot":
        return [
            Line2D([], [], dashes=way.dashes or (None, None), markeredgecolor="white", **mark)  # type: ignore[arg-type]
            for way, mark in zip(ways.values(), marks, strict=True)
        ]
    return [Line2D([], [], linestyle="none" if spec.plot == "scatterplot" else "-", **mark) for mark in marks]  # type: ignore[arg-type]

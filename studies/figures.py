"""Figures: the seaborn calls that a study declares, drawn from its tables alone, always in the same style."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple, get_args

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from conversion.normalize import Scheme
from studies import results
from studies.conditions import StudyError
from studies.energy import CAVEAT
from studies.figure import Figure
from studies.labels import LABELS
from studies.metrics import interval
from studies.study import Study

PALETTE = sns.color_palette("colorblind")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p", "h", "*")
DASHES = ((), (4, 1.5), (1, 1), (3, 1, 1, 1), (6, 2), (5, 1, 1, 1, 1, 1), (2, 2), (7, 1, 2, 1), (1, 3), (4, 4))
HATCHES = ("", "//", "..", "\\\\", "xx", "++", "oo", "--", "**", "||")
THEME: Any = {
    "svg.hashsalt": "brianize",
    "svg.fonttype": "none",
    "savefig.dpi": 150,
    "font.size": 10,
    "axes.grid": True,
    "grid.alpha": 0.4,
    "figure.max_open_warning": 0,
}


class Style(NamedTuple):
    """What tells a level apart, in colour and in grey."""

    colour: Any
    marker: str
    dashes: tuple[float, ...]
    hatch: str


def draw(study: Study, folder: Path) -> list[Path]:
    """Draw every figure of a study into its folder of results, as svg and as png.

    Returns
    -------
    list of Path
        The files, svg and png in turn.

    Raises
    ------
    ResultsError, StudyError
        If there are no tables yet, or a figure selects no rows of them.
    """
    paths = []
    for figure in study.figures:
        rows = select(results.read_table(folder, figure.table), figure)
        canvas = plot(figure, rows)
        for ending, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            paths.append(folder / f"{figure.name}.{ending}")
            with mpl.rc_context(THEME):
                canvas.savefig(paths[-1], metadata=metadata, bbox_inches="tight")
    return paths


def select(table: pd.DataFrame, figure: Figure) -> pd.DataFrame:
    """The rows of a table that a figure shows."""
    rows = table
    for column, wanted in figure.where.items():
        if column not in table:
            raise StudyError(f"figure {figure.name!r}: the results have no column {column!r}; run the study again")
        if column == "time_ms" and wanted == "end":
            kept = rows[_is_end(rows)]
        else:
            kept = rows[rows[column].isin(wanted if isinstance(wanted, list) else [wanted])]
        if kept.empty:
            there = ", ".join(map(str, rows[column].unique()[:60]))
            raise StudyError(f"figure {figure.name!r}: no row has {column} = {wanted!r}; there are {there}")
        rows = kept
    return rows


def plot(figure: Figure, rows: pd.DataFrame) -> Canvas:
    """A figure as a matplotlib figure that belongs to no window."""
    theme: Any = {**sns.axes_style("ticks"), **THEME}
    with mpl.rc_context(theme):
        canvas = _heatmap(figure, rows) if figure.plot == "heatmap" else _facets(figure, rows)
        if figure.title:
            canvas.suptitle(figure.title, y=1.03)
        if any("energy" in column for column in (figure.x, figure.y, figure.hue, figure.ceiling)):
            canvas.text(0.01, -0.04, CAVEAT, fontsize=7)
        plt.close(canvas)
    return canvas


def styles(column: str, levels: Iterable[Any]) -> Mapping[Any, Style]:
    """The style of each level; that of a normalisation scheme is the same in every figure of every study."""
    levels = list(levels)
    schemes = list(get_args(Scheme))
    ranks = [schemes.index(level) if column == "normalization" else number for number, level in enumerate(levels)]
    ways = list(zip(cycle(PALETTE), MARKERS, DASHES, HATCHES, strict=False))
    return {level: Style(*ways[rank % len(ways)]) for level, rank in zip(levels, ranks, strict=True)}


def _is_end(rows: pd.DataFrame) -> pd.Series:
    """Which rows are the end of the window of their condition."""
    keys = list(rows.columns[: list(rows.columns).index("time_ms")])
    return rows["time_ms"] == rows.groupby(keys, dropna=False)["time_ms"].transform("max")


def _facets(figure: Figure, rows: pd.DataFrame) -> Canvas:
    ways = styles(figure.hue, rows[figure.hue].dropna().unique()) if figure.hue else {}
    if figure.hue not in ("", figure.x, figure.y):  # levels, not numbers: seaborn's colour scale fails at infinity
        rows = rows.assign(**{figure.hue: pd.Categorical(rows[figure.hue], list(ways))})
    shared: dict[str, Any] = {"x": figure.x, "y": figure.y, "height": 3.6, "aspect": 1.35}
    shared |= {"col": figure.col, "col_wrap": 3} if figure.col else {}
    shared |= {"hue": figure.hue, "palette": {level: way.colour for level, way in ways.items()}} if ways else {}
    grid = _PLOTS[figure.plot](figure, rows, shared, ways)
    for axes in grid.axes.flat:
        _finish(figure, rows, axes)
    if grid.legend is not None:
        grid.legend.set_title(LABELS[figure.hue])
        beside = (grid.figure.subplotpars.right + 0.02, 0.5)  # a long title would otherwise cover the axes
        grid.legend.set_loc("center left")
        grid.legend.set_bbox_to_anchor(beside, transform=grid.figure.transFigure)
    return grid.figure


def _line(figure: Figure, rows: pd.DataFrame, shared: dict[str, Any], ways: Mapping[Any, Style]) -> sns.FacetGrid:
    style = {"style": figure.hue, "dashes": _pick(ways, "dashes"), "markers": _pick(ways, "marker")} if ways else {}
    every = max(1, rows[figure.x].nunique() // 10)
    return sns.relplot(rows, kind="line", errorbar=interval, markevery=every, markersize=5, **shared, **style)


def _scatter(figure: Figure, rows: pd.DataFrame, shared: dict[str, Any], ways: Mapping[Any, Style]) -> sns.FacetGrid:
    style = {"style": figure.hue, "markers": _pick(ways, "marker")} if ways else {}
    return sns.relplot(rows, kind="scatter", **shared, **style)


def _bar(figure: Figure, rows: pd.DataFrame, shared: dict[str, Any], ways: Mapping[Any, Style]) -> sns.FacetGrid:
    grid = sns.catplot(rows, kind="bar", errorbar=interval, saturation=1, edgecolor="black", linewidth=0.6, **shared)
    series = [container for axes in grid.axes.flat for container in axes.containers]
    keys = [] if grid.legend is None else [[patch] for patch in grid.legend.get_patches()]
    for several in (series, keys):
        for bars, way in zip(several, cycle(ways.values()), strict=False):
            for bar in bars:
                bar.set_hatch(way.hatch)
    return grid


def _point(figure: Figure, rows: pd.DataFrame, shared: dict[str, Any], ways: Mapping[Any, Style]) -> sns.FacetGrid:
    style = {"markers": list(_pick(ways, "marker").values()), "dodge": True} if ways else {}
    return sns.catplot(rows, kind="point", errorbar=interval, **shared, **style)


def _box(figure: Figure, rows: pd.DataFrame, shared: dict[str, Any], ways: Mapping[Any, Style]) -> sns.FacetGrid:
    return sns.catplot(rows, kind="box", saturation=1, **shared)


_PLOTS = {"lineplot": _line, "scatterplot": _scatter, "barplot": _bar, "pointplot": _point, "boxplot": _box}


def _pick(ways: Mapping[Any, Style], what: str) -> dict[Any, Any]:
    return {level: getattr(way, what) for level, way in ways.items()}


def _heatmap(figure: Figure, rows: pd.DataFrame) -> Canvas:
    table = rows.pivot_table(index=figure.y, columns=figure.x, values=figure.hue, aggfunc="mean", sort=False)
    canvas, axes = plt.subplots(figsize=(1.5 + 0.7 * table.shape[1], 1.2 + 0.5 * table.shape[0]))
    sns.heatmap(table, annot=True, fmt=".3g", cmap="cividis", cbar_kws={"label": LABELS[figure.hue]}, ax=axes)
    _finish(figure, rows, axes)
    axes.grid(visible=False)
    return canvas


def _finish(figure: Figure, rows: pd.DataFrame, axes: Axes) -> None:
    axes.set(xlabel=LABELS[figure.x], ylabel=LABELS[figure.y])
    for axis in figure.log:
        axes.set(**{f"{axis}scale": "log"})
    if figure.ceiling:
        axes.axhline(rows[figure.ceiling].mean(), color="black", linestyle="--", linewidth=1)
        axes.annotate(
            LABELS[figure.ceiling], (1, rows[figure.ceiling].mean()), xycoords=("axes fraction", "data"),
            xytext=(-3, 2), textcoords="offset points", ha="right", fontsize=7,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1},
        )  # fmt: skip

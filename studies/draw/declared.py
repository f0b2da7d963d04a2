"""The figures that a study declares: seaborn's calls, drawn from its tables alone, always in the same style."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from models.graph import INPUT
from studies.declare import METRIC_COLUMNS, FigureSpec, Study, limits
from studies.draw.left_out import left_out
from studies.draw.style import Style, save, styles, theme
from studies.statistics import interval
from studies.tables import CAVEAT, LABELS, check_owner, read_table, select

READABLE_LAYERS = 12  # names that fit side by side
CEILING: Any = {"color": "black", "linestyle": "--", "linewidth": 1}


def draw_figures(study: Study, folder: Path, endings: Sequence[str] = ("png",)) -> list[Path]:
    """Draw every figure of a study that its tables alone tell into its folder of results, with each of the endings.

    Returns
    -------
    list of Path
        The files, figure after figure.

    Raises
    ------
    ResultsError, StudyError
        If there are no tables yet, they are another study's, or a figure selects no rows of them.
    """
    check_owner(folder, study.identity(folder))
    paths = []
    for spec in (spec for spec in study.figures if spec.plot != "boxes"):  # those are `studies.draw.boxes`'
        rows = select(read_table(folder, spec.table), spec)
        paths += save(plot(spec, rows), folder, spec.name, endings)
    return paths


def plot(spec: FigureSpec, rows: pd.DataFrame) -> Figure:
    """A figure as a matplotlib figure that belongs to no window; below it stands what it leaves out of the rows."""
    hidden, notes = left_out(spec, rows)
    draw = _nothing if hidden.all() else _heatmap if spec.plot == "heatmap" else _facets
    with theme():
        figure = draw(spec, rows)
        if spec.title:
            figure.suptitle(spec.title, **({} if spec.plot == "heatmap" else {"y": 1.03}))
        if any("energy" in column for column in (spec.x, spec.y, spec.hue, spec.ceiling)):
            notes = [CAVEAT, *notes]
        _write_below(figure, notes)
        plt.close(figure)
    return figure


def _write_below(figure: Figure, notes: Sequence[str]) -> None:
    """Small lines below all that there is, such as long names of layers."""
    if notes:
        figure.draw_without_rendering()
        lowest = figure.get_tightbbox().y0 / figure.get_figheight()
        below = round(min(0.0, lowest) - 0.05, 2)  # letters are as much as that larger where the file has more dots
        figure.text(0.01, below, "\n".join(notes), fontsize=7, va="top")


def _nothing(spec: FigureSpec, rows: pd.DataFrame) -> Figure:
    """Axes without data, where none of the rows has a value to draw."""
    figure, axes = plt.subplots(figsize=(4.9, 3.6))
    axes.set(xlabel=LABELS[spec.x], ylabel=LABELS[spec.y], xticks=[], yticks=[])
    return figure


def _facets(spec: FigureSpec, rows: pd.DataFrame) -> Figure:
    ways = styles(spec.hue, rows[spec.hue].dropna().unique()) if spec.hue else {}
    if spec.hue not in ("", spec.x, spec.y):  # levels, not numbers: seaborn's colour scale fails at infinity
        rows = rows.assign(**{spec.hue: pd.Categorical(rows[spec.hue], list(ways))})
    shared: dict[str, Any] = {"x": spec.x, "y": spec.y, "height": 3.6, "aspect": 1.35}
    shared |= {"col": spec.col, "col_wrap": min(3, rows[spec.col].nunique())} if spec.col else {}
    shared |= {"hue": spec.hue, "palette": {level: way.colour for level, way in ways.items()}} if ways else {}
    if spec.plot == "lineplot" and spec.x in METRIC_COLUMNS and spec.x != "time_ms":
        rows = _mean_over_seeds(rows)
    if spec.x == "layer" and spec.y != "layer":  # networks have layers of their own, and some no value
        rows, own = _input_first(rows.dropna(subset=spec.y)), {"sharex": False}
        shared |= {"facet_kws": own} if spec.plot in ("lineplot", "scatterplot") else own
        shared |= {"aspect": 2.2} if rows["layer"].nunique() > READABLE_LAYERS else {}
    grid = _PLOTS[spec.plot](spec, rows, shared, ways)
    if spec.theory:
        grid.map_dataframe(_theory, spec, shared.get("palette"))
    if spec.col:
        grid.set_titles(f"{LABELS[spec.col]}: {{col_name}}")
    for level, axes in (grid.axes_dict or {None: grid.ax}).items():
        _finish(spec, rows if level is None else rows[rows[spec.col] == level], axes)
    _legend(spec, grid)
    return grid.figure


def _legend(spec: FigureSpec, grid: sns.FacetGrid) -> None:
    """The levels and the ceiling, beside the axes, where neither they nor a long title cover anything."""
    handles = list(grid.legend.legend_handles) if grid.legend is not None else []
    labels = [text.get_text() for text in grid.legend.get_texts()] if grid.legend is not None else []
    title = LABELS[spec.hue] if handles else None  # seaborn has an empty one without levels
    if grid.legend is not None:
        grid.legend.remove()
    if spec.ceiling:
        handles.append(Line2D([], [], **CEILING))
        labels.append(LABELS[spec.ceiling].split(" (")[0])
    if handles:
        beside = (grid.figure.subplotpars.right + 0.02, 0.5)
        grid.figure.legend(handles, labels, title=title, loc="center left", bbox_to_anchor=beside, frameon=False)


def _band(spec: FigureSpec) -> Callable[[pd.Series], tuple[float, float]]:
    """The interval over seeds of what is measured, within what that can be."""
    lowest, highest = limits(spec.y)
    return partial(interval, lowest=lowest, highest=highest)


def _input_first(rows: pd.DataFrame) -> pd.DataFrame:
    """Layers in the order of the rows, but after the input, which has rows only where it comes as spikes."""
    return rows.sort_values("layer", key=lambda layers: layers != INPUT, kind="stable")


def _mean_over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per condition and time: seeds differ along a measured x too, so that no interval would be right."""
    keys = [key for key in rows.columns[: list(rows.columns).index("time_ms") + 1] if key != "seed"]
    return rows.groupby(keys, sort=False, dropna=False, observed=True).mean(numeric_only=True).reset_index()


def _line(spec: FigureSpec, rows: pd.DataFrame, shared: dict[str, Any], ways: Mapping[Any, Style]) -> sns.FacetGrid:
    style = {"style": spec.hue, "dashes": _pick(ways, "dashes"), "markers": _pick(ways, "marker")} if ways else {}
    every = max(1, rows[spec.x].nunique() // 10)
    return sns.relplot(rows, kind="line", errorbar=_band(spec), markevery=every, markersize=5, **shared, **style)


def _scatter(spec: FigureSpec, rows: pd.DataFrame, shared: dict[str, Any], ways: Mapping[Any, Style]) -> sns.FacetGrid:
    style = {"style": spec.hue, "markers": _pick(ways, "marker")} if ways else {}
    return sns.relplot(rows, kind="scatter", **shared, **style)


def _bar(spec: FigureSpec, rows: pd.DataFrame, shared: dict[str, Any], ways: Mapping[Any, Style]) -> sns.FacetGrid:
    grid = sns.catplot(rows, kind="bar", errorbar=_band(spec), saturation=1, edgecolor="black", linewidth=0.6, **shared)
    series = [container for axes in grid.axes.flat for container in axes.containers]
    keys = [] if grid.legend is None else [[patch] for patch in grid.legend.get_patches()]
    for several in (series, keys):
        for bars, way in zip(several, cycle(ways.values()), strict=False):
            for bar in bars:
                bar.set_hatch(way.hatch)
    return grid


def _point(spec: FigureSpec, rows: pd.DataFrame, shared: dict[str, Any], ways: Mapping[Any, Style]) -> sns.FacetGrid:
    style = {"markers": list(_pick(ways, "marker").values()), "dodge": True} if ways else {}
    beside = spec.x if pd.api.types.is_numeric_dtype(rows[spec.y]) else spec.y  # whose values stand side by side
    numeric = {"formatter": "{:g}".format} if pd.api.types.is_numeric_dtype(rows[beside]) else {}
    return sns.catplot(rows, kind="point", errorbar=_band(spec), **numeric, **shared, **style)


def _box(spec: FigureSpec, rows: pd.DataFrame, shared: dict[str, Any], ways: Mapping[Any, Style]) -> sns.FacetGrid:
    return sns.catplot(rows, kind="box", saturation=1, **shared)


def _theory(spec: FigureSpec, palette: Any, data: pd.DataFrame, color: Any = None) -> None:
    """What is predicted, as dashed lines; a pointplot has its values of x at 0, 1, ..."""
    keys = [spec.x, *([spec.hue] if palette else [])]
    means = data.groupby(keys, as_index=False, observed=True)[spec.theory].mean()
    if spec.plot == "pointplot":
        means[spec.x] = means[spec.x].map({value: i for i, value in enumerate(sorted(data[spec.x].unique()))})
    for level, part in means.groupby(spec.hue, observed=True) if palette else [(None, means)]:
        colour = palette[level] if palette else "black"
        plt.gca().plot(part[spec.x], part[spec.theory], color=colour, linestyle="--", linewidth=1)


_PLOTS = {"lineplot": _line, "scatterplot": _scatter, "barplot": _bar, "pointplot": _point, "boxplot": _box}


def _pick(ways: Mapping[Any, Style], what: str) -> dict[Any, Any]:
    return {level: getattr(way, what) for level, way in ways.items()}


def _heatmap(spec: FigureSpec, rows: pd.DataFrame) -> Figure:
    """One map per value of `col`, on one scale of colours."""
    rows = rows.assign(**{spec.hue: rows[spec.hue].replace([np.inf, -np.inf], np.nan)})  # as seaborn's other plots do
    parts = list(rows.groupby(spec.col)) if spec.col else [("", rows)]
    tables = [part.pivot_table(index=spec.y, columns=spec.x, values=spec.hue) for _, part in parts]
    for table in tables:
        table.index, table.columns = (labels.map(_as_label) for labels in table.axes)
    height, width = tables[0].shape
    figure, axes = plt.subplots(
        1, len(tables), squeeze=False, sharey=True, layout="constrained",
        figsize=(len(tables) * (1.2 + 0.55 * width), 1.2 + 0.42 * height),
    )  # fmt: skip
    low, high = min(table.min(axis=None) for table in tables), max(table.max(axis=None) for table in tables)
    for (level, part), table, ax in zip(parts, tables, axes.flat, strict=True):
        sns.heatmap(table, vmin=low, vmax=high, annot=True, fmt=".2g", cmap="cividis", cbar=False, ax=ax)
        _finish(spec, part, ax)
        ax.set_title(f"{LABELS[spec.col]}: {level}" if spec.col else "")
        ax.grid(visible=False)
        ax.label_outer()
    figure.colorbar(axes[0, 0].collections[0], ax=axes, label=LABELS[spec.hue])
    return figure


def _as_label(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _finish(spec: FigureSpec, rows: pd.DataFrame, axes: Axes) -> None:
    axes.set(xlabel=LABELS[spec.x], ylabel=LABELS[spec.y])
    for axis in spec.log:
        axes.set(**{f"{axis}scale": "log"})
    axes.tick_params(which="minor", labelsize=6)  # on a logarithmic axis, where they are close neighbours
    if spec.x == "layer" and rows["layer"].nunique() > READABLE_LAYERS:
        axes.tick_params(axis="x", labelrotation=90, labelsize=6)
    if spec.ceiling:
        axes.axhline(rows[spec.ceiling].mean(), **CEILING)

"""The figures that a study declares, drawn from its tables alone, always in the same style."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import seaborn as sns
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend as Box
from matplotlib.lines import Line2D

from studies.declare import SHARES, FigureSpec, Study, has_numbers
from studies.draw.left_out import left_out
from studies.draw.panels import Panel, Ways, draw_panel, handles, measured_axis, order_of, plain_line, prepare, split
from studies.draw.scales import dress, is_schematic, letters_in_words, rows_and_columns, write_layers
from studies.draw.style import PAGE, Medium, drawing, save, styles
from studies.tables import CAVEAT, LABELS, check_owner, name_of, read_table, select, short_label

CEILING: Any = {"color": "black", "linestyle": "--"}
THIN = 1.5  # how much thinner than others lines are that are no data
SMALL = 0.7  # of notes, beside the other letters
LINE, LETTER, GAP = 1.45 / 72, 0.56 / 72, 0.5 / 72  # inches of lines, letters, between things; per point of a letter


def draw_figures(study: Study, folder: Path, medium: Medium = PAGE, into: Path | None = None) -> list[Path]:
    """Draw every figure of a study that its tables alone tell.

    Parameters
    ----------
    folder, into : Path
        Of its results, and of the figures: by default the same.

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
        paths += save(plot(spec, rows, medium), into or folder, spec.name, medium.endings)
    return paths


def plot(spec: FigureSpec, rows: pd.DataFrame, medium: Medium = PAGE) -> Figure:
    """A figure as a matplotlib figure that belongs to no window; below it stands what it leaves out of the rows."""
    hidden, notes = left_out(spec, rows)
    shown = prepare(spec, rows, hidden)
    panels = [Panel("", shown)] if hidden.all() else split(spec, shown)
    ways = styles(spec.hue, rows[spec.hue].dropna().unique()) if spec.hue and spec.plot != "heatmap" else {}
    wide = len(panels) > 1 or any(is_schematic(_layers(spec, panel)) for panel in panels)
    width, (n_rows, n_columns) = medium.several if wide else medium.one, rows_and_columns(len(panels))
    around = _Around(spec.title if medium.titled else "", _legend(spec, ways), [*_remarks(spec, panels), *notes])
    height = n_rows * _panel_height(spec, panels, width / n_columns, medium)
    with drawing(width, height, medium=medium) as figure:
        left = _surround(figure, around, medium)
        grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=spec.x != "layer", sharey=True).ravel()
        for axes in grid[len(panels) :]:
            axes.remove()
        draw = _nothing if hidden.all() else _heatmaps if spec.plot == "heatmap" else _panels
        used = list(grid[: len(panels)])
        draw(spec, panels, used, ways)
        _label_outer(used, n_columns, spec.x != "layer")
        _fit_words(spec, panels, used, width / n_columns, left / n_rows)
    return figure


# What stands around the panels


class Legend(NamedTuple):
    """What the figure's legend says, below all panels, where it covers none."""

    title: str
    handles: list[Artist]
    names: list[str]


class _Around(NamedTuple):
    """What stands around the panels: above them the title, below them the legend and small notes."""

    title: str
    legend: Legend
    notes: Sequence[str]


def _legend(spec: FigureSpec, ways: Ways) -> Legend:
    """The levels of `hue`, unless an axis names them, what is predicted, and the ceiling."""
    levels = {} if spec.hue in (spec.x, spec.y) else ways
    keys, names = handles(spec, levels), [name_of(spec.hue, level) for level in levels]
    thin = {"linewidth": plain_line() / THIN, **CEILING}
    for column in (spec.theory, spec.ceiling):
        if column:
            keys.append(Line2D([], [], **thin | ({"color": "0.4"} if column == spec.theory else {})))
            names.append(short_label(column))
    return Legend(LABELS[spec.hue] if levels and spec.hue != "variant" else "", keys, names)


def _surround(figure: Figure, around: _Around, medium: Medium) -> float:
    """Make a figure higher by what it has around its panels, and write that there; the height that is left for them."""
    width, height = figure.get_size_inches()
    small = SMALL * medium.letters
    notes = [line for note in around.notes for line in textwrap.wrap(note, int(width / (LETTER * small)))]
    strip, title = LINE * small * len(notes), 1.5 * LINE * medium.letters * bool(around.title)
    legend = _write_legend(figure, around.legend) if around.legend.handles else None
    below = strip if legend is None else strip + legend.get_window_extent().height / figure.dpi + GAP * medium.letters
    height = min(height + title + below, medium.tallest)
    figure.set_size_inches(width, height)
    figure.get_layout_engine().set(rect=(0, below / height, 1, 1 - below / height))  # type: ignore[union-attr, call-arg]
    if legend is not None:
        legend.set_bbox_to_anchor((0.5, strip / height))
    if around.title:
        figure.suptitle(around.title)
    if notes:
        figure.text(0.01, 0.05 * LINE / height, "\n".join(notes), fontsize=small, va="bottom")
    return float(height - below - title)


def _write_legend(figure: Figure, legend: Legend) -> Box:
    """With as many entries beside each other as the figure is wide."""
    for columns in range(len(legend.names), 0, -1):
        drawn = figure.legend(
            legend.handles, legend.names, title=legend.title or None, loc="lower center", bbox_to_anchor=(0.5, 0),
            ncols=columns,
        )  # fmt: skip
        if columns == 1 or drawn.get_window_extent().width <= figure.bbox.width:
            return drawn
        drawn.remove()
    raise AssertionError("a legend has entries")


def _remarks(spec: FigureSpec, panels: Sequence[Panel]) -> list[str]:
    """What has to be said of energies, and of letters in the place of layers' names."""
    energies = any("energy" in column for column in (spec.x, spec.y, spec.hue, spec.ceiling))
    layers = [layer for panel in panels for layer in _layers(spec, panel) if spec.x == "layer"]
    letters = letters_in_words(layers) if any(is_schematic(_layers(spec, panel)) for panel in panels) else ""
    return [text for text in (CAVEAT if energies else "", letters) if text]


def _layers(spec: FigureSpec, panel: Panel) -> list[str]:
    return list(panel.rows["layer"].unique()) if spec.x == "layer" else []


def _panel_height(spec: FigureSpec, panels: Sequence[Panel], width: float, medium: Medium) -> float:
    """With its title and the labels of its axes; as high as the names side by side on its y axis need."""
    letters = LINE * medium.letters
    names = len(order_of(spec, "y", panels[0].rows) or ())
    rows = panels[0].rows[spec.y].nunique() if spec.plot == "heatmap" else names
    labels = letters * (3 + 2 * any(is_schematic(_layers(spec, panel)) for panel in panels))
    return max(min(medium.panel, 0.6 * width + letters), 1.7 * letters * rows) + labels - 2 * letters


def _label_outer(grid: Sequence[Axes], columns: int, shared_x: bool) -> None:
    """The label of an axis only where no panel with the same one stands below, or left of it."""
    for number, axes in enumerate(grid):
        if shared_x and number + columns < len(grid):
            axes.set_xlabel("")
            axes.tick_params(axis="x", which="both", labelbottom=False)
        else:
            axes.tick_params(axis="x", labelbottom=True)
        if number % columns:
            axes.set_ylabel("")


def _fit_words(spec: FigureSpec, panels: Sequence[Panel], grid: Sequence[Axes], width: float, height: float) -> None:
    """Break titles and labels that are longer than a panel of this size in inches, and turn names that would touch."""
    letter = LETTER * rcParams["font.size"]
    for panel, axes in zip(panels, grid, strict=True):
        axes.set_title(textwrap.fill(axes.get_title(), int(width / letter)))
        axes.set_ylabel(
            textwrap.fill(axes.get_ylabel(), max(8, int((height - 4 * LINE * rcParams["font.size"]) / letter)))
        )
        names = order_of(spec, "x", panel.rows) or []
        if sum(len(name_of(spec.x, name)) + 3 for name in names) * letter > width and not is_schematic(names):
            for text in axes.get_xticklabels():
                text.set(rotation=25, ha="right", rotation_mode="anchor")


# What stands in them


def _nothing(spec: FigureSpec, panels: Sequence[Panel], grid: Sequence[Axes], ways: Ways) -> None:
    """Axes without data, where none of the rows has a value to draw."""
    for axes in grid:
        axes.set(xlabel=LABELS[spec.x], ylabel=LABELS[spec.y], xticks=[], yticks=[])


def _panels(spec: FigureSpec, panels: Sequence[Panel], grid: Sequence[Axes], ways: Ways) -> None:
    for panel, axes in zip(panels, grid, strict=True):
        draw_panel(spec, panel.rows, axes, ways)
        axes.set_title(panel.title)
        if spec.ceiling:
            across = axes.axvline if measured_axis(spec) == "x" else axes.axhline
            across(panel.rows[spec.ceiling].mean(), linewidth=plain_line() / THIN, **CEILING)
    for panel, axes in zip(panels, grid, strict=True):  # the scales that they share know all of them now
        for side in "xy":
            dress(axes, side, getattr(spec, side), numbers=has_numbers(spec, side), log=side in spec.log)
        write_layers(axes, _layers(spec, panel))


def _heatmaps(spec: FigureSpec, panels: Sequence[Panel], grid: Sequence[Axes], ways: Ways) -> None:
    """One map per value of `col`, on one scale of colours."""
    factor = 100 if spec.hue in SHARES else 1
    tables = [panel.rows.pivot_table(index=spec.y, columns=spec.x, values=spec.hue) * factor for panel in panels]
    low, high = min(table.min(axis=None) for table in tables), max(table.max(axis=None) for table in tables)
    for panel, table, axes in zip(panels, tables, grid, strict=True):
        table.index = table.index.map(lambda value: name_of(spec.y, value))
        table.columns = table.columns.map(lambda value: name_of(spec.x, value))
        sns.heatmap(
            table, vmin=low, vmax=high, annot=True, fmt=".3g", annot_kws={"fontsize": "small"}, cmap="cividis",
            cbar=False, ax=axes,
        )  # fmt: skip
        axes.set(title=panel.title, xlabel=LABELS[spec.x], ylabel=LABELS[spec.y])
        axes.tick_params(axis="y", rotation=0)
        axes.grid(visible=False)
    grid[0].figure.colorbar(grid[0].collections[0], ax=list(grid), label=LABELS[spec.hue])

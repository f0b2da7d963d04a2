"""What a figure of a study is: a seaborn call as data, checked against the columns of the tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from studies.declare.arguments import amount, cell, column_of, flatten, is_argument, unit_of_column
from studies.declare.columns import TABLES
from studies.declare.conditions import KEYS, require_known, require_type
from studies.declare.errors import StudyError

PLOTS = ("lineplot", "scatterplot", "barplot", "pointplot", "boxplot", "heatmap", "boxes")
SIDE_BY_SIDE = ("barplot", "pointplot", "boxplot")  # whose values of x are names, not places on a scale
LOGS = ("", "x", "y", "xy")
TEXTS = ("variant", "layer", "source", "class")


@dataclass(frozen=True, kw_only=True)
class FigureSpec:
    """A seaborn call as data.

    Parameters
    ----------
    plot : str
        One of `PLOTS`. A heatmap shows the mean of `hue` over `x` and `y`, for each value of `col`. "boxes" shows those
        of `table` "boxes" on the images, a row for each `y = "image"`, a column for each `x` and one for the ANN. Of
        more than six lines in a lineplot or a pointplot, several panels are made.
    table : {"metrics", "layers", "boxes"}
        "boxes" is there for detectors only, and of "metrics" some columns for them or for classifiers.
    x, y, hue, col : str
        Columns of that table.
    where : mapping
        Column to the value, or list of values, to keep; `time_ms = "end"` is the end of the window.
    ceiling : str
        A column whose mean is drawn as a dashed line, such as "ann_accuracy".
    theory : str
        A column that predicts `y`, drawn over `x` as dashed lines in the colours of `hue`.
    log : {"", "x", "y", "xy"}
        Logarithmic axes. Those of a "pointplot", "barplot" or "boxplot" have the values of `x` side by side, whatever
        they are, also infinite ones; where `y` is a text they have those side by side, and `x` is what is measured.
    """

    name: str
    plot: str
    x: str
    y: str
    hue: str = ""
    col: str = ""
    table: str = "metrics"
    where: Mapping[str, Any] = field(default_factory=dict)
    ceiling: str = ""
    theory: str = ""
    log: str = ""
    title: str = ""

    @property
    def columns(self) -> list[str]:
        """The columns of the table that it looks at."""
        named = (self.x, self.y, self.hue, self.col, self.ceiling, self.theory, *self.where)
        return [column for column in named if column]


def in_columns(content: Any, names: Mapping[str, str]) -> Any:
    """The table of a figure with columns where it names keys whose values have units, and numbers for such values."""
    if not isinstance(content, Mapping):
        return content
    figure = {key: names.get(value, value) if isinstance(value, str) else value for key, value in content.items()}
    if isinstance(where := content.get("where"), Mapping):
        flat = flatten(where)
        pairs = ((key, names.get(key, key), value) for key, value in flat.items())
        figure["where"] = {name: _cells(key, name, value) if key in names else value for key, name, value in pairs}
    return figure


def _cells(key: str, name: str, value: Any) -> Any:
    """The numbers of amounts in the unit of their column."""
    if isinstance(value, list):
        return [_cells(key, name, item) for item in value]
    if amount(value) is not None and isinstance(value, str) and column_of(key, value) != name:
        raise StudyError(f"figure: where has {key} = {value!r}; its column is {name!r}: write it in that unit")
    return cell(value)


def parse_figure(content: Any, grid: Mapping[str, Any]) -> FigureSpec:
    """A figure from its table in the file, of a study with that grid; raises `StudyError`."""
    require_type("figures", content, dict, "a list of tables, [[figures]]")
    for key, value in content.items():
        require_known("key of a figure", key, [f.name for f in fields(FigureSpec)])
        require_type(f"figure: {key}", value, *((dict, "a table") if key == "where" else (str, "a text")))
    for key in ("name", "plot", "x", "y"):
        require_type(f"figure: {key}", content.get(key), str, "a text")
    figure = FigureSpec(**content)
    if not re.fullmatch(r"[\w-]+", figure.name):
        raise StudyError(f"figure: name is {figure.name!r}; it names a file: letters, digits, '-' and '_'")
    for what, value, known in (
        ("plot", figure.plot, PLOTS),
        ("table", figure.table, TABLES),
        ("log", figure.log, LOGS),
    ):
        require_known(f"{what} of figure {figure.name!r}", value, known)
    if figure.plot == "heatmap" and (not figure.hue or figure.ceiling or figure.theory):
        raise StudyError(f"figure {figure.name!r}: a heatmap needs `hue`, and has no `ceiling` or `theory`")
    if (figure.plot == "boxes") != (figure.table == "boxes") or (figure.plot == "boxes" and figure.y != "image"):
        raise StudyError(
            f"figure {figure.name!r}: plot 'boxes' goes with table 'boxes' and y 'image', and they with it"
        )
    if figure.theory and figure.plot not in ("lineplot", "pointplot"):
        raise StudyError(f"figure {figure.name!r}: `theory` goes with a lineplot or a pointplot, not a {figure.plot}")
    _check_columns(figure, grid)
    if figure.plot != "boxes":
        _check_numbers(figure)
    return figure


def is_text(column: str) -> bool:
    """Whether a column holds texts."""
    if is_argument(column) or (column in KEYS and KEYS[column].metadata["kinds"] == (str,)):
        return unit_of_column(column) is None
    return column in TEXTS


def has_numbers(figure: FigureSpec, axis: str) -> bool:
    """Whether an axis, "x" or "y", is a scale of numbers, rather than names or values side by side."""
    if figure.plot in ("heatmap", "boxes") or is_text(getattr(figure, axis)):
        return False
    return figure.plot not in SIDE_BY_SIDE or axis == ("x" if is_text(figure.y) else "y")


def _check_columns(figure: FigureSpec, grid: Mapping[str, Any]) -> None:
    columns = dict.fromkeys([*grid, "seed", *TABLES[figure.table]])
    for column in figure.columns:
        require_known(f"column of {figure.table} in figure {figure.name!r}", column, columns)


def _check_numbers(figure: FigureSpec) -> None:
    """Refuse a text where a number is drawn, or a logarithm of what is no scale."""
    across = [place for place in ("ceiling", "theory") if getattr(figure, place)]
    sideways = figure.plot in SIDE_BY_SIDE and is_text(figure.y)
    measured = [*across, "y"] if across else {"heatmap": ["hue"], "lineplot": ["y"]}.get(figure.plot, [])
    if sideways:
        measured = [*across, *(["y"] if figure.theory else []), "x"]
    for place in measured:
        if is_text(column := getattr(figure, place)):
            raise StudyError(
                f"figure {figure.name!r}: {place} is {column!r}, a text, where a {figure.plot} needs a number"
            )
    for axis in figure.log:
        if not has_numbers(figure, axis):
            what = (
                "a text"
                if is_text(column := getattr(figure, axis))
                else f"whose values a {figure.plot} has side by side"
            )
            raise StudyError(
                f"figure {figure.name!r}: log is {figure.log!r}, but {axis} is {column!r}, {what}: that is no scale of "
                "numbers, as lineplots and scatterplots have it"
            )

"""Axes as a reader wants them: percent, plain numbers, the names of layers or, of many, a scheme of them."""

from __future__ import annotations

import math
import re
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, NullFormatter

from studies.declare import SHARES, limits
from studies.tables import LABELS

READABLE_LAYERS = 12  # names that fit side by side
PLAIN = (1e-3, 1e7)  # what a logarithmic axis writes out
KINDS = {  # of layers, by what their names have in them
    "input": "i", "conv": "c", "pool": "p", "add": "+", "sum": "+", "concat": "|", "fc": "f", "gemm": "f", "dense": "f",
    "linear": "f", "matmul": "f", "head": "h",
}  # fmt: skip
WORDS = {
    "i": "input", "c": "convolution", "p": "pooling", "+": "sum of paths", "|": "concatenation", "f": "fully connected",
    "h": "head",
}  # fmt: skip


def dress(axes: Axes, side: str, column: str, *, numbers: bool = True, log: bool = False) -> None:
    """Name the axis "x" or "y" of a column, and write its numbers as a reader would; shares in percent."""
    axes.set(**{f"{side}label": LABELS[column]})
    axis: Axis = getattr(axes, f"{side}axis")
    if log:
        axes.set(**{f"{side}scale": "log"})
        _write_decades(axis)
    elif numbers:
        axis.set_major_formatter(FuncFormatter(lambda value, _: in_words(column, value)))


def in_words(column: str, value: float) -> str:
    """A number on the axis of a column; nothing beyond what that can be."""
    lowest, highest = limits(column)
    if not lowest - 1e-9 <= value <= highest + 1e-9:
        return ""
    return f"{round(100 * value, 6):,.10g}" if column in SHARES else f"{round(value, 9):,.10g}"


def _write_decades(axis: Axis) -> None:
    """1, 10, 100; of fewer than two decades 1, 2, 5, 10; powers only of what is very small or very large."""
    low, high = sorted(axis.get_view_interval())
    between = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=between))
    axis.set_minor_locator(LogLocator(subs=tuple(map(float, range(2, 10)))))
    axis.set_minor_formatter(NullFormatter())
    plain = PLAIN[0] <= low and high <= PLAIN[1]
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.10g}") if plain else LogFormatterSciNotation())


def is_schematic(layers: list[str]) -> bool:
    """Whether there are too many layers for their names."""
    return len(layers) > READABLE_LAYERS


def letters_in_words(layers: list[str]) -> str:
    """What the letters of layers mean."""
    kinds = {kind(layer) for layer in layers}
    return ", ".join(f"{letter}: {word}" for letter, word in WORDS.items() if letter in kinds)


def write_layers(axes: Axes, layers: list[str]) -> None:
    """Of many layers at 0, 1, ... of the x axis a letter each for its kind, with the names of groups below."""
    if not is_schematic(layers):
        return
    groups = group(layers)
    axes.set_xticks(range(len(layers)), [kind(layer) for layer in layers])
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False, axis="x")
    for start, _, _ in groups[1:]:
        axes.axvline(start - 0.5, color="0.75", linewidth=axes.spines["left"].get_linewidth(), zorder=0)
    below = axes.secondary_xaxis(-0.08)
    below.spines[:].set_visible(False)
    shown = [((start + stop - 1) / 2, name) for start, stop, name in groups if len(name) <= 2.5 * (stop - start)]
    below.set_xticks([middle for middle, _ in shown], [name for _, name in shown], fontsize="small")
    below.tick_params(length=0)
    below.set_xlabel(axes.get_xlabel())
    axes.set_xlabel("")


def kind(layer: str) -> str:
    """The letter of the last word in the name of a layer that says what it is."""
    found = [letter for word in re.split(r"[^a-zA-Z]+", layer.lower()) for key, letter in KINDS.items() if key in word]
    return found[-1] if found else "·"


def group(layers: list[str]) -> list[tuple[int, int, str]]:
    """Neighbours whose names begin alike, as (start, stop, what they begin with)."""
    found: list[tuple[int, int, str]] = []
    for name, several in groupby(layers, key=lambda layer: re.split(r"[_./]", layer.strip("/"))[0]):
        start = found[-1][1] if found else 0
        found.append((start, start + len(list(several)), name))
    return found


def rows_and_columns(panels: int) -> tuple[int, int]:
    """How panels stand: four as two by two, others in up to three columns."""
    columns = 2 if panels == 4 else min(3, panels)
    return math.ceil(panels / columns), columns

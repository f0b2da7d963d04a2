"""How every figure looks: one palette that also reads in grey, one theme, one way to write a file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure as Canvas

from models.atomic import write_atomically
from studies.declare import NORMALIZATIONS

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


def save(canvas: Canvas, folder: Path, name: str, endings: Sequence[str] = ("png",)) -> list[Path]:
    """Write a figure as <name>.png, or with other endings, with the same bytes whenever it is drawn."""
    paths = []
    for ending, metadata in ((ending, {"Date" if ending == "svg" else "Software": None}) for ending in endings):
        paths.append(folder / f"{name}.{ending}")
        drawn = io.BytesIO()
        with mpl.rc_context(THEME):
            canvas.savefig(drawn, format=ending, metadata=metadata, bbox_inches="tight")
        write_atomically(paths[-1], drawn.getvalue())
    return paths


@contextmanager
def drawing(*size: float) -> Iterator[Canvas]:
    """A figure of that size in inches to draw on, in the style of all; it belongs to no window afterwards."""
    with theme():
        canvas = plt.figure(figsize=size, layout="constrained")  # pyplot's, so that a notebook knows how to show it
        try:
            yield canvas
            _settle(canvas)
        finally:
            plt.close(canvas)


def styles(column: str, levels: Iterable[Any]) -> Mapping[Any, Style]:
    """The style of each level; that of a normalisation scheme is the same in every figure of every study."""
    levels = list(levels)
    schemes = list(NORMALIZATIONS)
    ranks = [schemes.index(level) if column == "normalization" else number for number, level in enumerate(levels)]
    ways = list(zip(cycle(PALETTE), MARKERS, DASHES, HATCHES, strict=False))
    return {level: Style(*ways[rank % len(ways)]) for level, rank in zip(levels, ranks, strict=True)}


def theme() -> AbstractContextManager[None]:
    return mpl.rc_context({**sns.axes_style("ticks"), **THEME})


def _settle(canvas: Canvas) -> None:
    """Fix the layout and round it: its solver's last digits differ from run to run, and with them the bytes."""
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")
    for axes in canvas.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, 5).tolist())

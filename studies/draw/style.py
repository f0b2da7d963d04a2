"""How every figure looks: one palette that also reads in grey, one theme for each medium, one way to write a file."""

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
from cycler import cycler
from matplotlib.figure import Figure as Canvas
from PIL import Image

from models.atomic import write_atomically
from studies.declare import NORMALIZATIONS

PALETTE = sns.color_palette("colorblind")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "p", "h", "*")
DASHES = ((), (4, 1.5), (1, 1), (3, 1, 1, 1), (6, 2), (5, 1, 1, 1, 1, 1), (2, 2), (7, 1, 2, 1), (1, 3), (4, 4))
DATES = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}  # what differs between two runs, or versions
HATCHES = ("", "//", "..", "\\\\", "xx", "++", "oo", "--", "**", "||")
THEME: Any = {
    "svg.hashsalt": "brianize",
    "svg.fonttype": "path",  # a reader need not have the font
    "pdf.fonttype": 42,  # TrueType, whole letters: what journals ask for
    "savefig.dpi": 150,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.titlesize": "medium",
    "grid.alpha": 0.4,
    "figure.titlesize": "large",
    "legend.frameon": False,
    "legend.title_fontsize": "medium",
    "figure.max_open_warning": 0,
}
SIZES = (  # in points, and so as large or small as the letters beside them
    "lines.linewidth", "lines.markersize", "axes.linewidth", "grid.linewidth", "patch.linewidth", "hatch.linewidth",
    "xtick.major.size", "xtick.minor.size", "ytick.major.size", "ytick.minor.size", "xtick.major.width",
    "xtick.minor.width", "ytick.major.width", "ytick.minor.width", "xtick.major.pad", "ytick.major.pad",
)  # fmt: skip
MM = 1 / 25.4


class Medium(NamedTuple):
    """Where a figure will stand.

    Parameters
    ----------
    one, several : float
        The width of a figure of one panel, and of several, in inches.
    panel, tallest : float
        The largest height of a panel and of a figure, in inches.
    letters : float
        Their size in points.
    titled : bool
        Whether it has a title; in a paper its caption says that.
    endings : tuple of str
        Of its files.
    """

    one: float
    several: float
    panel: float
    tallest: float
    letters: float
    titled: bool
    endings: tuple[str, ...]


PAGE = Medium(7, 9, 3.4, 30, 10, True, ("png",))  # a README is about 900 pixels wide
MEDIA = {
    "page": PAGE,
    "paper": Medium(85 * MM, 180 * MM, 2.4, 225 * MM, 7, False, ("pdf", "svg")),
    "slides": Medium(12, 12, 5, 6.8, 18, True, ("pdf", "svg")),
}


class Style(NamedTuple):
    """What tells a level apart, in colour and in grey."""

    colour: Any
    marker: str
    dashes: tuple[float, ...]
    hatch: str


def save(canvas: Canvas, folder: Path, name: str, endings: Sequence[str] = PAGE.endings) -> list[Path]:
    """Write a figure as <name>.png, or with other endings, with the same bytes whenever it is drawn."""
    paths = []
    for ending in endings:
        paths.append(folder / f"{name}.{ending}")
        drawn = io.BytesIO()
        with mpl.rc_context(THEME):
            canvas.savefig(drawn, format=ending, metadata={DATES[ending]: None})
        write_atomically(paths[-1], indexed(drawn.getvalue()) if ending == "png" else drawn.getvalue())
    return paths


def indexed(png: bytes) -> bytes:
    """The same picture in 256 colours, which curves and bars do with: a third of the bytes."""
    written = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        dpi = image.info.get("dpi")
        few = image.convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    few.save(written, "PNG", optimize=True, dpi=dpi)
    return written.getvalue()


@contextmanager
def drawing(*size: float, medium: Medium = PAGE) -> Iterator[Canvas]:
    """A figure of that size in inches to draw on, in the style of all; it belongs to no window afterwards."""
    with theme(medium):
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


def theme(medium: Medium = PAGE) -> AbstractContextManager[None]:
    plain: Any = mpl.rcParamsDefault
    scaled = {name: plain[name] * medium.letters / plain["font.size"] for name in SIZES}
    settings: Any = {**sns.axes_style("ticks"), **THEME, **scaled, "font.size": medium.letters}
    return mpl.rc_context(settings)


def _settle(canvas: Canvas) -> None:
    """Fix the layout and round it: its solver's last digits differ from run to run, and with them the bytes."""
    canvas.draw_without_rendering()
    canvas.set_layout_engine("none")
    for axes in canvas.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, 5).tolist())

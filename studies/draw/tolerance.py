"""One panel for each kind of biology: accuracy against multiples of its physiological value."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from studies.declare import FigureSpec
from studies.draw.declared import plot
from studies.draw.style import theme

SPEC = FigureSpec(
    name="tolerance",
    title="How much of each kind of biology a trained network bears (dotted: its physiological value)",
    plot="lineplot",
    x="multiple",
    y="accuracy",
    hue="model",
    col="factor",
    ceiling="ann_accuracy",
    log="x",
)


def draw_tolerance(table: pd.DataFrame) -> Figure:
    """The figure of `studies.tables.tolerances`; networks without the factor are not on its logarithmic axis."""
    figure = plot(SPEC, table[table["multiple"] > 0])
    with theme():
        for axes in figure.axes:
            axes.axvline(1, color="black", linestyle=":", linewidth=1)
    return figure

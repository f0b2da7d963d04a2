"""Networks side by side, drawn from the tables of a study (metrics.csv, layers.csv), one line or bar per scheme."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.declare import FigureSpec
from studies.draw.declared import plot
from studies.draw.scales import dress
from studies.draw.style import drawing, styles
from studies.statistics import pareto_front
from studies.tables import CAVEAT, LABELS, name_of, short_label


def measure(metrics: pd.DataFrame) -> str:
    """The column that says how good the answers are: of a detector its mAP, of other networks their accuracy."""
    return "map_50" if "map_50" in metrics else "accuracy"


def draw_accuracy_over_time(metrics: pd.DataFrame, hue: str = "normalization") -> Figure:
    """Accuracy, or a detector's mAP, over the window, with that of the ANN as the dashed ceiling.

    Parameters
    ----------
    metrics : DataFrame
        A metrics.csv, or what `studies.measure.measure_answers` returns.
    hue : str
        The column of which each level gets a line; "" for one line.
    """
    y = measure(metrics)
    title = f"{_capital(short_label(y))} over time"
    spec = FigureSpec(name=y, plot="lineplot", x="time_ms", y=y, hue=hue, ceiling=f"ann_{y}", title=title)
    return plot(spec, metrics)


def draw_spikes_per_layer(layers: pd.DataFrame, hue: str = "normalization") -> Figure:
    """Spikes per image of each layer, from a layers.csv or what `studies.measure.measure_layers` returns."""
    spec = FigureSpec(
        name="spikes", plot="barplot", table="layers", x="layer", y="spikes_per_image", hue=hue,
        title="Spikes per layer",
    )  # fmt: skip
    return plot(spec, layers)


def draw_energy_and_accuracy(metrics: pd.DataFrame, hue: str = "normalization") -> Figure:
    """Accuracy or mAP against energy as the window grows, the Pareto front over all levels of `hue`, and the ANN.

    On the front are the points for which no other is as accurate and costs less, or costs no more and is more accurate.

    Parameters
    ----------
    metrics : DataFrame
        A metrics.csv, or what `studies.measure.measure_answers` returns; rows of one level and time are averaged.
    """
    points, y = pareto_points(metrics, hue), measure(metrics)
    with drawing(7, 4.2) as figure:
        axes = figure.subplots()
        _draw_levels(axes, points, y, hue)
        front = points[points["front"]].sort_values("energy_nj")
        axes.step(front["energy_nj"], front[y], "k-", where="post", linewidth=1, zorder=1, label="Pareto front")
        ann = metrics[["ann_energy_nj", f"ann_{y}"]].mean()
        axes.plot(*ann, "k*", markersize=12, label="ANN", linestyle="none")
        axes.axhline(ann[f"ann_{y}"], color="black", linestyle="--", linewidth=1)
        title = f"{_capital(short_label(y))} and energy"
        axes.set_title(title)
        dress(axes, "x", "energy_nj", log=True)
        dress(axes, "y", y)
        axes.legend(title=LABELS[hue] if hue else None, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.supxlabel(CAVEAT, fontsize=7)
    return figure


def pareto_points(metrics: pd.DataFrame, hue: str = "normalization") -> pd.DataFrame:
    """Mean energy and accuracy or mAP of each level and time, and whether that is on the Pareto front: `front`."""
    keys = [hue, "time_ms"] if hue else ["time_ms"]
    y = measure(metrics)
    points = metrics.groupby(keys, sort=False)[["energy_nj", y]].mean().reset_index()
    points["front"] = pareto_front(points["energy_nj"].to_numpy(), points[y].to_numpy())
    return points


def _draw_levels(axes: Axes, points: pd.DataFrame, measured: str, hue: str) -> None:
    """A line per level in the order of time; full marks on the front, hollow ones beside it."""
    groups = points.groupby(hue, sort=False) if hue else [("SNN", points)]
    ways = styles(hue, [level for level, _ in groups])
    for level, group in groups:
        way = ways[level]
        x, y, front = (group[column].to_numpy() for column in ("energy_nj", measured, "front"))
        marks: dict[str, Any] = {"marker": way.marker, "color": way.colour, "markersize": 6, "linewidth": 1.4}
        sparse: dict[str, Any] = {
            "markevery": max(1, len(x) // 10),
            "markerfacecolor": "white",
            "label": name_of(hue, level),
        }
        axes.plot(x, y, dashes=way.dashes or (None, None), **marks, **sparse)
        axes.plot(x[front], y[front], linestyle="none", zorder=3, **marks)


def _capital(text: str) -> str:
    """With a capital, unless it begins with a name such as mAP."""
    return text if text.startswith("mAP") else text[0].upper() + text[1:]

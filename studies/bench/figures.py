"""The figures of the benchmark, drawn from its tables alone, in the style of the studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.draw import HATCHES, MARKERS, PALETTE, THEME
from studies.tables import read_table

COST = "time per step (ms)"
PANELS = {
    "batch": ("batch_images", "images at once", "The ConvNet, 14,554 neurons per image"),
    "neurons": ("neurons", "neurons", "Layers of Tiny YOLO, images of growing size"),
    "spikes": ("spikes_per_step", "spikes per step", "The ConvNet, 50 images, growing input rate"),
}


def draw(folder: Path) -> list[Path]:
    """Draw all figures into the folder of the tables, as svg and as png."""
    canvases = {
        "engines": engines(read_table(folder, "engines")),
        "scaling": scaling(read_table(folder, "scaling")),
        "networks": networks(read_table(folder, "network_parts")),
    }
    return [path for name, canvas in canvases.items() for path in _save(canvas, folder / name)]


def engines(rows: pd.DataFrame) -> Figure:
    """Images per second of each engine: medians, and the range over all repetitions."""
    rows = rows.assign(images_per_s=1e3 / rows["ms_per_image"])
    with mpl.rc_context(_theme()):
        canvas, axes = plt.subplots(figsize=(6.4, 2.8))
        sns.barplot(
            rows, x="images_per_s", y="engine", hue="engine", palette=PALETTE[: rows["engine"].nunique()], ax=axes,
            estimator="median", errorbar=("pi", 100), saturation=1, edgecolor="black", linewidth=0.6, legend=False,
        )  # fmt: skip
        for bars, hatch in zip(axes.containers, HATCHES, strict=False):
            for bar in bars:
                bar.set_hatch(hatch)
        for row, (_, times) in enumerate(rows.groupby("engine", sort=False)["images_per_s"]):
            axes.annotate(f"{times.median():.3g}", (times.max(), row), (5, 0), textcoords="offset points", va="center")
        axes.margins(x=0.12)
        axes.set(xlabel="images per second and core, 100 steps each", ylabel="")
        plt.close(canvas)
    return canvas


def scaling(rows: pd.DataFrame) -> Figure:
    """Time per step against batch size, neurons and spikes: medians with quartiles."""
    with mpl.rc_context(_theme()):
        canvas, panels = plt.subplots(1, len(PANELS), figsize=(12, 3.4), layout="constrained")
        for number, (axes, varied) in enumerate(zip(panels, PANELS, strict=True)):
            _panel(axes, rows[rows["varied"] == varied], number, *PANELS[varied])
        plt.close(canvas)
    return canvas


def networks(rows: pd.DataFrame) -> Figure:
    """Where the time of a step goes: a bar per network, from its first part to its last."""
    table = rows.pivot(index="network", columns="part", values="ms_per_step")
    table = table.loc[rows["network"].unique(), rows["part"].unique()]
    with mpl.rc_context(_theme()):
        canvas, axes = plt.subplots(figsize=(8, 0.8 + 0.6 * len(table)))
        ends = table.cumsum(axis=1)
        for part, colour, hatch in zip(table, PALETTE, HATCHES, strict=False):
            axes.barh(
                table.index, table[part], left=ends[part] - table[part], height=0.6, label=part, color=colour,
                hatch=hatch, edgecolor="black", linewidth=0.6,
            )  # fmt: skip
        for row, whole in enumerate(table.sum(axis=1)):
            axes.annotate(f"{whole:.3g}", (whole, row), (5, 0), textcoords="offset points", va="center")
        axes.invert_yaxis()
        axes.margins(x=0.1)
        axes.set(xlabel=COST)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        plt.close(canvas)
    return canvas


def _panel(axes: Axes, rows: pd.DataFrame, number: int, column: str, label: str, title: str) -> None:
    quartiles = [rows["ms_per_step"] - rows["ms_low"], rows["ms_high"] - rows["ms_per_step"]]
    axes.errorbar(rows[column], rows["ms_per_step"], quartiles, color=PALETTE[number], linestyle="none", capsize=2)
    sns.lineplot(rows, x=column, y="ms_per_step", marker=MARKERS[number], color=PALETTE[number], ax=axes)
    axes.set(xlabel=label, ylabel=COST, title=title)
    if column == "spikes_per_step":
        axes.set(xlim=(0, None), ylim=(0, None))  # what a step without spikes costs is where the line begins
    else:
        axes.set(xscale="log", yscale="log")
    axes.title.set_fontsize(10)


def _theme() -> Any:
    return {**sns.axes_style("ticks"), **THEME}


def _save(canvas: Figure, stem: Path) -> list[Path]:
    paths = [stem.with_suffix(".svg"), stem.with_suffix(".png")]
    for path, metadata in zip(paths, ({"Date": None}, {"Software": None}), strict=True):
        with mpl.rc_context(THEME):
            canvas.savefig(path, metadata=metadata, bbox_inches="tight")
    return paths

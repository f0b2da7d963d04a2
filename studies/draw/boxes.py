"""Boxes on images: what a detector finds at several times, beside what the ANN finds. Drawn from boxes.csv."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from models.datasets import load_dataset
from models.graph import Array
from studies.declare import FigureSpec, Study, StudyError, shown_datasets
from studies.draw.style import PALETTE, drawing, save
from studies.tables import LABELS, read_table, select

PANEL = 2.3  # inches


def draw_boxes(study: Study, folder: Path, data_dir: Path | None = None) -> list[Path]:
    """Draw every figure of boxes of a study into its folder of results, as png.

    Raises
    ------
    ResultsError, StudyError, DatasetError
        If there is no table of boxes, a figure selects none of them or those of several conditions, or the images are
        not there.
    """
    paths = []
    for spec in (spec for spec in study.figures if spec.plot == "boxes"):
        table = choose_rows(read_table(folder, "boxes"), spec)
        paths += save(plot(spec, table, _images(study, spec, data_dir)), folder, spec.name)
    return paths


def choose_rows(table: pd.DataFrame, spec: FigureSpec) -> pd.DataFrame:
    """The rows that a figure shows; those of the ANN, which have no time, whatever the time."""
    ann = table["source"] == "ann"
    rows = select(table[~ann], spec)
    keys = list(table.columns[: list(table.columns).index("time_ms")])
    several = [key for key in keys if key != spec.x and rows[key].nunique(dropna=False) > 1]
    if several:
        raise StudyError(f"figure {spec.name!r} shows boxes of several conditions; name one {several[0]} in `where`")
    same = table[ann & table["image"].isin(rows["image"])].merge(rows[keys].drop_duplicates().head(1), on=keys)
    return pd.concat([rows, same], ignore_index=True)


def plot(spec: FigureSpec, rows: pd.DataFrame, images: Array) -> Figure:
    """A row of panels per image, a column per level of `spec.x` and one for the ANN."""
    numbers, levels = sorted(rows["image"].unique()), sorted(rows.loc[rows["source"] == "snn", spec.x].unique())
    colours = dict(zip(sorted(set(rows["class"].dropna())), cycle(PALETTE), strict=False))
    with drawing(PANEL * (len(levels) + 1), PANEL * len(numbers) + 0.4) as figure:
        panels = figure.subplots(len(numbers), len(levels) + 1, squeeze=False)
        for number, row in zip(numbers, panels, strict=True):
            of_image = rows[rows["image"] == number]
            spiking = of_image[of_image["source"] == "snn"]
            parts = [spiking[spiking[spec.x] == level] for level in levels]
            for axes, part in zip(row, [*parts, of_image[of_image["source"] == "ann"]], strict=True):
                _draw_panel(axes, images[number], part.dropna(subset=["x0"]), colours)
        for axes, title in zip(panels[0], [*(_title(spec.x, level) for level in levels), "ANN"], strict=True):
            axes.set_title(title, fontsize=10)
        figure.suptitle(spec.title)
    return figure


def _draw_panel(axes: Axes, image: Array, boxes: pd.DataFrame, colours: Mapping[str, Any]) -> None:
    """An image (channels, height, width) with its boxes, the class and score of each above it."""
    axes.imshow(np.moveaxis(np.broadcast_to(image, (3, *image.shape[1:])), 0, -1))
    height, width = image.shape[1:]
    scale = np.array([width, height])
    for box in boxes.rename(columns={"class": "name"}).itertuples():
        start, stop = np.clip([[box.x0, box.y0], [box.x1, box.y1]], 0, 1) * scale - 0.5
        colour = colours[box.name]
        axes.add_patch(Rectangle(tuple(start), *(stop - start), fill=False, edgecolor=colour, linewidth=1.3))
        label = {"facecolor": colour, "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
        axes.text(
            start[0],
            max(start[1], 0.06 * height),
            f"{box.name} {box.score:.2f}",
            fontsize=5.5,
            color="white",
            bbox=label,
            clip_on=True,
        )
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])


def _title(column: str, level: Any) -> str:
    return f"{level:g} ms" if column == "time_ms" else f"{LABELS[column].split(' (')[0]}: {level}"


def _images(study: Study, spec: FigureSpec, data_dir: Path | None) -> Array:
    """The images that the boxes are of."""
    (name,) = shown_datasets(spec, study.variant_of)
    return load_dataset(str(study.folder / name) if name.endswith(".npz") else name, data_dir).x

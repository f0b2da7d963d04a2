"""Boxes on images: what a detector finds at several times, beside what the ANN finds. Drawn from boxes.csv."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from models.datasets import load_dataset
from models.graph import Array
from models.standardisation import Standardisation
from studies.declare import FigureSpec, Study, StudyError, shown_datasets
from studies.draw.panels import plain_line, value_name
from studies.draw.style import PAGE, PALETTE, Medium, drawing, save
from studies.tables import read_table, select

PANEL = 2.3  # inches


def draw_boxes(
    study: Study, folder: Path, data_dir: Path | None = None, medium: Medium = PAGE, into: Path | None = None
) -> list[Path]:
    """Draw every figure of boxes of a study.

    Parameters
    ----------
    folder, into : Path
        Of its results, and of the figures: by default the same.

    Raises
    ------
    ResultsError, StudyError, DatasetError
        If there is no table of boxes, a figure selects none of them or those of several conditions, or the images are
        not there.
    """
    paths = []
    for spec in (spec for spec in study.figures if spec.plot == "boxes"):
        table = choose_rows(read_table(folder, "boxes"), spec)
        drawn = plot(spec, table, _images(study, spec, data_dir), medium)
        paths += save(drawn, into or folder, spec.name, medium.endings)
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


def plot(spec: FigureSpec, rows: pd.DataFrame, images: Array, medium: Medium = PAGE) -> Figure:
    """A row of panels per image, a column per level of `spec.x` and one for the ANN."""
    numbers, levels = sorted(rows["image"].unique()), sorted(rows.loc[rows["source"] == "snn", spec.x].unique())
    colours = dict(zip(sorted(set(rows["class"].dropna())), cycle(PALETTE), strict=False))
    columns, title = len(levels) + 1, spec.title if medium.titled else ""
    panel = min(PANEL * medium.letters / PAGE.letters, medium.several / columns, (medium.tallest - 0.4) / len(numbers))
    with drawing(panel * columns, panel * len(numbers) + 0.4, medium=medium) as figure:
        panels = figure.subplots(len(numbers), columns, squeeze=False)
        for number, row in zip(numbers, panels, strict=True):
            of_image = rows[rows["image"] == number]
            spiking = of_image[of_image["source"] == "snn"]
            parts = [spiking[spiking[spec.x] == level] for level in levels]
            for axes, part in zip(row, [*parts, of_image[of_image["source"] == "ann"]], strict=True):
                _draw_panel(axes, images[number], part.dropna(subset=["x0"]), colours)
        for axes, name in zip(panels[0], [*(_title(spec.x, level) for level in levels), "ANN"], strict=True):
            axes.set_title(name)
        if title:
            figure.suptitle(title)
    return figure


def _draw_panel(axes: Axes, image: Array, boxes: pd.DataFrame, colours: Mapping[str, Any]) -> None:
    """An image (channels, height, width) with its boxes, the class and score of each above it."""
    axes.imshow(np.moveaxis(np.broadcast_to(image, (3, *image.shape[1:])), 0, -1))
    height, width = image.shape[1:]
    scale = np.array([width, height])
    for box in boxes.rename(columns={"class": "name"}).itertuples():
        start, stop = np.clip([[box.x0, box.y0], [box.x1, box.y1]], 0, 1) * scale - 0.5
        colour = colours[box.name]
        axes.add_patch(Rectangle(tuple(start), *(stop - start), fill=False, edgecolor=colour, linewidth=plain_line()))
        label = {"facecolor": colour, "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
        axes.text(
            start[0],
            max(start[1], 0.06 * height),
            f"{box.name} {box.score:.2f}",
            fontsize=0.55 * rcParams["font.size"],
            color="white",
            bbox=label,
            clip_on=True,
        )
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])


def _title(column: str, level: Any) -> str:
    return f"{level:g} ms" if column == "time_ms" else value_name(column, level)


def _images(study: Study, spec: FigureSpec, data_dir: Path | None) -> Array:
    """The images that the boxes are of, as pixels, whatever the network reads in their place."""
    (name,) = shown_datasets(spec, study.variant_of)
    c = next(c for c in study.conditions if c.dataset == name)
    path, said = str(study.folder / name) if name.endswith(".npz") else name, Standardisation(c.scale, c.mean, c.std)
    return load_dataset(path, data_dir, standardisation=said).x

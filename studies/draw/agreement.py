"""How far a spiking network does what the ANN does: its rates against activations, and its answers.

Every function takes plain arrays and returns a figure that belongs to no window, in the style of `studies.draw.style`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from conversion.recording import Recording
from models.graph import Array
from studies.draw.style import PAGE, PALETTE, drawing
from studies.measure import NO_ANSWER, confusion
from studies.statistics import r_squared

COUNTS = "crest"  # light to dark, so that it reads the same in grey
MANY_POINTS = 2000
MANY_CLASSES = 20


def draw_rates(recording: Recording, activations: Mapping[str, Array]) -> Figure:
    """The rate of every neuron and image against the activation of the ANN, a panel per population.

    The line is the rate that the activation asks for: the identity, from silence to a spike in every step, or where
    there are negative spikes, from one of those in every step. R2 says how
    much of the variance of that rate the simulated one explains.

    Parameters
    ----------
    activations : mapping of str to array, shape (N, *shape)
        Of the normalised network; populations that are not in it are not shown.
    """
    names = [name for name in recording.populations if name in activations]
    if not names:
        raise ValueError(f"no activations of {', '.join(recording.populations)}; there are {', '.join(activations)}")
    columns = 2 if len(names) == 4 else min(3, len(names))
    rows = math.ceil(len(names) / columns)
    with drawing(min(PAGE.several, 0.6 + 3.1 * columns), 0.6 + 2.6 * rows) as figure:
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        most = max(activations[name].size for name in names)
        norm = LogNorm(1, most)
        for axes, name in zip(panels, names, strict=False):
            _draw_panel(axes, recording, name, activations[name].ravel(), norm)
        if most > MANY_POINTS:
            figure.colorbar(ScalarMappable(norm, COUNTS), ax=panels, label="pairs of neuron and image")
        for axes in panels[len(names) :]:
            axes.remove()
        figure.supxlabel("activation of the normalised ANN (units of the largest rate)", fontsize=10)
        figure.supylabel("firing rate / largest rate", fontsize=10)
    return figure


def draw_confusions(answers: NDArray[np.float64], labels: NDArray[np.int64], ann_answers: NDArray[np.int64]) -> Figure:
    """Where the SNN errs, and where it disagrees with the ANN, as two matrices of images.

    Parameters
    ----------
    answers : array, shape (N, classes)
        Of the SNN; see `studies.measure.answers`.
    labels, ann_answers : array, shape (N,)
    """
    every = np.arange(len(labels))
    accuracy, agreement = (100 * answers[every, wanted].mean() for wanted in (labels, ann_answers))
    against_labels, against_ann = confusion(answers, labels), confusion(answers, ann_answers)
    classes = _shown_classes(answers.shape[1], against_labels, against_ann)
    differing = against_ann[against_ann["label"] != against_ann["answer"]]
    with drawing(PAGE.several, 4.7) as figure:
        left, right = figure.subplots(1, 2)
        correct = f"SNN: {accuracy:.4g} % of {len(labels):,} images correct"
        _draw_matrix(left, against_labels, classes, "label (class)", correct)
        differs = f"SNN differs from the ANN: {100 - agreement:.4g} % of the images"
        _draw_matrix(right, differing, classes, "answer of the ANN (class)", differs)
        figure.supxlabel(
            "Numbers of images. Classes that tie share an image; silence is no answer, and counts as chance would.",
            fontsize=7,
        )
    return figure


def _draw_panel(axes: Axes, recording: Recording, name: str, activation: Array, norm: LogNorm) -> None:
    steps = round(recording.duration / recording.dt)
    fastest = 1 / (recording.max_rate * recording.dt)
    rate = recording.spike_counts[name].ravel() / (recording.duration * recording.max_rate)
    lowest = -fastest if name in recording.signed else 0.0
    wanted = np.clip(activation.astype(np.float64), lowest, fastest)
    if len(rate) > MANY_POINTS:
        first = -steps if name in recording.signed else 0
        width = math.ceil((steps - first) / 50)
        levels = np.arange(first, steps + 1 + width, width) - 0.5  # a whole number of spike counts in each bin
        bins = (np.linspace(activation.min(), activation.max() + 1e-6, 51), levels / steps * fastest)
        sns.histplot(
            x=activation, y=rate, bins=bins, norm=norm, vmin=None, vmax=None, cmap=COUNTS, ax=axes, rasterized=True
        )  # fmt: skip
    else:
        sns.scatterplot(x=activation, y=rate, color=PALETTE[0], s=14, alpha=0.5, linewidth=0, ax=axes)
    line = np.unique(np.clip([activation.min(), lowest, fastest, activation.max()], activation.min(), activation.max()))
    axes.plot(line, np.clip(line, lowest, fastest), color="black", linestyle="--", linewidth=1)
    axes.set_title(name, fontsize=10)
    sns.despine(ax=axes)
    explained = f"$R^2$ = {r_squared(rate, wanted):.3f}"
    white = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1}
    axes.text(0.04, 0.98, explained, transform=axes.transAxes, va="top", bbox=white)


def _shown_classes(known: int, *tables: pd.DataFrame) -> NDArray[np.int64]:
    """All classes, or of many those that occur as a label or an answer."""
    if known <= MANY_CLASSES:
        return np.arange(known)
    occurring = np.unique(np.concatenate([table[["label", "answer"]].to_numpy().ravel() for table in tables]))
    return occurring[occurring != NO_ANSWER]


def _draw_matrix(axes: Axes, table: pd.DataFrame, classes: NDArray[np.int64], rows: str, title: str) -> None:
    """A table by `confusion` as a matrix of these classes; the column of no answer only where there is one."""
    none = np.full(int((table["answer"] == NO_ANSWER).any()), NO_ANSWER)
    columns = np.concatenate([classes, none])
    names = pd.Series(["none" if number == NO_ANSWER else f"{number}" for number in columns], dtype=str)
    if len(classes) <= MANY_CLASSES:
        _draw_cells(axes, table.pivot(index="label", columns="answer", values="images"), classes, columns, names)
    else:
        _draw_marks(axes, table, classes, columns, names)
    axes.grid(visible=False)
    axes.set(xlabel="answer of the SNN (class)", ylabel=rows)
    axes.set_title(title, fontsize=10)
    axes.tick_params(axis="y", rotation=0)


def _draw_cells(
    axes: Axes, table: pd.DataFrame, classes: NDArray[np.int64], columns: NDArray[np.int64], names: pd.Series
) -> None:
    """Few classes: a cell for each pair, with its number."""
    cells = table.reindex(index=classes, columns=columns).set_axis(names, axis=1)
    sns.heatmap(
        cells, annot=True, fmt=".3g", cbar=False, cmap=COUNTS, vmin=0, vmax=max(1, cells.max(axis=None)), square=True,
        linewidths=0.5, linecolor="0.85", ax=axes,
    )  # fmt: skip


def _draw_marks(
    axes: Axes, table: pd.DataFrame, classes: NDArray[np.int64], columns: NDArray[np.int64], names: pd.Series
) -> None:
    """Many classes: a mark for each pair that occurs, since most of the cells are empty and too small to see."""
    x = pd.Index(columns).get_indexer(table["answer"])
    y = pd.Index(classes).get_indexer(table["label"])
    marks = axes.scatter(x, y, c=table["images"], s=9, cmap=COUNTS, vmin=0, vmax=max(1, table["images"].max()))
    axes.figure.colorbar(marks, ax=axes, label="images", shrink=0.8)
    ticks = np.unique(np.linspace(0, len(classes) - 1, 11).astype(int))
    last = [len(classes)] if len(columns) > len(classes) else []
    axes.set_xticks([*ticks, *last], names.iloc[[*ticks, *last]], rotation=90)
    axes.set_yticks(ticks, names.iloc[ticks])
    axes.set(xlim=(-1, len(columns)), ylim=(len(classes), -1), aspect="equal")

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
from studies.draw.style import PALETTE, drawing
from studies.measure import confusion
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
    with drawing(0.6 + 3.1 * columns, 0.6 + 2.6 * rows) as figure:
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
    against_labels, against_ann = confusion(answers, labels), confusion(answers, ann_answers)
    accuracy = np.trace(against_labels) / len(labels)
    np.fill_diagonal(against_ann, 0)
    with drawing(10, 5) as figure:
        left, right = figure.subplots(1, 2)
        _draw_matrix(
            left, against_labels, "label (class)", f"SNN: {100 * accuracy:.4g} % of {len(labels):,} images correct"
        )
        differing = f"SNN differs from the ANN: {100 * against_ann.sum() / len(labels):.4g} % of the images"
        _draw_matrix(right, against_ann, "answer of the ANN (class)", differing)
        figure.supxlabel("Numbers of images. Classes that tie share an image; silence is no answer.", fontsize=7)
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


def _draw_matrix(axes: Axes, matrix: NDArray[np.float64], rows: str, title: str) -> None:
    """A matrix of images by `confusion`; the column of no answer only where there is one."""
    classes = len(matrix)
    names = [*map(str, range(classes)), "none"]
    shown = matrix if matrix[:, -1].any() else matrix[:, :-1]
    table = pd.DataFrame(shown, index=names[:classes], columns=names[: shown.shape[1]])
    few = classes <= MANY_CLASSES
    sns.heatmap(
        table, mask=table == 0, annot=few, fmt=".3g", cbar=not few, cbar_kws={"label": "images"}, cmap=COUNTS, vmin=0,
        vmax=max(1, matrix.max()),
        square=True, linewidths=0.5 * few, linecolor="0.85", ax=axes,
    )  # fmt: skip
    axes.grid(visible=False)
    axes.set(xlabel="answer of the SNN (class)", ylabel=rows)
    axes.set_title(title, fontsize=10)
    axes.tick_params(axis="y", rotation=0)

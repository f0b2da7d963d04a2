"""Looking inside a network: what its neurons do, drawn from plain arrays for a notebook or a report.

Every function returns a figure that belongs to no window, in the style of `studies.figures`.
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

from conversion.recording import Probe, Recording
from models.graph import Array
from studies.figures import PALETTE, theme
from studies.labels import LABELS
from studies.metrics import confusion, r_squared

BLUE, RED = PALETTE[0], PALETTE[3]
COUNTS = "crest"  # light to dark, so that it reads the same in grey
MANY_POINTS = 2000
MANY_CLASSES = 20


def raster(recording: Recording, image: int = 0, shown: int = 60, seed: int = 0) -> Figure:
    """The spikes of every recorded population while it reads one image, the input at the bottom.

    Parameters
    ----------
    recording : Recording
        With the rasters that `Probe(rasters=...)` names.
    image : int
        Counted among the images of the recording.
    shown : int
        Neurons of a larger population that are shown: a random subset, drawn from `seed`.

    Raises
    ------
    ValueError
        If there are no rasters, or no such image.
    """
    names = [name for name in recording.populations if name in recording.rasters][::-1]
    _require(names, "the recording has no rasters; name populations in Probe(rasters=...)")
    _check_image(recording, image)
    chosen = {name: choose(recording.sizes[name], shown, seed) for name in names}
    ratios = [max(len(neurons), 0.4 * shown) for neurons in chosen.values()]
    with theme():
        figure = Figure(figsize=(7, 1.1 + 0.02 * sum(ratios)), layout="constrained")
        panels = figure.subplots(len(names), sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
        for axes, name in zip(panels, names, strict=True):
            table = recording.rasters[name]
            _draw_spikes(axes, table[table["image"] == image], chosen[name])
            axes.set_ylabel(_size(name, len(chosen[name]), recording.sizes[name]), rotation=0, ha="right", va="center")
        panels[-1].set(xlim=(0, recording.duration * 1e3 + recording.dt * 1e3), xlabel=LABELS["time_ms"])
        figure.suptitle("Spikes of all layers")
    return figure


def choose(size: int, shown: int, seed: int) -> NDArray[np.int64]:
    """Indices of a random subset of `shown` neurons in increasing order; all of them if there are no more."""
    return np.sort(np.random.default_rng(seed).choice(size, min(shown, size), replace=False))


def membrane_traces(recording: Recording, probe: Probe, v_th: float = 1.0, image: int = 0) -> Figure:
    """The potential of chosen neurons, the threshold as a dashed line, and a mark above it for every spike.

    The potential is drawn as the recording holds it, after the reset of each step, so a spike is where it falls; the
    thin line of a spike leads from the mark to the potential that the reset left.

    Parameters
    ----------
    probe : Probe
        The one that the recording was made with: `traces` of the chosen neurons, and `rasters` of their populations.
    v_th : float
        Threshold, in units of activation.

    Raises
    ------
    ValueError
        If the probe names no traces, or not the rasters of their populations, or there is no such image.
    """
    _require(probe.traces, "the probe has no traces; name neurons in Probe(traces=...)")
    for name in probe.traces:
        _require(name in recording.rasters, f"the spikes of {name!r} are not recorded; add it to Probe(rasters=...)")
    _check_image(recording, image)
    chosen = [(name, column, neuron) for name, every in probe.traces.items() for column, neuron in enumerate(every)]
    with theme():
        figure = Figure(figsize=(7, 0.9 + 1.2 * len(chosen)), layout="constrained")
        panels = figure.subplots(len(chosen), sharex=True, squeeze=False)[:, 0]
        for axes, (name, column, neuron) in zip(panels, chosen, strict=True):
            table = recording.rasters[name]
            spikes = table.loc[(table["image"] == image) & (table["neuron"] == neuron), "time_ms"]
            _draw_trace(axes, recording.traces[name][:, image, column], spikes, v_th, recording.dt * 1e3)
            axes.set_title(f"{name}, neuron {neuron:,}: {len(spikes)} spikes", loc="left", fontsize=10)
        panels[-1].set(xlim=(0, recording.duration * 1e3 + recording.dt * 1e3), xlabel=LABELS["time_ms"])
        figure.supylabel(f"potential ({LABELS['v_th'].partition('(')[2]}", fontsize=10)
        panels[0].legend(
            *panels[0].get_legend_handles_labels(), loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False
        )
    return figure


def rates(recording: Recording, activations: Mapping[str, Array]) -> Figure:
    """The rate of every neuron and image against the activation of the ANN, a panel per population.

    The line is the rate that the activation asks for: the identity, from silence to a spike in every step. R2 says how
    much of the variance of that rate the simulated one explains.

    Parameters
    ----------
    activations : mapping of str to array, shape (N, *shape)
        Of the normalised network; populations that are not in it are not shown.
    """
    names = [name for name in recording.populations if name in activations]
    _require(names, f"no activations of {', '.join(recording.populations)}; there are {', '.join(activations)}")
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    with theme():
        figure = Figure(figsize=(0.6 + 3.1 * columns, 0.6 + 2.6 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        most = max(activations[name].size for name in names)
        norm = LogNorm(1, most)
        for axes, name in zip(panels, names, strict=False):
            _draw_rates(axes, recording, name, activations[name].ravel(), norm)
        if most > MANY_POINTS:
            figure.colorbar(ScalarMappable(norm, COUNTS), ax=panels, label="pairs of neuron and image")
        for axes in panels[len(names) :]:
            axes.remove()
        figure.supxlabel("activation of the normalised ANN (units of the largest rate)", fontsize=10)
        figure.supylabel("firing rate / largest rate", fontsize=10)
    return figure


def confusions(answers: NDArray[np.float64], labels: NDArray[np.int64], ann_answers: NDArray[np.int64]) -> Figure:
    """Where the SNN errs, and where it disagrees with the ANN, as two matrices of images.

    Parameters
    ----------
    answers : array, shape (N, classes)
        Of the SNN; see `studies.metrics.answers`.
    labels, ann_answers : array, shape (N,)
    """
    against_labels, against_ann = confusion(answers, labels), confusion(answers, ann_answers)
    accuracy = np.trace(against_labels) / len(labels)
    np.fill_diagonal(against_ann, 0)
    with theme():
        figure = Figure(figsize=(10, 5), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_matrix(
            left, against_labels, "label (class)", f"SNN: {100 * accuracy:.4g} % of {len(labels):,} images correct"
        )
        differing = f"SNN differs from the ANN: {100 * against_ann.sum() / len(labels):.4g} % of the images"
        _draw_matrix(right, against_ann, "answer of the ANN (class)", differing)
        figure.supxlabel("Numbers of images. Classes that tie share an image; silence is no answer.", fontsize=7)
    return figure


def _draw_spikes(axes: Axes, table: pd.DataFrame, neurons: NDArray[np.int64]) -> None:
    spikes = table[table["neuron"].isin(neurons)]
    rows = np.searchsorted(neurons, spikes["neuron"])
    axes.vlines(spikes["time_ms"], rows - 0.7, rows + 0.7, color="black", linewidth=1.6, snap=False, rasterized=True)
    axes.set(ylim=(-1, len(neurons)), yticks=[])
    axes.grid(visible=False, axis="y")
    sns.despine(ax=axes)


def _size(name: str, shown: int, size: int) -> str:
    return f"{name}\n{size:,} neurons" + (f"\n({shown} shown)" if shown < size else "")


def _draw_trace(axes: Axes, potential: NDArray, spikes: pd.Series, v_th: float, dt_ms: float) -> None:
    times = dt_ms * np.arange(1, len(potential) + 1)
    after = potential[np.rint(spikes.to_numpy() / dt_ms).astype(int) - 1]
    axes.axhline(v_th, color=RED, linestyle="--", linewidth=1, label="threshold")
    axes.step(times, potential, where="post", color=BLUE, linewidth=1.2, label="potential")
    axes.vlines(spikes, after, 1.3 * v_th, color="black", linewidth=0.6)
    axes.plot(spikes, np.full(len(spikes), 1.3 * v_th), "k|", markersize=6, markeredgewidth=1.4, label="spike")
    sns.despine(ax=axes)


def _draw_rates(axes: Axes, recording: Recording, name: str, activation: Array, norm: LogNorm) -> None:
    steps = round(recording.duration / recording.dt)
    fastest = 1 / (recording.max_rate * recording.dt)
    rate = recording.spike_counts[name].ravel() / (recording.duration * recording.max_rate)
    wanted = np.clip(activation.astype(np.float64), 0, fastest)
    if len(rate) > MANY_POINTS:
        width = math.ceil(steps / 50)
        levels = np.arange(0, steps + 1 + width, width) - 0.5  # a whole number of spike counts in each bin
        bins = (np.linspace(activation.min(), activation.max() + 1e-6, 51), levels / steps * fastest)
        sns.histplot(
            x=activation, y=rate, bins=bins, norm=norm, vmin=None, vmax=None, cmap=COUNTS, ax=axes, rasterized=True
        )  # fmt: skip
    else:
        sns.scatterplot(x=activation, y=rate, color=BLUE, s=14, alpha=0.5, linewidth=0, ax=axes)
    line = np.unique(np.clip([activation.min(), 0, fastest, activation.max()], activation.min(), activation.max()))
    axes.plot(line, np.clip(line, 0, fastest), color="black", linestyle="--", linewidth=1)
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


def _check_image(recording: Recording, image: int) -> None:
    images = recording.output_counts.shape[1]
    _require(0 <= image < images, f"image is {image}; it must be a whole number from 0 to {images - 1}")


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)

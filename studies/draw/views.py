"""Looking inside a network: spikes and potentials in time, drawn from plain arrays for a notebook or a report.

Every function returns a figure that belongs to no window, in the style of `studies.draw.style`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray

from conversion.recording import Probe, Recording
from studies.draw.style import PALETTE, drawing
from studies.tables import LABELS

BLUE, RED = PALETTE[0], PALETTE[3]


def draw_raster(recording: Recording, image: int = 0, shown: int = 60) -> Figure:
    """The spikes of every recorded population while it reads one image, the input at the bottom; negative ones in red.

    Parameters
    ----------
    recording : Recording
        With the rasters that `Probe(rasters=...)` names.
    image : int
        Counted among the images of the recording.
    shown : int
        Neurons of a larger population that are shown: a random subset, always the same.

    Raises
    ------
    ValueError
        If there are no rasters, or no such image.
    """
    names = [name for name in recording.populations if name in recording.rasters][::-1]
    _require(names, "the recording has no rasters; name populations in Probe(rasters=...)")
    _check_image(recording, image)
    chosen = {name: choose_neurons(recording.sizes[name], shown) for name in names}
    ratios = [max(len(neurons), 0.4 * shown) for neurons in chosen.values()]
    with drawing(7, 1.1 + 0.02 * sum(ratios)) as figure:
        panels = figure.subplots(len(names), sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
        for axes, name in zip(panels, names, strict=True):
            table = recording.rasters[name]
            _draw_spikes(axes, table[table["image"] == image], chosen[name])
            axes.set_ylabel(_size(name, len(chosen[name]), recording.sizes[name]), rotation=0, ha="right", va="center")
        panels[-1].set(xlim=(0, recording.duration * 1e3 + recording.dt * 1e3), xlabel=LABELS["time_ms"])
        figure.suptitle("Spikes of all layers")
    return figure


def choose_neurons(size: int, shown: int) -> NDArray[np.int64]:
    """Indices of a random subset of `shown` neurons in increasing order; all of them if there are no more."""
    return np.sort(np.random.default_rng(0).choice(size, min(shown, size), replace=False))


def draw_membrane_traces(recording: Recording, probe: Probe, v_th: float = 1.0, image: int = 0) -> Figure:
    """The potential of chosen neurons, the threshold as a dashed line, and a mark above it for every spike.

    The mark of a negative spike is below the potential instead.

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
    with drawing(7, 0.9 + 1.2 * len(chosen)) as figure:
        panels = figure.subplots(len(chosen), sharex=True, squeeze=False)[:, 0]
        for axes, (name, column, neuron) in zip(panels, chosen, strict=True):
            table = recording.rasters[name]
            spikes = table[(table["image"] == image) & (table["neuron"] == neuron)]
            _draw_trace(axes, recording.traces[name][:, image, column], spikes, v_th, recording.dt * 1e3)
            axes.set_title(f"{name}, neuron {neuron:,}: {len(spikes)} spikes", loc="left", fontsize=10)
        panels[-1].set(xlim=(0, recording.duration * 1e3 + recording.dt * 1e3), xlabel=LABELS["time_ms"])
        figure.supylabel(f"potential ({LABELS['v_th'].partition('(')[2]}", fontsize=10)
        panels[0].legend(
            *panels[0].get_legend_handles_labels(), loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False
        )
    return figure


def _draw_spikes(axes: Axes, table: pd.DataFrame, neurons: NDArray[np.int64]) -> None:
    spikes = table[table["neuron"].isin(neurons)]
    rows = np.searchsorted(neurons, spikes["neuron"])
    colors = ["black" if sign > 0 else to_hex(RED) for sign in spikes["sign"]]
    axes.vlines(spikes["time_ms"], rows - 0.7, rows + 0.7, colors=colors, linewidth=1.6, snap=False, rasterized=True)
    axes.set(ylim=(-1, len(neurons)), yticks=[])
    axes.grid(visible=False, axis="y")
    sns.despine(ax=axes)


def _size(name: str, shown: int, size: int) -> str:
    return f"{name}\n{size:,} neurons" + (f"\n({shown} shown)" if shown < size else "")


def _draw_trace(axes: Axes, potential: NDArray, spikes: pd.DataFrame, v_th: float, dt_ms: float) -> None:
    times, at = dt_ms * np.arange(1, len(potential) + 1), spikes["time_ms"].to_numpy()
    after = potential[np.rint(at / dt_ms).astype(int) - 1]
    marks = np.where(spikes["sign"] > 0, 1.3 * v_th, min(potential.min(), 0) - 0.3 * v_th)
    axes.axhline(v_th, color=RED, linestyle="--", linewidth=1, label="threshold")
    axes.step(times, potential, where="post", color=BLUE, linewidth=1.2, label="potential")
    axes.vlines(at, after, marks, color="black", linewidth=0.6)
    axes.plot(at, marks, "k|", markersize=6, markeredgewidth=1.4, label="spike")
    sns.despine(ax=axes)


def _check_image(recording: Recording, image: int) -> None:
    images = recording.output_counts.shape[1]
    _require(0 <= image < images, f"image is {image}; it must be a whole number from 0 to {images - 1}")


def _require(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)

"""Two rules of spiking max pooling, on the spikes that a pooling layer received: how far each is from the maximum.

The engine uses the second; the first is that of Rueckauer 2017. Both are functions of plain arrays of spikes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from conversion.recording import Recording
from models.graph import Graph, MaxPool2d
from studies.draw.scales import rows_and_columns
from studies.draw.style import HATCHES, PAGE, PALETTE, drawing

Spikes = NDArray[np.int8]
RULES = {"spikes of the unit with the largest count": PALETTE[1], "changes of the largest count": PALETTE[0]}


def spikes_of_the_winner(spikes: Spikes, inside: NDArray[np.bool_]) -> Spikes:
    """What a pooled unit sends that passes the spikes of the unit with the largest count so far (Rueckauer 2017).

    Parameters
    ----------
    spikes : array, shape (T, ..., units)
        -1, 0 or 1 in each step, for the units of a region.
    inside : array, shape (..., units)
        False for the units of the padding.

    Returns
    -------
    array, shape (T, ...)
        The count includes the step itself; of units with the same count the first is the winner.
    """
    winner = _counts(spikes, inside).argmax(axis=-1)
    return np.take_along_axis(spikes, winner[..., None], axis=-1)[..., 0]


def changes_of_the_largest_count(spikes: Spikes, inside: NDArray[np.bool_]) -> Spikes:
    """What a pooled unit sends that spikes when the largest count of its region rises or falls; it is exact.

    Parameters and result are those of `spikes_of_the_winner`.
    """
    return np.diff(_counts(spikes, inside).max(axis=-1), axis=0, prepend=0).astype(np.int8)


def regions(maps: NDArray, layer: MaxPool2d, output: tuple[int, ...], fill: float) -> NDArray:
    """The regions of a pooling layer over maps (..., H, W), as an array (..., H_out, W_out, units)."""
    top, left, *_ = layer.padding
    last = [(count - 1) * stride for count, stride in zip(output[-2:], layer.stride, strict=True)]
    after = [
        max(0, start + kernel - before - size)
        for start, kernel, before, size in zip(last, layer.kernel, (top, left), maps.shape[-2:], strict=True)
    ]
    around = [(0, 0)] * (maps.ndim - 2) + [(top, after[0]), (left, after[1])]
    every = sliding_window_view(np.pad(maps, around, constant_values=fill), layer.kernel, axis=(-2, -1))  # type: ignore[call-overload]
    kept = every[..., : last[0] + 1 : layer.stride[0], : last[1] + 1 : layer.stride[1], :, :]
    return kept.reshape(*kept.shape[:-2], -1)


def pooling_errors(graph: Graph, recording: Recording, image: int = 0) -> pd.DataFrame:
    """For each pooled unit, by how many spikes each rule misses the largest count of its region at the end.

    Parameters
    ----------
    recording : Recording
        Max-pooling layers are looked at if it has the raster of what they read.

    Returns
    -------
    DataFrame
        Columns layer, rule, error (spikes); empty if there is no such layer.
    """
    parts = [pd.DataFrame({"layer": [], "rule": [], "error": []})]
    for layer in graph.layers:
        if not isinstance(layer, MaxPool2d) or layer.inputs[0] not in recording.rasters:
            continue
        spikes = _dense(recording, layer.inputs[0], image)
        unpadded = np.ones(spikes.shape[1:], bool)
        inside = regions(unpadded, layer, graph.shapes[layer.name], False)
        received = regions(spikes, layer, graph.shapes[layer.name], 0)
        largest = _counts(received, inside)[-1].max(axis=-1)
        for rule, function in zip(RULES, (spikes_of_the_winner, changes_of_the_largest_count), strict=True):
            sent = function(received, inside).sum(axis=0, dtype=np.int64)
            parts.append(pd.DataFrame({"layer": layer.name, "rule": rule, "error": (sent - largest).ravel()}))
    return pd.concat(parts, ignore_index=True)


def draw_pooling_errors(table: pd.DataFrame) -> Figure:
    """The distribution of `errors`, a panel per layer; units of both rules without error share the bar at 0."""
    names = list(table["layer"].unique())
    rows, columns = rows_and_columns(len(names))
    with drawing(PAGE.one if len(names) == 1 else PAGE.several, 0.7 + 2.7 * rows) as figure:
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for axes in grid[len(names) :]:
            axes.remove()
        for axes, name in zip(grid, names, strict=False):
            sns.histplot(
                table[table["layer"] == name], x="error", hue="rule", hue_order=list(RULES), palette=RULES,
                discrete=True, stat="probability", common_norm=False, multiple="dodge", legend=False, ax=axes,
            )  # fmt: skip
            # seaborn draws the last rule first
            for bars, hatch in zip(axes.containers, reversed(HATCHES[: len(RULES)]), strict=False):
                for bar in bars:
                    bar.set_hatch(hatch)
            axes.set(
                title=name, xlabel="error of the pooled unit (spikes)", ylabel="share of pooled units", yscale="log"
            )
            sns.despine(ax=axes)
        keys = [Patch(facecolor=colour, hatch=hatch) for colour, hatch in zip(RULES.values(), HATCHES, strict=False)]
        figure.legend(keys, list(RULES), title="a pooled unit sends", loc="outside lower center", ncols=2)
    return figure


def _counts(spikes: Spikes, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How often each unit has spiked up to and with every step; the padding never wins."""
    return np.where(inside, np.cumsum(spikes, axis=0, dtype=np.int64), -np.inf)


def _dense(recording: Recording, name: str, image: int) -> Spikes:
    """The raster of a population as an array (T, channels, height, width) of -1, 0 and 1."""
    steps = round(recording.duration / recording.dt)
    spikes = np.zeros((steps, recording.sizes[name]), np.int8)
    table = recording.rasters[name]
    table = table[table["image"] == image]
    step = np.rint(table["time_ms"] / (recording.dt * 1e3)).astype(np.int64) - 1
    spikes[step, table["neuron"]] = table["sign"]
    return spikes.reshape(steps, *recording.shapes[name])

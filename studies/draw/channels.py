"""What channel-wise normalisation is for: how unlike the channels of a layer are, and what that does to firing rates.

The two figures with which Kim 2020 argues for it, from plain arrays.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from conversion.recording import Recording
from models.graph import Array
from studies.draw.scales import rows_and_columns
from studies.draw.style import PAGE, Style, drawing, styles
from studies.tables import name_of

SCHEMES = ("data", "channel")
MANY = 100_000
WIDTH = PAGE.several


def channel_shares(activations: Mapping[str, Array]) -> pd.DataFrame:
    """The largest activation of each channel, as a share of its layer's, the largest channel first.

    Parameters
    ----------
    activations : mapping of str to array, shape (N, channels, height, width)
        Layers that have no maps are left out.

    Returns
    -------
    DataFrame
        Columns layer, rank (from 0, as a share of the channels), share.
    """
    parts = [pd.DataFrame({"layer": [], "rank": [], "share": []})]
    for name, values in activations.items():
        if values.ndim == 4:
            largest = np.sort(np.abs(values).max(axis=(0, 2, 3)))[::-1]
            rank = np.arange(len(largest)) / max(1, len(largest) - 1)
            parts.append(pd.DataFrame({"layer": name, "rank": rank, "share": largest / (largest[0] or 1)}))
    return pd.concat(parts, ignore_index=True)


def firing_rates(recording: Recording) -> dict[str, NDArray[np.float64]]:
    """The rate of every neuron and image as a share of the largest one, by population."""
    largest = recording.duration * recording.max_rate
    return {name: recording.spike_counts[name].ravel() / largest for name in recording.populations}


def draw_channels(shares: pd.DataFrame, rates: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> Figure:
    """The shares of the channels of every layer, and under each scheme the distribution of the rates of its neurons.

    Parameters
    ----------
    shares : DataFrame
        See `channel_shares`.
    rates : mapping of scheme to mapping of layer to array
        See `firing_rates`; a random part of very many. A layer that is in none of them gets no distribution.
    """
    names = list(shares["layer"].unique())
    ways = styles("normalization", rates)
    lowest = min(values.min() for by_layer in rates.values() for values in by_layer.values())
    bins = np.linspace(-1 if lowest < 0 else 0, 1, 41).tolist()
    rows, columns = rows_and_columns(len(names))
    with drawing(WIDTH, 0.6 + 4.2 * rows) as figure:
        grid = figure.subplots(2 * rows, columns, squeeze=False)
        pairs = [(above, below) for row in range(rows) for above, below in grid[2 * row : 2 * row + 2].T]
        for unused in (axes for pair in pairs[len(names) :] for axes in pair):
            unused.remove()
        for (above, below), name in zip(pairs, names, strict=False):
            _draw_shares(above, shares[shares["layer"] == name], name)
            drawn = {scheme: by_layer[name] for scheme, by_layer in rates.items() if name in by_layer}
            if drawn:
                _draw_rates(below, drawn, bins, ways)
            else:
                below.remove()
        keys = [Line2D([], [], color=way.colour, dashes=way.dashes or (None, None)) for way in ways.values()]
        names = [name_of("normalization", scheme) for scheme in ways]
        figure.legend(keys, names, title="normalisation", loc="outside lower center", ncols=len(names))
    return figure


def _draw_shares(axes: Axes, shares: pd.DataFrame, name: str) -> None:
    sns.lineplot(shares, x="rank", y="share", color="black", marker=".", markeredgewidth=0, ax=axes)
    label = "largest activation\n(share of the layer's)"
    axes.set(title=name, xlim=(-0.05, 1.05), ylim=(0, 1.05), xlabel="channels, by rank", ylabel=label)
    sns.despine(ax=axes)


def _draw_rates(
    axes: Axes, rates: Mapping[str, NDArray[np.float64]], bins: list[float], ways: Mapping[str, Style]
) -> None:
    for scheme, every in rates.items():
        values = np.random.default_rng(0).permutation(every)[:MANY]
        sns.histplot(
            x=values, bins=bins, stat="probability", element="step", fill=False, ax=axes,
            color=ways[scheme].colour, linestyle=(0, ways[scheme].dashes or (1, 0)),
        )  # fmt: skip
    axes.set(
        yscale="log", ylim=(1 / MANY, 1.5), xlabel="firing rate / largest rate", ylabel="neurons and images\n(share)"
    )
    sns.despine(ax=axes)

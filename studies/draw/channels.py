"""What channel-wise normalisation is for: how unlike the channels of a layer are, and what that does to firing rates.

The two figures with which Kim 2020 argues for it, from plain arrays.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import NDArray

from conversion.recording import Recording
from models.graph import Array
from studies.draw.style import drawing, styles
from studies.tables import name_of

SCHEMES = ("data", "channel")
MANY = 100_000


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
    with drawing(2 + 2.4 * len(names), 5) as figure:
        panels = figure.subplots(2, len(names), squeeze=False, sharey="row")
        for (above, below), name in zip(panels.T, names, strict=True):
            of_layer = shares[shares["layer"] == name]
            sns.lineplot(of_layer, x="rank", y="share", color="black", marker=".", markeredgewidth=0, ax=above)
            above.set(
                title=name,
                ylim=(0, 1.05),
                xlabel="channels, by rank",
                ylabel="largest activation\n(share of the layer's)",
            )
            drawn = {scheme: by_layer for scheme, by_layer in rates.items() if name in by_layer}
            if not drawn:
                below.remove()
                continue
            for scheme, by_layer in drawn.items():
                values = np.random.default_rng(0).permutation(by_layer[name])[:MANY]
                sns.histplot(
                    x=values, bins=bins, stat="probability", element="step", fill=False, ax=below,
                    color=ways[scheme].colour, linestyle=(0, ways[scheme].dashes or (1, 0)),
                    label=name_of("normalization", scheme),
                )  # fmt: skip
            below.set(yscale="log", xlabel="firing rate / largest rate", ylabel="share of neurons\nand images")
        figure.legend(
            *panels[1, 0].get_legend_handles_labels(), title="normalisation", loc="outside right center", frameon=False
        )
    return figure

"""The counts of the neurons of a group over the windows of its populations, in one pass over the spikes of a step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from conversion.brian.events import Events


class Tally:
    """Counts of all populations of a group, for the batch that is shown.

    Parameters
    ----------
    events : sequence of Events
        Positive spikes and, where there are any, negative ones.
    sizes, depths, columns : sequence of int
        Of each population: neurons per image, the step in which its window opens, its column in the totals.
    fan_outs : sequence of array, shape (size,)
        How many synapses each neuron has.
    dtype : type
        Of a count.
    """

    def __init__(
        self, events: Sequence[Events], sizes: Sequence[int], depths: Sequence[int], columns: Sequence[int],
        fan_outs: Sequence[NDArray[np.int64]], dtype: np.dtype,
    ) -> None:  # fmt: skip
        self.events, bounds = events, events[0].bounds
        self.table = np.array([bounds[:-1], sizes, depths, columns, np.cumsum([0, *sizes[:-1]])], np.int64).T.copy()
        self.fan_out = np.concatenate(fan_outs)
        self.counts = np.zeros(bounds[-1], dtype)

    def step(self, k: int, n_images: int, weights: NDArray, totals: NDArray[np.int64]) -> None:
        """Count step k of a presentation of so many images; see `Counter`."""
        sign = 1
        for events in self.events:
            _count(events.space, events.cuts, k, n_images, self.table, self.fan_out, sign, weights, self.counts, totals)
            sign = -1


@njit(cache=True, nogil=True)
def _count(space, cuts, k, n_images, table, fan_out, sign, weights, counts, totals):
    for p in range(len(table)):
        start, size, depth, column, first = table[p]
        own_k = k - depth
        if own_k < 0 or own_k >= len(weights):
            continue
        weight, n_spikes, n_synapses, image_start = sign * weights[own_k], 0, 0, start
        for spike in space[cuts[p] : cuts[p + 1]]:
            if spike >= start + n_images * size:
                break  # the rest of the batch is filling
            while spike >= image_start + size:
                image_start += size
            counts[spike] += weight
            n_spikes += 1
            n_synapses += fan_out[first + spike - image_start]
        totals[own_k, column, 0] += n_spikes
        totals[own_k, column, 1] += n_synapses

"""The counts of the neurons of a group over the windows of its populations, in one pass over the spikes of a step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from conversion.brian.spikes.events import Events


class Tally:
    """Counts of all populations of a group, for the batch that is shown.

    Parameters
    ----------
    events : sequence of Events
        Positive spikes and, where there are any, negative ones.
    sizes, depths, columns : sequence of int
        Of each population: neurons per image, the step in which its window opens, its column in the totals.
    fan_outs : sequence of array, shape (size,) or (1,)
        How many synapses each neuron has; see `conversion.plan.fan_out`.
    dtype : type
        Of a count.
    """

    def __init__(
        self, events: Sequence[Events], sizes: Sequence[int], depths: Sequence[int], columns: Sequence[int],
        fan_outs: Sequence[NDArray[np.unsignedinteger]], dtype: np.dtype,
    ) -> None:  # fmt: skip
        self.events, bounds = events, events[0].bounds
        ends = np.cumsum([fan_out.size for fan_out in fan_outs])
        self.table = np.column_stack([bounds[:-1], sizes, depths, columns, [0, *ends[:-1]], ends]).astype(np.int64)
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
        start, size, depth, column, first, last = table[p]
        own_k, spikes = k - depth, space[cuts[p] : cuts[p + 1]]
        if own_k < 0 or own_k >= len(weights):
            continue
        n_spikes, weight = len(spikes), sign * weights[own_k]
        while n_spikes and spikes[n_spikes - 1] >= start + n_images * size:
            n_spikes -= 1  # the rest of the batch is filling
        for spike in spikes[:n_spikes]:
            counts[spike] += weight
        totals[own_k, column, 0] += n_spikes
        totals[own_k, column, 1] += _synapses(spikes[:n_spikes], start, size, fan_out[first:last])


@njit(cache=True, nogil=True)
def _synapses(spikes, start, size, fan_out):
    """How many synapses the spikes of a population reach."""
    if fan_out.size == 1:
        return len(spikes) * np.int64(fan_out[0])
    reached, image_start = np.int64(0), start
    for spike in spikes:
        while spike >= image_start + size:
            image_start += size
        reached += np.int64(fan_out[spike - image_start])
    return reached

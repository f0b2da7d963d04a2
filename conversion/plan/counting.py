"""Which spikes of a step are those of a population, how many they are, and how many synapses they reach."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from conversion.plan.populations import Plan, Population


def fan_out(plan: Plan, population: Population) -> NDArray[np.unsignedinteger]:
    """The number of synapses of each neuron, shape (size,) or, if all have as many, (1,).

    In the narrowest type: what a spike looks up should be in the cache.
    """
    outgoing = [p.connection.fan_out() for p in plan.projections if p.source == population.name]
    numbers = sum(outgoing, np.zeros(population.size, np.int64))
    narrow = numbers.astype(np.min_scalar_type(numbers.max()))
    return narrow[:1] if np.ptp(narrow) == 0 else narrow


@njit(cache=True, nogil=True)
def find_spikes(events, start, stop):
    """Where the first spike of the neurons from `start` on is among `events`, and where the first one from `stop` on.

    `events` are the indices that spiked, in rising order, followed by anything, and at last by their number.
    """
    n = events[-1]
    first = np.searchsorted(events[:n], start)
    return first, first + np.searchsorted(events[first:n], stop)


@njit(cache=True, nogil=True)
def count_spikes(spikes, start, n_images, size, counts, fan_out, weight):
    """Add `weight` to `counts` for each of this step's spikes of one population; return their number and synapses.

    `spikes` are in rising order, from `start` on, and `fan_out` is that of `fan_out`. For negative spikes `weight` is
    negative. Only the first `n_images` of the batch count: the rest is filling.
    """
    n_spikes = spikes.size
    while n_spikes and spikes[n_spikes - 1] >= start + n_images * size:
        n_spikes -= 1
    for spike in spikes[:n_spikes]:
        counts[spike - start] += weight
    if fan_out.size == 1:
        return n_spikes, n_spikes * np.int64(fan_out[0])
    n_synapses, image_start = np.int64(0), start
    for spike in spikes[:n_spikes]:
        while spike >= image_start + size:
            image_start += size
        n_synapses += np.int64(fan_out[spike - image_start])
    return n_spikes, n_synapses

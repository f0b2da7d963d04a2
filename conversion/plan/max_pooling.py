"""Spiking max pooling: a region passes a spike on when the largest spike count among its units changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

from conversion.plan.geometry import Ends, Indices, Regions, Spikes

NO_SPIKES = np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class MaxConnection:
    """Spiking max pooling: a target passes a spike on when the largest spike count in its region rises.

    With negative spikes the count of a unit is signed, and a target sends +1 when the largest count in its region rises
    and -1 when it falls. That is exact. In one step no count changes by more than 1: so none exceeds what was the
    largest by more than 1, and the unit that had the largest has lost at most 1. The largest count thus changes by -1,
    0 or 1. All counts begin at 0, and the padding has none, so that it never wins.
    """

    regions: Regions

    def deliver(self, spikes: Spikes, ends: Ends, counts: NDArray, best: NDArray) -> None:
        """As the others; `counts` are the spikes of the sources so far, `best` the largest count per region.

        Both are integers, of a type that holds as many spikes of either sign as there are steps.
        """
        self.deliver_signed(spikes, NO_SPIKES, ends, counts, best)

    def deliver_signed(self, positive: Spikes, negative: Spikes, ends: Ends, counts: NDArray, best: NDArray) -> None:
        """As `deliver`, of the positive and the negative spikes of one step."""
        at = self.regions
        shapes = at.source_shape, at.target_shape
        _deliver_max(positive, negative, ends, shapes, at.rows, at.columns, (counts, best))

    def unrolled(self) -> csr_array:
        return self.regions.matrix()

    def fan_out(self) -> Indices:
        return self.regions.fan_out()


@njit(cache=True, nogil=True)
def _deliver_max(positive, negative, ends, shapes, rows, columns, state):
    """Count the spikes, and add to each target by how much the largest count in its region has changed.

    A row of regions is done as soon as the last row of units that it spans is counted, while that is in the cache, and
    passed over where nothing spiked. Whole rows of counts are compared, since that needs no branches: it takes less
    time than a search for the regions that spikes change. `state` is the spikes so far of each source neuron, and
    the largest count in each target's region.
    """
    source_start, target, target_start = ends
    (height, width, channels), (height_out, width_out, _) = shapes
    counts, best = state
    row, row_out = width * channels, width_out * channels
    largest = np.empty(row, counts.dtype)
    p = n = 0
    for image in range(counts.size // (height * row)):
        image_start = image * height * row
        for r in range(height_out):
            begin, end = image_start + rows[r, 0] * row, image_start + rows[r, 1] * row
            p = _count_below(end, positive, p, source_start, counts, 1)
            n = _count_below(end, negative, n, source_start, counts, -1)
            last = max(positive[p - 1] if p else 0, negative[n - 1] if n else 0)
            if begin < end and (p or n) and last >= source_start + begin:
                _largest_of_rows(counts[begin:end], largest)
                first = (image * height_out + r) * row_out
                receivers = target[target_start + first : target_start + first + row_out]
                _pass_on(largest, columns, best[first : first + row_out], receivers, channels)
        p = _count_below(image_start + height * row, positive, p, source_start, counts, 1)
        n = _count_below(image_start + height * row, negative, n, source_start, counts, -1)


@njit(cache=True, nogil=True)
def _count_below(end, spikes, k, source_start, counts, sign):
    """Count those from the k-th on of the neurons before `end`; return how many spikes are counted by now."""
    while k < spikes.size and spikes[k] < source_start + end:
        counts[spikes[k] - source_start] += sign
        k += 1
    return k


@njit(cache=True, nogil=True)
def _largest_of_rows(counts, largest):
    """The largest of each column of rows that lie one behind another."""
    row = largest.size
    for i in range(row):
        largest[i] = counts[i]
    for start in range(row, counts.size, row):
        others = counts[start : start + row]
        for i in range(row):
            largest[i] = max(largest[i], others[i])


@njit(cache=True, nogil=True)
def _pass_on(largest, columns, best, receivers, channels):
    """Raise the receiver of each region of a row by the change of its largest count.

    The largest of a region is gathered where its first column was: regions that begin further right do not read that
    one, and those that begin there too hold all columns of this region.
    """
    for x in range(len(columns)):
        first = columns[x, 0] * channels
        if columns[x, 0] == columns[x, 1]:
            continue
        winners = largest[first : first + channels]
        for start in range(first + channels, columns[x, 1] * channels, channels):
            others = largest[start : start + channels]
            for c in range(channels):
                winners[c] = max(winners[c], others[c])
        before, receiver = best[x * channels : (x + 1) * channels], receivers[x * channels : (x + 1) * channels]
        for c in range(channels):
            receiver[c] += np.float32(winners[c]) - np.float32(before[c])
            before[c] = winners[c]

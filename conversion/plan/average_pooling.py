"""Average pooling: a spike adds to each region around it one part of as many as it has units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from scipy.sparse import csr_array

from conversion.plan.geometry import Ends, Indices, Regions, Spikes, regions
from models.graph import Array, Shape


@dataclass(frozen=True, eq=False)
class AverageConnection:
    """Each unit reaches its regions with their weight (height_out, width_out)."""

    regions: Regions
    weight: Array

    def times(self, factor: float) -> AverageConnection:
        return replace(self, weight=self.weight * np.float32(factor))

    def clipped(self) -> AverageConnection:
        return replace(self, weight=np.maximum(self.weight, 0))

    def deliver(self, spikes: Spikes, ends: Ends) -> None:
        at = self.regions
        _deliver_average(spikes, ends, (at.source_shape, at.target_shape), at.reached, self.weight)

    def unrolled(self) -> csr_array:
        matrix = self.regions.matrix()
        per_target = np.repeat(self.weight.ravel(), self.regions.target_shape[2])
        return csr_array((per_target[matrix.indices], matrix.indices, matrix.indptr), shape=matrix.shape)

    def fan_out(self) -> Indices:
        return self.regions.fan_out()


def average(
    source_shape: Shape,
    target_shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    count_padding: bool,
) -> AverageConnection:
    """The mean over each pooling region, as onnxruntime takes it, between maps (channels, height, width).

    A region that hangs over the end of the padded map has only the pixels within it; the zeros of the padding are among
    them if they count.
    """
    found = regions(source_shape, target_shape, kernel, stride, padding)
    if count_padding:
        rows, columns = (
            _reach(source_shape[a + 1] + padding[a] + padding[a + 2], kernel[a], stride[a], target_shape[a + 1])
            for a in range(2)
        )
    else:
        rows, columns = (spans[:, 1] - spans[:, 0] for spans in (found.rows, found.columns))
    units = np.maximum(np.outer(rows, columns), 1)  # of padding alone there is none, and nobody reaches such a region
    return AverageConnection(found, (1 / units).astype(np.float32))


def _reach(size: int, kernel: int, stride: int, n_positions: int) -> Indices:
    """How many pixels of an axis of `size` each position of a kernel covers."""
    return np.minimum(kernel, size - stride * np.arange(n_positions))


@njit(cache=True, nogil=True)
def _deliver_average(spikes, ends, shapes, reached, weight):
    """Add the weight of each region that a unit lies in, `reached` by its row and by its column."""
    source_start, target, target_start = ends
    (height, width, channels), (height_out, width_out, _) = shapes
    rows, columns = reached
    row_start, y, image_target = source_start, 0, target_start
    for spike in spikes:
        while spike >= row_start + width * channels:
            row_start, y = row_start + width * channels, y + 1
            if y == height:
                y, image_target = 0, image_target + height_out * width_out * channels
        x = (spike - row_start) // channels
        receiver = image_target + spike - row_start - x * channels
        for r in range(rows[y, 0], rows[y, 1]):
            for c in range(columns[x, 0], columns[x, 1]):
                target[receiver + (r * width_out + c) * channels] += weight[r, c]

"""Where the neurons of a map are, and which source coordinates are joined to which target coordinates.

The engine's order of the neurons of a map is row, column, channel; ONNX's is channel, row, column.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array

from models.graph import Array, Shape

Indices = NDArray[np.int64]
Spikes = NDArray[np.int32]
Ends = tuple[int, Array, int]  # where the source starts, the variable that is raised, where the target starts


def neuron_order(shape: Shape) -> Indices:
    """For each element of an array of ONNX's `shape`, flattened, the index of its neuron."""
    if len(shape) == 1:
        return np.arange(shape[0])
    channels, height, width = shape
    return np.arange(math.prod(shape)).reshape(height, width, channels).transpose(2, 0, 1).ravel()


def channels_last(shape: Shape) -> Shape:
    return shape[1], shape[2], shape[0]


class Taps(NamedTuple):
    """Which kernel positions join a source coordinate to which target coordinates, along one axis.

    The kernel positions are re-ordered (`order`) so that those of any source coordinate x are consecutive: `n_taps[x]`
    of them from `first[x]` on, reaching the targets `target[x]`, `target[x] + step`, ...
    """

    order: Indices
    first: Indices
    n_taps: Indices
    target: Indices
    step: int

    @property
    def table(self) -> tuple[Indices, Indices, Indices, int]:
        return self.first, self.n_taps, self.target, self.step

    def pairs(self) -> tuple[Indices, Indices, Indices]:
        """Every (source coordinate, tap, target coordinate) that is joined."""
        source, nth = _repeated(self.n_taps)
        return source, self.first[source] + nth, self.target[source] + nth * self.step


def axis_taps(size: int, kernel: int, stride: int, dilation: int, padding: int, n_positions: int) -> Taps:
    """The taps of a kernel that slides along an axis of `size`: source = target * stride + k * dilation - padding.

    The positions k that reach one source coordinate agree in k * dilation modulo the stride; grouped by that
    and in falling order, their targets rise in equal steps.
    """
    order = np.array(sorted(range(kernel), key=lambda k: (k * dilation % stride, -k)))
    distance = np.arange(size)[:, None] + padding - order[None, :] * dilation
    joined = (distance % stride == 0) & (distance >= 0) & (distance < n_positions * stride)
    first = np.where(joined.any(axis=1), joined.argmax(axis=1), 0)
    target = distance[np.arange(size), first] // stride
    return Taps(order, first, joined.sum(axis=1), target, dilation // math.gcd(dilation, stride))


@dataclass(frozen=True, eq=False)
class Regions:
    """Pooling regions, without padding: what is in `rows[y]` and `columns[x]`, each (first, behind the last).

    Shapes are (height, width, channels).
    """

    source_shape: Shape
    target_shape: Shape
    rows: Indices
    columns: Indices

    @cached_property
    def reached(self) -> tuple[Indices, Indices]:
        """The regions that each source row and each source column lies in, as (first, behind the last)."""
        axes = (self.rows, self.source_shape[0]), (self.columns, self.source_shape[1])
        rows, columns = (
            np.column_stack([np.searchsorted(spans[:, end], np.arange(size), side="right") for end in (1, 0)])
            for spans, size in axes
        )
        return rows, columns

    def matrix(self) -> csr_array:
        """Which source neurons lie in which region: a matrix of ones (n_source, n_target)."""
        (_, width, channels), (_, width_out, _) = self.source_shape, self.target_shape
        y_out, y = (pair[:, None, None] for pair in _members(self.rows))
        x_out, x = (pair[None, :, None] for pair in _members(self.columns))
        channel = np.arange(channels)
        source, target = (y * width + x) * channels + channel, (y_out * width_out + x_out) * channels + channel
        return csr(np.ones(()), source, target, (math.prod(self.source_shape), math.prod(self.target_shape)))

    def fan_out(self) -> Indices:
        """In how many regions each source neuron lies."""
        per_row, per_column = (spans[:, 1] - spans[:, 0] for spans in self.reached)
        return np.repeat(np.outer(per_row, per_column).ravel(), self.source_shape[2])


def regions(
    source_shape: Shape,
    target_shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> Regions:
    """Those of a pooling layer between maps (channels, height, width)."""
    first = (np.arange(target_shape[a + 1]) * stride[a] - padding[a] for a in range(2))
    rows, columns = (np.clip(np.column_stack([f, f + kernel[a]]), 0, source_shape[a + 1]) for a, f in enumerate(first))
    return Regions(channels_last(source_shape), channels_last(target_shape), rows, columns)


def csr(weight: ArrayLike, source: Indices, target: Indices, shape: tuple[int, int]) -> csr_array:
    """The sparse matrix of the synapses (weight, source, target), broadcast against each other."""
    data, i, j = (a.ravel() for a in np.broadcast_arrays(weight, source, target))
    return coo_array((data.astype(np.float32), (i, j)), shape=shape).tocsr()


def _members(spans: Indices) -> tuple[Indices, Indices]:
    """Every (region, source coordinate in it) along an axis."""
    region, nth = _repeated(spans[:, 1] - spans[:, 0])
    return region, spans[region, 0] + nth


def _repeated(counts: Indices) -> tuple[Indices, Indices]:
    """Each index i as often as `counts[i]` says, and the number of each repetition."""
    index = np.repeat(np.arange(len(counts)), counts)
    return index, np.arange(len(index)) - np.repeat(np.cumsum(counts) - counts, counts)

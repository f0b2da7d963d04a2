"""How one population reaches the next, as arrays in the engine's order of neurons.

Each connection knows three things: what a spike delivers with shared weights (`deliver`), the same connection
unrolled into one weight per synapse (`unrolled`), and how many synapses each source neuron has (`fan_out`).
The engine's order of the neurons of a map is row, column, channel; ONNX's is channel, row, column.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array

from conversion.plan import kernels
from models.graph import Array, Shape

Indices = NDArray[np.int64]
Spikes = NDArray[np.int32]
Ends = tuple[int, Array, int]  # where the source starts, the variable that is raised, where the target starts


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
        source = np.repeat(np.arange(len(self.n_taps)), self.n_taps)
        nth = np.arange(len(source)) - np.repeat(np.cumsum(self.n_taps) - self.n_taps, self.n_taps)
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
class DenseConnection:
    """Every source neuron reaches every target neuron; weight (n_source, n_target)."""

    weight: Array

    def times(self, factor: float) -> DenseConnection:
        return DenseConnection(self.weight * np.float32(factor))

    def deliver(self, spikes: Spikes, ends: Ends) -> None:
        kernels.deliver_dense(spikes, ends, self.weight)

    def unrolled(self) -> csr_array:
        n_source, n_target = self.weight.shape
        indices = np.tile(np.arange(n_target), n_source)
        return csr_array((self.weight.ravel(), indices, np.arange(n_source + 1) * n_target), shape=self.weight.shape)

    def fan_out(self) -> Indices:
        return np.full(self.weight.shape[0], self.weight.shape[1])


@dataclass(frozen=True, eq=False)
class ConvConnection:
    """A convolution; shapes are (height, width, channels), kernel (c_in, k_y, k_x, c_out / groups) in tap order."""

    source_shape: Shape
    target_shape: Shape
    kernel: Array
    rows: Taps
    columns: Taps
    groups: int

    def times(self, factor: float) -> ConvConnection:
        return replace(self, kernel=self.kernel * np.float32(factor))

    def deliver(self, spikes: Spikes, ends: Ends) -> None:
        shapes = self.source_shape, self.target_shape
        kernels.deliver_conv(spikes, ends, shapes, self.kernel, self.rows.table, self.columns.table, self.groups)

    def unrolled(self) -> csr_array:
        (_, width, channels), (_, width_out, channels_out) = self.source_shape, self.target_shape
        per_group = self.kernel.shape[3]
        y, tap_y, y_out = (pair[:, None, None, None] for pair in self.rows.pairs())
        x, tap_x, x_out = (pair[None, :, None, None] for pair in self.columns.pairs())
        channel = np.arange(channels)[:, None]
        out = channel // (channels // self.groups) * per_group + np.arange(per_group)
        source = (y * width + x) * channels + channel
        target = (y_out * width_out + x_out) * channels_out + out
        weight = self.kernel[channel, tap_y, tap_x, np.arange(per_group)]
        return _csr(weight, source, target, (math.prod(self.source_shape), math.prod(self.target_shape)))

    def fan_out(self) -> Indices:
        per_pixel = self.rows.n_taps[:, None] * self.columns.n_taps[None, :] * self.kernel.shape[3]
        return np.repeat(per_pixel.ravel(), self.source_shape[2])


@dataclass(frozen=True, eq=False)
class SparseConnection:
    """Any other linear map, one stored weight per synapse: pooling, junctions, concatenation."""

    weight: csr_array

    def times(self, factor: float) -> SparseConnection:
        return SparseConnection(self.weight * np.float32(factor))

    def deliver(self, spikes: Spikes, ends: Ends) -> None:
        w = self.weight
        kernels.deliver_sparse(spikes, ends, w.shape, (w.indptr, w.indices), w.data)

    def unrolled(self) -> csr_array:
        return self.weight

    def fan_out(self) -> Indices:
        return np.diff(self.weight.indptr)


@dataclass(frozen=True, eq=False)
class MaxConnection:
    """Spiking max pooling: a target passes a spike on when the largest spike count in its region rises.

    With negative spikes the count of a unit is signed, and a target sends +1 when the largest count in its region rises
    and -1 when it falls. That is exact. In one step no count changes by more than 1: so none exceeds what was the
    largest by more than 1, and the unit that had the largest has lost at most 1. The largest count thus changes by -1,
    0 or 1. All counts begin at 0, and the padding has none, so that it never wins.

    `regions` is a matrix of ones (n_source, n_target).
    """

    regions: csr_array

    def deliver(self, spikes: Spikes, ends: Ends, counts: NDArray, best: NDArray) -> None:
        """As the others; `counts` are the spikes of the sources so far, `best` the largest count per region."""
        w = self.regions
        kernels.deliver_max(spikes, ends, w.shape, (w.indptr, w.indices), (counts, best))

    def deliver_signed(self, positive: Spikes, negative: Spikes, ends: Ends, counts: NDArray, best: NDArray) -> None:
        """As `deliver`, of the positive and the negative spikes of one step."""
        self.deliver(positive, ends, counts, best)
        w, of = self.regions, self._units
        kernels.deliver_max_falls(
            negative, ends, w.shape, (w.indptr, w.indices), (of.indptr, of.indices), (counts, best)
        )

    @cached_property
    def _units(self) -> csr_array:
        """The units of each region, (n_target, n_source)."""
        return self.regions.T.tocsr()

    def unrolled(self) -> csr_array:
        return self.regions

    def fan_out(self) -> Indices:
        return np.diff(self.regions.indptr)


Connection = DenseConnection | ConvConnection | SparseConnection | MaxConnection


def neuron_order(shape: Shape) -> Indices:
    """For each element of an array of ONNX's `shape`, flattened, the index of its neuron."""
    if len(shape) == 1:
        return np.arange(shape[0])
    channels, height, width = shape
    return np.arange(math.prod(shape)).reshape(height, width, channels).transpose(2, 0, 1).ravel()


def dense(weight: Array, source_shape: Shape) -> DenseConnection:
    """Weight (out, in) of a layer that reads a map of `source_shape`, flattened, or a vector."""
    by_neuron = np.empty((weight.shape[1], weight.shape[0]), np.float32)
    by_neuron[neuron_order(source_shape)] = weight.T
    return DenseConnection(by_neuron)


def conv(
    weight: Array,
    source_shape: Shape,
    target_shape: Shape,
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> ConvConnection:
    """Weight (out, in / groups, k_y, k_x) between maps (channels, height, width)."""
    rows, columns = (
        axis_taps(source_shape[a + 1], weight.shape[a + 2], stride[a], dilation[a], padding[a], target_shape[a + 1])
        for a in range(2)
    )
    channels_out, per_group_in, *_ = weight.shape
    split = weight.reshape(groups, channels_out // groups, per_group_in, *weight.shape[2:])
    kernel = split.transpose(0, 2, 3, 4, 1).reshape(-1, *weight.shape[2:], channels_out // groups)
    kernel = np.ascontiguousarray(kernel[:, rows.order][:, :, columns.order], np.float32)
    return ConvConnection(_channels_last(source_shape), _channels_last(target_shape), kernel, rows, columns, groups)


def elementwise(weight: Array | float, source_shape: Shape, target_shape: Shape, offset: int = 0) -> SparseConnection:
    """Element i of the source (in ONNX's order) reaches element `offset + i` of the target with `weight[i]`."""
    elements = np.arange(math.prod(source_shape))
    return SparseConnection(_in_neuron_order(weight, elements, elements + offset, source_shape, target_shape))


def upsampling(source_shape: Shape, target_shape: Shape, factor: tuple[int, int]) -> SparseConnection:
    """Each pixel of the source reaches all those that it becomes, `factor` rows and columns."""
    target = np.arange(math.prod(target_shape))
    channel, row, column = np.unravel_index(target, target_shape)
    source = np.ravel_multi_index((channel, row // factor[0], column // factor[1]), source_shape)
    return SparseConnection(_in_neuron_order(1.0, source, target, source_shape, target_shape))


def pooling_regions(
    source_shape: Shape,
    target_shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> csr_array:
    """Which source neurons lie in which pooling region: a matrix of ones (n_source, n_target)."""
    rows, columns = (
        axis_taps(source_shape[a + 1], kernel[a], stride[a], 1, padding[a], target_shape[a + 1]) for a in range(2)
    )
    y, _, y_out = (pair[:, None, None] for pair in rows.pairs())
    x, _, x_out = (pair[None, :, None] for pair in columns.pairs())
    channel = np.arange(source_shape[0])
    source = (y * source_shape[2] + x) * source_shape[0] + channel
    target = (y_out * target_shape[2] + x_out) * source_shape[0] + channel
    return _csr(np.ones(()), source, target, (math.prod(source_shape), math.prod(target_shape)))


def average(
    source_shape: Shape,
    target_shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    count_padding: bool,
) -> SparseConnection:
    """The mean over each pooling region, as onnxruntime takes it.

    A region that hangs over the end of the padded map has only the pixels within it; the zeros of the padding are among
    them if they count.
    """
    regions = pooling_regions(source_shape, target_shape, kernel, stride, padding)
    if count_padding:
        rows, columns = (
            _reach(source_shape[a + 1] + padding[a] + padding[a + 2], kernel[a], stride[a], target_shape[a + 1])
            for a in range(2)
        )
        sizes = np.repeat(np.outer(rows, columns).ravel(), target_shape[0])
    else:
        sizes = np.bincount(regions.indices, minlength=regions.shape[1])
    data = (1 / sizes[regions.indices]).astype(np.float32)
    return SparseConnection(csr_array((data, regions.indices, regions.indptr), shape=regions.shape))


def _reach(size: int, kernel: int, stride: int, n_positions: int) -> Indices:
    """How many pixels of an axis of `size` each position of a kernel covers."""
    return np.minimum(kernel, size - stride * np.arange(n_positions))


def _in_neuron_order(
    weight: Array | float, source: Indices, target: Indices, source_shape: Shape, target_shape: Shape
) -> csr_array:
    shape = (math.prod(source_shape), math.prod(target_shape))
    return _csr(weight, neuron_order(source_shape)[source], neuron_order(target_shape)[target], shape)


def _csr(weight: ArrayLike, source: Indices, target: Indices, shape: tuple[int, int]) -> csr_array:
    data, i, j = (a.ravel() for a in np.broadcast_arrays(weight, source, target))
    return coo_array((data.astype(np.float32), (i, j)), shape=shape).tocsr()


def _channels_last(shape: Shape) -> Shape:
    return shape[1], shape[2], shape[0]

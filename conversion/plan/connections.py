"""How one population reaches the next, as arrays in the engine's order of neurons.

Each connection knows three things: what a spike delivers with shared weights (`deliver`), the same connection
unrolled into one weight per synapse (`unrolled`), and how many synapses each source neuron has (`fan_out`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from conversion.plan import kernels
from conversion.plan.average_pooling import AverageConnection
from conversion.plan.geometry import Ends, Indices, Spikes, Taps, axis_taps, channels_last, csr, neuron_order
from conversion.plan.max_pooling import MaxConnection
from conversion.plan.release import ReleaseConnection
from models.graph import Array, Shape


@dataclass(frozen=True, eq=False)
class DenseConnection:
    """Every source neuron reaches every target neuron; weight (n_source, n_target)."""

    weight: Array

    def times(self, factor: float) -> DenseConnection:
        return DenseConnection(self.weight * np.float32(factor))

    def clipped(self) -> DenseConnection:
        return DenseConnection(np.maximum(self.weight, 0))

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

    def clipped(self) -> ConvConnection:
        return replace(self, kernel=np.maximum(self.kernel, 0))

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
        return csr(weight, source, target, (math.prod(self.source_shape), math.prod(self.target_shape)))

    def fan_out(self) -> Indices:
        per_pixel = self.rows.n_taps[:, None] * self.columns.n_taps[None, :] * self.kernel.shape[3]
        return np.repeat(per_pixel.ravel(), self.source_shape[2])


@dataclass(frozen=True, eq=False)
class SparseConnection:
    """Any other linear map, one stored weight per synapse: junctions, concatenation, upsampling."""

    weight: csr_array

    def times(self, factor: float) -> SparseConnection:
        return SparseConnection(self.weight * np.float32(factor))

    def clipped(self) -> SparseConnection:
        return SparseConnection(csr_array(self.weight.maximum(0)))

    def deliver(self, spikes: Spikes, ends: Ends) -> None:
        w = self.weight
        kernels.deliver_sparse(spikes, ends, w.shape, (w.indptr, w.indices), w.data)

    def unrolled(self) -> csr_array:
        return self.weight

    def fan_out(self) -> Indices:
        return np.diff(self.weight.indptr)


Connection = DenseConnection | ConvConnection | SparseConnection | AverageConnection | MaxConnection | ReleaseConnection


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
    return ConvConnection(channels_last(source_shape), channels_last(target_shape), kernel, rows, columns, groups)


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


def _in_neuron_order(
    weight: Array | float, source: Indices, target: Indices, source_shape: Shape, target_shape: Shape
) -> csr_array:
    shape = (math.prod(source_shape), math.prod(target_shape))
    return csr(weight, neuron_order(source_shape)[source], neuron_order(target_shape)[target], shape)

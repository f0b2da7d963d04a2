"""The inner loops of the engine: what the spikes of one step add to their targets (numba, one core).

Neurons are laid out image by image and, within an image, row by row with the channels last, so that the targets
of one spike through one row of a convolution kernel are contiguous in memory and so are the weights.
In every function `spikes` holds the indices that spiked, in the source's group and in rising order, so that the image
of a spike is found by stepping on and not by dividing; `ends` are where the source population starts in its group, the
variable of the target's group that is raised, and where the target population starts in it.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, inline="always")
def _add_rows(receiver, weights, starts, n, offset):
    """Add to the receiver the n rows of as many weights that begin at `starts` + `offset`, in this order.

    Four at a time, then two, then one: what is received is read and written less often, and several rows come from
    memory at once. The sums are those of one after another, to the last bit.
    """
    size, i = receiver.size, 0
    while i + 4 <= n:
        a = weights[starts[i] + offset : starts[i] + offset + size]
        b = weights[starts[i + 1] + offset : starts[i + 1] + offset + size]
        c = weights[starts[i + 2] + offset : starts[i + 2] + offset + size]
        d = weights[starts[i + 3] + offset : starts[i + 3] + offset + size]
        for j in range(size):
            receiver[j] = (((receiver[j] + a[j]) + b[j]) + c[j]) + d[j]
        i += 4
    if i + 2 <= n:
        a = weights[starts[i] + offset : starts[i] + offset + size]
        b = weights[starts[i + 1] + offset : starts[i + 1] + offset + size]
        for j in range(size):
            receiver[j] = (receiver[j] + a[j]) + b[j]
        i += 2
    if i < n:
        a = weights[starts[i] + offset : starts[i] + offset + size]
        for j in range(size):
            receiver[j] += a[j]


@njit(cache=True, nogil=True)
def deliver_dense(spikes, ends, weight):
    """Each spike adds its row of `weight` (n_source, n_target)."""
    source_start, target, target_start = ends
    n_source, n_target = weight.shape
    weights, starts = weight.reshape(-1), np.empty(n_source, np.int64)
    k = 0
    while k < spikes.size:
        image = (spikes[k] - source_start) // n_source
        image_start, first, n = source_start + image * n_source, target_start + image * n_target, 0
        while k < spikes.size and spikes[k] < image_start + n_source:
            starts[n] = (spikes[k] - image_start) * n_target
            n, k = n + 1, k + 1
        _add_rows(target[first : first + n_target], weights, starts, n, 0)


@njit(cache=True, nogil=True)
def deliver_sparse(spikes, ends, shape, rows, weight):
    """Each spike adds its row of a compressed sparse matrix of that shape; `rows` are its indptr and indices."""
    source_start, target, target_start = ends
    (n_source, n_target), (indptr, indices) = shape, rows
    image_start, first = source_start, target_start
    for spike in spikes:
        while spike >= image_start + n_source:
            image_start, first = image_start + n_source, first + n_target
        neuron = spike - image_start
        for entry in range(indptr[neuron], indptr[neuron + 1]):
            target[first + indices[entry]] += weight[entry]


@njit(cache=True, nogil=True)
def deliver_conv(spikes, ends, shapes, kernel, rows, columns, groups):
    """Each spike adds the kernel, seen from its input channel, around its position.

    `shapes` are those of the maps, `kernel` is (c_in, k_y, k_x, c_out / groups); `rows` and `columns` are the tap
    tables of `geometry.Taps`. The spikes of one pixel (and group of channels) go together to each row around it; one
    that is alone there, as most are where channels are few, is spared what that takes.
    """
    source_start, target, target_start = ends
    (height, width, channels), (height_out, width_out, channels_out) = shapes
    row_first, row_count, row_target, row_step = rows
    column_first, column_count, column_target, column_step = columns
    channels_in, _, kernel_width, per_group = kernel.shape
    together = channels // groups
    weights, starts = kernel.reshape(-1), np.empty(together, np.int64)
    per_channel = weights.size // channels_in
    contiguous = column_step == 1 and groups == 1
    row_start, y, image_target = source_start, 0, target_start
    k = 0
    while k < spikes.size:
        while spikes[k] >= row_start + width * channels:
            row_start, y = row_start + width * channels, y + 1
            if y == height:
                y, image_target = 0, image_target + height_out * width_out * channels_out
        unit = (spikes[k] - row_start) // together
        x, group = (unit // groups, unit % groups) if groups > 1 else (unit, 0)
        channel_0, end = row_start + x * channels, row_start + (unit + 1) * together
        if contiguous and (k + 1 == spikes.size or spikes[k + 1] >= end):
            start = (spikes[k] - channel_0) * per_channel + column_first[x] * per_group
            size = column_count[x] * per_group
            for tap in range(row_count[y]):
                within = start + (row_first[y] + tap) * kernel_width * per_group
                pixel_out = (row_target[y] + tap * row_step) * width_out + column_target[x]
                first = image_target + pixel_out * channels_out
                receiver, sender = target[first : first + size], weights[within : within + size]
                for j in range(size):
                    receiver[j] += sender[j]
            k += 1
            continue
        n = 0
        while k < spikes.size and spikes[k] < end:
            starts[n] = (spikes[k] - channel_0) * per_channel
            n, k = n + 1, k + 1
        pieces, size = (1, column_count[x] * per_group) if contiguous else (column_count[x], per_group)
        for tap in range(row_count[y]):
            within = ((row_first[y] + tap) * kernel_width + column_first[x]) * per_group
            pixel_out = (row_target[y] + tap * row_step) * width_out + column_target[x]
            for piece in range(pieces):
                first = image_target + (pixel_out + piece * column_step) * channels_out + group * per_group
                _add_rows(target[first : first + size], weights, starts, n, within + piece * per_group)

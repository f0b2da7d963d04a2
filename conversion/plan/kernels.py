"""The inner loops of the engine: what the spikes of one step add to their targets (numba, one core).

Neurons are laid out image by image and, within an image, row by row with the channels last, so that the targets
of one spike through one row of a convolution kernel are contiguous in memory and so are the weights.
In every function `spikes` holds the indices that spiked, in the source's group and in rising order, so that the image
of a spike is found by stepping on and not by dividing; `ends` are where the source population starts in its group, the
variable of the target's group that is raised, and where the target population starts in it.
"""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def deliver_dense(spikes, ends, weight):
    """Each spike adds its row of `weight` (n_source, n_target)."""
    source_start, target, target_start = ends
    n_source, n_target = weight.shape
    for spike in spikes:
        image, neuron = divmod(spike - source_start, n_source)
        row = weight[neuron]
        first = target_start + image * n_target
        receiver = target[first : first + n_target]
        for j in range(n_target):
            receiver[j] += row[j]


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
    tables of `connections.Taps`.
    """
    source_start, target, target_start = ends
    source_shape, target_shape = shapes
    _, width, channels = source_shape
    height_out, width_out, channels_out = target_shape
    n_source = source_shape[0] * width * channels
    n_target = height_out * width_out * channels_out
    row_first, row_count, row_target, row_step = rows
    column_first, column_count, column_target, column_step = columns
    per_group = kernel.shape[3]
    channels_per_group = channels // groups
    weights = kernel.reshape(-1)
    contiguous = column_step == 1 and groups == 1
    image_start, image_target = source_start, target_start
    for spike in spikes:
        while spike >= image_start + n_source:
            image_start, image_target = image_start + n_source, image_target + n_target
        pixel, channel = divmod(spike - image_start, channels)
        y, x = divmod(pixel, width)
        n_columns = column_count[x]
        origin = image_target + channel // channels_per_group * per_group
        for tap in range(row_count[y]):
            weight_start = (
                (channel * kernel.shape[1] + row_first[y] + tap) * kernel.shape[2] + column_first[x]
            ) * per_group
            target_row = origin + (row_target[y] + tap * row_step) * width_out * channels_out
            first = target_row + column_target[x] * channels_out
            if contiguous:
                receiver = target[first : first + n_columns * per_group]
                sender = weights[weight_start : weight_start + n_columns * per_group]
                for j in range(n_columns * per_group):
                    receiver[j] += sender[j]
            else:
                for k in range(n_columns):
                    position = first + k * column_step * channels_out
                    for j in range(per_group):
                        target[position + j] += weights[weight_start + k * per_group + j]

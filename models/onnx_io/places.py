"""Tensors that hold the values of a layer in another order: which value each element is, as an array of places.

`places` has the shape of the tensor without the batch; each entry is the index of an element of the layer's output,
flattened, or -1 for a zero. Transposing, reshaping, slicing, gathering and concatenating are done to this array alone.
What then reads the tensor takes the order up in its weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.graph import Array, Shape

Places = NDArray[np.int64]
ZERO = -1


def in_order(shape: Shape) -> Places:
    """Every value of a layer of this shape, in its own order."""
    return np.arange(math.prod(shape)).reshape(shape)


def is_in_order(places: Places, shape: Shape) -> bool:
    """Whether a tensor holds every value of a layer of this shape in its own order, whatever the tensor's own shape."""
    return places.size == math.prod(shape) and bool(np.array_equal(places.ravel(), np.arange(places.size)))


def reading(weight: Array, places: Places, shape: Shape) -> Array:
    """Weights (out, n) that read a vector of places as weights (out, size) that read the layer itself."""
    filled = places != ZERO
    by_element = np.zeros((math.prod(shape), len(weight)), weight.dtype)
    np.add.at(by_element, places[filled], weight.T[filled])
    return by_element.T


def as_convolution(places: Places, shape: Shape) -> tuple[Array, tuple[int, int]] | None:
    """Weights of ones and zeros and strides that make maps of `places` from maps of `shape`, if a convolution can.

    It can take channels, in any order, and every n-th row and column from a first one on.
    """
    if places.ndim != 3 or len(shape) != 3 or not np.any(places != ZERO):
        return None
    (channels, height, width), (_, rows, columns) = shape, places.shape
    filled = places[:, 0, 0] != ZERO
    one = places[np.flatnonzero(filled)[0]] if filled.any() else places[0]
    down = int(one[1, 0] - one[0, 0]) // width if rows > 1 else 1
    right = int(one[0, 1] - one[0, 0]) if columns > 1 else 1
    kernel = height - down * (rows - 1), width - right * (columns - 1)
    channel, pixel = np.divmod(places[:, 0, 0], height * width)
    row, column = np.divmod(pixel, width)
    wanted = places[:, :1, :1] + down * width * np.arange(rows)[:, None] + right * np.arange(columns)
    fits = min(down, right) > 0 and np.all(row[filled] < kernel[0]) and np.all(column[filled] < kernel[1])
    if not fits or not np.array_equal(places, np.where(filled[:, None, None], wanted, ZERO)):
        return None
    weight = np.zeros((len(places), channels, *kernel), np.float32)
    weight[filled, channel[filled], row[filled], column[filled]] = 1
    return weight, (down, right)


def whole_windows(rows: Places, shape: Shape, kernel: Sequence[int]) -> Places | None:
    """Which window of a layer of maps, in their order, each row of places holds, its pixels in any order.

    The windows are those of pooling with this kernel and no overlap; None if a row is no whole window.
    """
    channels, height, width = shape
    if height % kernel[0] or width % kernel[1] or rows.shape[1] != math.prod(kernel) or np.any(rows == ZERO):
        return None
    pooled = in_order((channels, height // kernel[0], width // kernel[1]))
    window = pooled.repeat(kernel[0], 1).repeat(kernel[1], 2).ravel()[rows]
    different = np.all(np.diff(np.sort(rows, axis=1), axis=1) > 0)
    return window[:, 0] if different and np.all(window == window[:, :1]) else None


def without_border(places: Places) -> tuple[Places, tuple[int, int, int, int]]:
    """Maps without the rows and columns at their edges that hold nothing but zeros, and how many there are of them."""
    rows, columns = (np.flatnonzero(np.any(places != ZERO, axis=axes)) for axes in ((0, 2), (0, 1)))
    if not rows.size:
        return places, (0, 0, 0, 0)
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    border = int(top), int(left), int(places.shape[1] - bottom), int(places.shape[2] - right)
    return places[:, top:bottom, left:right], border


def in_layer(values: NDArray[np.float64], places: Places, shape: Shape, other: float) -> NDArray[np.float64] | None:
    """Values per element of a tensor as values per element of the layer, `other` where it has none there.

    None if two elements of one place differ, or if those that are zeros would be other than `other`.
    """
    if values.size == 1 and not np.any(places == ZERO):
        return values.reshape((1,) * len(shape))
    spread, filled = np.broadcast_to(values, places.shape), places != ZERO
    by_element = np.full(math.prod(shape), other)
    by_element[places[filled]] = spread[filled]
    alike = np.array_equal(by_element[places[filled]], spread[filled]) and np.all(spread[~filled] == other)
    return compressed(by_element.reshape(shape)) if alike else None


def compressed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """With a single entry along each axis, from the last one on, along which nothing changes."""
    for axis in reversed(range(values.ndim)):
        first = np.take(values, [0], axis)
        if not np.array_equal(np.broadcast_to(first, values.shape), values):
            return values
        values = first
    return values

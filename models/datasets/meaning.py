"""What arrays of images and labels mean: which axis holds the channels, which value is white, which class is meant.

Nothing is guessed: what can be meant in two ways is refused, with what to write instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.detection import COLUMNS, NO_BOX
from models.graph import Array, Shape
from models.standardisation import Standardisation, StandardisationError

Labels = NDArray[np.int64]
CHANNELS = (1, 3)
PIXELS = Standardisation()
BRIGHT = 128  # bytes of many images that are all darker are no bytes, but numbers that end at 16 or 1
ROUNDING = 1e-3
CLASSES = 2**31  # more are none


class DatasetError(ValueError):
    """Data that cannot be found, or of which it cannot be told what they are."""


def as_images(
    source: str, x: NDArray[Any], shape: Shape | None = None, said: Standardisation = PIXELS, is_read: bool = False
) -> Array:
    """Pixels, float32 (N, C, H, W) or (N, features), of the forms in which people keep images.

    Parameters
    ----------
    source : str
        Where they come from, for messages.
    x : array
        Of shape (N, H, W), (N, H, W, C), (N, C, H, W) or (N, features). Whole numbers are bytes, of which 255 is white.
        Floats are pixels in [0, 1], or in [-1, 1] after their mean was subtracted.
    shape : tuple of int, optional
        What a network reads; where it decides, it says which axis holds the channels.
    said : Standardisation
        Of the network. Where it says something, floats beyond [0, 1] are what the network reads, and are turned back.
    is_read : bool
        Whether x is what the network reads, whatever its values.

    Raises
    ------
    DatasetError
        If they are something else, or can be meant in two ways.
    """
    return as_pixels(source, in_axes(source, x, shape), said, is_read)


def as_pixels(source: str, x: NDArray[Any], said: Standardisation, is_read: bool = False) -> Array:
    """The values of `as_images`, in axes that are as they must be."""
    whole = x.dtype.kind in "iu"
    if not whole and x.dtype.kind not in "bf":
        raise DatasetError(f"{source}: x has type {x.dtype}; known are whole numbers of 0 to 255, floats and bool")
    low, high = x.min(), x.max()
    if not np.isfinite([low, high]).all():
        raise DatasetError(f"{source}: pixels lie between {low} and {high}; they must be finite and in [-1, 1]")
    if is_read:
        return _turned_back(source, x, said)
    scaled = "scale" in said.said
    if whole and low >= 0 and high <= 255 and (high >= BRIGHT or high == 0) and (x.dtype == np.uint8 or not scaled):
        return np.ascontiguousarray(x, np.float32) / np.float32(255)
    if whole and not scaled:
        raise DatasetError(
            f"{source}: x has type {x.dtype} and reaches from {low} to {high}, so that it cannot be told which number "
            "is white; divide x by it and save floats in [0, 1], or, if the network reads these numbers, say scale"
        )
    if whole or (said.said and (low < 0 or high > 1)):
        return _turned_back(source, x, said)
    if low < -1 or high > 1:
        raise DatasetError(
            f"{source}: pixels lie between {low} and {high}; they must be finite and in [-1, 1]: divide x by what is "
            "white, or, if the network reads these values, say its scale (255 of bytes), mean and std"
        )
    return np.ascontiguousarray(x, np.float32)


def _turned_back(source: str, x: NDArray[Any], said: Standardisation) -> Array:
    try:
        pixels = said.pixels(x.astype(float))
    except StandardisationError as error:
        raise DatasetError(f"{source}: {error}") from None
    low, high = pixels.min(), pixels.max()
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        told = ", ".join(f"{name} {value if np.ndim(value) == 0 else '...'}" for name, value in said.said.items())
        raise DatasetError(
            f"{source}: x reaches from {x.min():g} to {x.max():g}, which by {told} are pixels from {low:g} to "
            f"{high:g}, not in [0, 1]; the network reads (scale * pixel - mean) / std"
        )
    return np.clip(pixels, 0, 1).astype(np.float32)


def of_bytes(source: str, x: NDArray[np.uint8]) -> Array:
    """What certainly are bytes, however dark, as `as_images` gives them."""
    return np.ascontiguousarray(in_axes(source, x), np.float32) / np.float32(255)


def in_axes(source: str, x: NDArray[Any], shape: Shape | None = None) -> NDArray[Any]:
    """Images with the channels first, as (N, *shape) where a network's shape is given and fits."""
    if shape is not None and x.ndim > 1 and x.size:
        ways = [way for way in _ways(source, x, shape) if way.shape[1:] == shape]
        if ways and all(np.array_equal(way, ways[0]) for way in ways[1:]):
            return ways[0]
        if ways:
            raise DatasetError(
                f"{source}: x has shape {x.shape}, and the network reads {shape} in more than one order of these axes; "
                "save x with this shape behind the number of images, and with axes of different sizes"
            )
    if x.ndim in (2, 3) and x.size:
        return x if x.ndim == 2 else x[:, None]
    if x.ndim == 4 and x.size and (x.shape[1] in CHANNELS) != (x.shape[3] in CHANNELS):
        return x if x.shape[1] in CHANNELS else x.transpose(0, 3, 1, 2)
    known = "(N, H, W), (N, H, W, C), (N, C, H, W) and (N, features), where exactly one of the axes can be the channels"
    wanted = ": C is 1 or 3" if shape is None else f": the network reads {shape}"
    raise DatasetError(f"{source}: x has shape {x.shape}; known are {known}{wanted}")


def _ways(source: str, x: NDArray[Any], shape: Shape) -> list[NDArray[Any]]:
    """The orders of axes that x can be meant in: channels first or last, a map of one row, features."""
    if len(shape) == 1:
        return [x if x.ndim == 2 else flat(source, x, shape)]
    if x.ndim == 4:
        return [x, x.transpose(0, 3, 1, 2)]
    if x.ndim == 3:
        return [x[:, None], x[:, :, None], x.transpose(0, 2, 1)[:, :, None]]
    return [x.reshape(-1, *shape)] if shape[0] == 1 and x[0].size == np.prod(shape) else []


def flat(source: str, x: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Maps of one channel as features; raises `DatasetError` of colours, which come in one order or another."""
    if x.ndim == 4 and 1 not in (x.shape[1], x.shape[3]) and x[0].size == shape[0]:
        raise DatasetError(
            f"{source}: the network reads {shape[0]} features, and images of shape {x.shape[1:]} become features in "
            "one order or another; save x as (N, features) in the order of the training, or export the network with "
            "its Flatten"
        )
    return x.reshape(len(x), -1)


def as_labels(source: str, y: NDArray[Any], count: int) -> Labels:
    """One class 0, 1, ... for each of `count` images: as (N,), as a column, or as one 1 among zeros in each row."""
    numbers = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    is_table = numbers.ndim == 2 and len(numbers) == count and numbers.size > 0 and numbers.dtype.kind in "biuf"
    if is_table and np.all((y == 0) | (y == 1)) and np.all(y.sum(1) == 1):
        numbers = y.argmax(axis=1)
    known = (
        numbers.shape == (count,)
        and numbers.dtype.kind in "biuf"
        and np.all((numbers >= 0) & (numbers.astype(float) < CLASSES))
    )
    if not known or not np.isfinite(numbers).all() or np.any(numbers != np.floor(numbers)):
        raise DatasetError(
            f"{source}: y is {y.dtype} of shape {y.shape}; {count} images need as many classes from 0, or boxes "
            f"(N, M, {COLUMNS})"
        )
    return numbers.astype(np.int64)


def as_boxes(source: str, y: NDArray[Any], count: int) -> NDArray[np.float32]:
    """Boxes (N, M, 6) as of `models.detection`, checked."""
    if y.shape != (count, *y.shape[1:2], COLUMNS) or y.dtype.kind not in "iuf":
        raise DatasetError(f"{source}: y is {y.dtype} of shape {y.shape}; {count} images need boxes (N, M, {COLUMNS})")
    rows = y[y[..., 0] != NO_BOX].astype(float)
    classes, corners = rows[:, 0], rows[:, 1:5]
    if not np.isfinite(rows).all():
        raise DatasetError(f"{source}: y has a box that is not finite; {NO_BOX} as its class says that there is none")
    wrong = classes[(classes < 0) | (classes != np.floor(classes))]
    if wrong.size:
        raise DatasetError(f"{source}: y has a box of class {wrong[0]:g}; classes are from 0 on, {NO_BOX} is no box")
    if corners.size and (corners.min() < -ROUNDING or corners.max() > 1 + ROUNDING):
        raise DatasetError(
            f"{source}: y has corners from {corners.min():g} to {corners.max():g}; they are shares of the width and "
            "height, in [0, 1]: divide pixels by these"
        )
    if np.any(corners[:, 2:] < corners[:, :2]):
        raise DatasetError(f"{source}: y has boxes that end before they begin; they are (class, x0, y0, x1, y1, last)")
    return y.astype(np.float32)

"""Scenes of several digits of different sizes on a dark canvas, with a box around each: what a detector is trained on.

No digit is in two scenes: each scene has five digits of its own, of which it shows two to five.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.detection import pad_boxes
from models.graph import Array

SIDE = 96
DIGITS = 5
FEWEST = 2
SIZES = (14.0, 48.0)
COVERED = 0.1
TRIES = 50
Rng = np.random.Generator


def compose_scenes(digits: Array, labels: NDArray[np.int64], rng: Rng) -> tuple[Array, NDArray[np.float32]]:
    """Scenes made of digits, a fifth as many.

    Parameters
    ----------
    digits : array, shape (N, 1, height, width)
        White on black, in [0, 1].
    labels : array, shape (N,)

    Returns
    -------
    images : array, shape (N // 5, 1, 96, 96)
    boxes : array, shape (N // 5, 5, 6)
        See `models.detection`; a box reaches from the first to the last pixel that is not black.
    """
    parts = [slice(start, start + DIGITS) for start in range(0, len(digits) - DIGITS + 1, DIGITS)]
    made = [_scene(digits[part, 0], labels[part], rng) for part in parts]
    return np.stack([image for image, _ in made]), pad_boxes([boxes for _, boxes in made])


def _scene(digits: Array, labels: NDArray[np.int64], rng: Rng) -> tuple[Array, Array]:
    canvas, taken = np.zeros((SIDE, SIDE), np.float32), np.zeros((0, 4), int)
    shown = int(rng.integers(FEWEST, DIGITS + 1))
    for digit in digits[:shown]:
        part, (x, y) = _place(digit, taken, rng)
        height, width = part.shape
        canvas[y : y + height, x : x + width] = np.maximum(canvas[y : y + height, x : x + width], part)
        taken = np.vstack([taken, [x, y, x + width, y + height]])
    return canvas[None], np.column_stack([labels[:shown], taken / SIDE, np.zeros(shown)])


def _place(digit: Array, taken: NDArray, rng: Rng) -> tuple[Array, tuple[int, int]]:
    """The digit in a size and at a place (x, y) where it hides none; after each failure it may be a little smaller."""
    size = rng.uniform(*SIZES)
    for _ in range(TRIES):
        part = resize(digit, size)
        x, y = (int(rng.integers(0, SIDE - length + 1)) for length in part.shape[::-1])
        if not _covers(np.array([x, y, x + part.shape[1], y + part.shape[0]]), taken):
            break
        size = max(SIZES[0], 0.95 * size)
    return part, (x, y)


def resize(digit: Array, size: float) -> Array:
    """The part of a digit (height, width) that is not black, its longer side `size` pixels."""
    rows, columns = (np.flatnonzero(digit.any(axis=axis)) for axis in (1, 0))
    tight = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(length * size / max(tight.shape))) for length in tight.shape)
    image = Image.fromarray(np.rint(tight * 255).astype(np.uint8))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float32) / np.float32(255)


def _covers(box: NDArray, taken: NDArray) -> bool:
    """Whether a box and one of those taken share more than a tenth of the smaller of the two."""
    sides = np.minimum(box[2:], taken[:, 2:]) - np.maximum(box[:2], taken[:, :2])
    areas = np.prod(np.vstack([taken, box])[:, 2:] - np.vstack([taken, box])[:, :2], axis=1)
    return bool(np.any(np.prod(np.maximum(sides, 0), axis=1) > COVERED * np.minimum(areas[:-1], areas[-1])))

"""A drawing as a digit such as those of MNIST.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
IEEE 86, 1998: digits are scaled to fit 20 x 20 pixels, and lie with their centre of mass in the middle of 28 x 28.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

SIDE, INSIDE = 28, 20


def digit_of(drawing: Image.Image) -> NDArray[np.float32]:
    """Dark strokes on a light or transparent ground as bright ones on a dark ground, shape (1, 28, 28), in [0, 1].

    Raises
    ------
    ValueError
        If nothing is drawn.
    """
    ground = Image.new("RGBA", drawing.size, "white")
    ink = 255 - np.asarray(Image.alpha_composite(ground, drawing.convert("RGBA")).convert("L"))
    rows, columns = np.flatnonzero(ink.max(axis=1) > 25), np.flatnonzero(ink.max(axis=0) > 25)
    if not len(rows):
        raise ValueError("nothing is drawn yet; draw a digit, or show an image by number")
    box = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    small = ImageOps.contain(box, (INSIDE, INSIDE), Image.Resampling.LANCZOS)
    return _centred(np.asarray(small, np.float32) / np.float32(255))[None]


def _centred(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """On a dark square, with the centre of mass in its middle, as far as the borders allow."""
    digit = np.zeros((SIDE, SIDE), np.float32)
    corner = []
    for axis, size in enumerate(small.shape):
        mass = small.sum(axis=1 - axis)
        centre = (mass * (np.arange(size) + 0.5)).sum() / mass.sum()
        corner.append(int(np.clip(round(SIDE / 2 - centre), 0, SIDE - size)))
    digit[corner[0] : corner[0] + small.shape[0], corner[1] : corner[1] + small.shape[1]] = small
    return digit

"""Boxes as plain arrays, whose numbers `models.detection` explains, and which of them overlap: no network, no file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.graph import Array

NO_BOX = -1
COLUMNS = 6


def pad_boxes(boxes: Sequence[Array]) -> NDArray[np.float32]:
    """The boxes of N images, each (m, 6), as one array (N, M, 6)."""
    result = np.zeros((len(boxes), max(map(len, boxes), default=0), COLUMNS), np.float32)
    result[..., 0] = NO_BOX
    for image, rows in zip(result, boxes, strict=True):
        image[: len(rows)] = rows
    return result


def unpad_boxes(boxes: Array) -> list[Array]:
    """The boxes of each image of an array (N, M, 6), each (m, 6)."""
    return [image[image[:, 0] != NO_BOX] for image in boxes]


def overlaps(one: Array, other: Array) -> NDArray[np.float64]:
    """Intersection over union of corners (n, 4) with corners (m, 4), shape (n, m); 0 for boxes without an area."""
    one, other = one[:, None].astype(np.float64), other[None].astype(np.float64)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    union = _area(one) + _area(other) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def suppress(found: Array, overlap: float) -> Array:
    """Non-maximum suppression per class: found boxes (m, 6), best score first, without the copies of better ones.

    A box goes if its intersection over union with a better one of its class, which itself stays, is above `overlap`.
    """
    found = found[np.argsort(-found[:, 5], kind="stable")]
    stays = np.ones(len(found), bool)
    for number in np.unique(found[:, 0]):
        of_class = np.flatnonzero(found[:, 0] == number)
        stays[of_class] = _best(found[of_class, 1:5], overlap)
    return found[stays]


def _best(corners: Array, overlap: float) -> NDArray[np.bool_]:
    """Which of the boxes of one class, best first, are no copies of a better one that stays."""
    copies, stays = overlaps(corners, corners) > overlap, np.ones(len(corners), bool)
    for i in range(len(corners)):
        if stays[i]:
            stays[i + 1 :] &= ~copies[i, i + 1 :]
    return stays


def _area(corners: Array) -> Array:
    return np.prod(corners[..., 2:] - corners[..., :2], axis=-1)

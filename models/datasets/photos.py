"""Photographs with boxes around objects, read at the size of a network, stretched, as YOLO does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.datasets.files import decode_images, npz_arrays
from models.datasets.meaning import DatasetError, of_bytes
from models.detection import COLUMNS, pad_boxes, unpad_boxes
from models.graph import Array, Shape

SIDE = 224  # of YOLO-LITE
PHOTOGRAPHS: Mapping[str, tuple[str, tuple[int, ...]]] = {  # the file of each, and which of its parts, if it has such
    **{name: (f"{name}.npz", ()) for name in ("voc2007_test14", "indoor_photos", "coco_photos", "photos")},
    "bccd": ("bccd.npz", (2,)),
    "bccd_train": ("bccd.npz", (0, 1)),
}


def read_photographs(
    path: Path, shape: Shape | None = None, parts: Sequence[int] = ()
) -> tuple[Array, NDArray[np.float32]]:
    """The photographs of a file and their boxes (N, M, 6); see `models.detection`.

    The file holds JPEG bytes `blob`, cut at `offset`, and boxes `gt` (class, x0, y0, x1, y1, difficult), cut at
    `gt_offset`, or `boxes` as they are returned; without them there are none.

    Parameters
    ----------
    shape : tuple of int, optional
        Of a network that reads them; by default that of YOLO-LITE.
    parts : sequence of int
        Only the photographs whose `split` is one of these; by default all.

    Raises
    ------
    DatasetError
        If it does not hold this.
    """
    arrays = npz_arrays(path)
    images = decode_images(path, arrays)
    boxes, kept = boxes_of(path, arrays, len(images)), _kept(path, arrays, len(images), parts)
    x = of_bytes(str(path), sized([images[i] for i in kept], shape))
    return x, pad_boxes([boxes[i] for i in kept])


def _kept(path: Path, arrays: Mapping[str, NDArray[Any]], count: int, parts: Sequence[int]) -> list[int]:
    """The photographs of some parts of a file, by their numbers."""
    if not parts:
        return list(range(count))
    split = arrays.get("split")
    if split is None or split.shape != (count,):
        raise DatasetError(f"{path} has no split, a number for each of its {count} photographs")
    if not (kept := np.flatnonzero(np.isin(split, parts)).tolist()):
        raise DatasetError(f"{path}: no photograph has a split of {', '.join(map(str, parts))}")
    return kept


def sized(images: Sequence[Image.Image], shape: Shape | None) -> NDArray[np.uint8]:
    """Images (N, height, width, channels) as a network of this shape reads them: boxes, as shares, stay right."""
    channels, height, width = shape if shape is not None and len(shape) == 3 else (3, SIDE, SIDE)
    mode = "L" if channels == 1 else "RGB"
    made = [image.convert(mode).resize((width, height), Image.Resampling.BILINEAR) for image in images]
    return np.stack([np.asarray(image) for image in made]).reshape(len(made), height, width, -1)


def boxes_of(path: Path, arrays: Mapping[str, NDArray[Any]], count: int) -> list[Array]:
    """The boxes of each photograph, `boxes` or `gt` cut at `gt_offset`; raises `DatasetError`."""
    if "boxes" in arrays:
        return _unpadded(path, arrays["boxes"], count)
    if "gt" not in arrays:
        return [np.empty((0, COLUMNS), np.float32)] * count
    boxes, ends = arrays["gt"], arrays.get("gt_offset")
    if ends is None or ends.ndim != 1 or ends.dtype.kind not in "iu":
        raise DatasetError(f"{path} has no gt_offset, whole numbers: where the boxes of each photograph begin and end")
    if boxes.ndim != 2 or boxes.shape[1] != COLUMNS or len(ends) != count + 1:
        raise DatasetError(f"{path}: gt has shape {boxes.shape} for {max(len(ends) - 1, 0)} of {count} photographs")
    if boxes.dtype.kind not in "iuf" or not np.all(np.isfinite(boxes)):
        raise DatasetError(f"{path}: gt is not all finite numbers")
    if np.any(np.diff([0, *ends.tolist(), len(boxes)]) < 0):
        raise DatasetError(f"{path}: gt_offset is {ends.tolist()[:9]}; it cuts {len(boxes)} boxes, from 0 on, in order")
    return [boxes[start:stop] for start, stop in pairwise(ends)]


def _unpadded(path: Path, boxes: NDArray[Any], count: int) -> list[Array]:
    if boxes.ndim != 3 or boxes.shape[::2] != (count, COLUMNS):
        raise DatasetError(
            f"{path}: boxes has shape {boxes.shape} for {count} photographs; it must be (N, M, {COLUMNS})"
        )
    if boxes.dtype.kind not in "iuf" or not np.all(np.isfinite(boxes)):
        raise DatasetError(f"{path}: boxes is not all finite numbers")
    return unpad_boxes(boxes)

"""Photographs with boxes around the objects of PASCAL VOC, as YOLO-LITE reads them: 224 x 224 pixels, stretched."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.datasets.files import DatasetError, as_images, decode_images, npz_arrays
from models.detection import COLUMNS, pad_boxes
from models.graph import Array

SIDE = 224
PHOTOGRAPHS = ("voc2007_test14", "indoor_photos", "photos")


def read_photographs(path: Path) -> tuple[Array, NDArray[np.float32]]:
    """The photographs of a file and their boxes (N, M, 6); see `models.detection`.

    The file holds JPEG bytes `blob`, cut at `offset`, and boxes `gt` (class, x0, y0, x1, y1, difficult), cut at
    `gt_offset`; without `gt` there are none.

    Raises
    ------
    DatasetError
        If it does not hold this.
    """
    arrays = npz_arrays(path)
    images = [
        image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in decode_images(path, arrays)
    ]
    x = as_images(str(path), np.stack([np.asarray(image) for image in images]))
    return x, pad_boxes(_boxes(path, arrays, len(images)))


def _boxes(path: Path, arrays: dict[str, NDArray], count: int) -> list[Array]:
    if "gt" not in arrays:
        return [np.empty((0, COLUMNS), np.float32)] * count
    boxes, offset = arrays["gt"], arrays.get("gt_offset", np.empty(0))
    if boxes.ndim != 2 or boxes.shape[1] != COLUMNS or offset.shape != (count + 1,):
        raise DatasetError(f"{path}: gt has shape {boxes.shape} for {max(offset.size - 1, 0)} of {count} photographs")
    if boxes.dtype.kind not in "iuf" or not np.all(np.isfinite(boxes)):
        raise DatasetError(f"{path}: gt is not all finite numbers")
    if offset.dtype.kind not in "iu" or np.any(np.diff([0, *offset.tolist(), len(boxes)]) < 0):
        raise DatasetError(
            f"{path}: gt_offset is {offset.tolist()[:9]}; it cuts {len(boxes)} boxes, from 0 on, in order"
        )
    return [boxes[start:stop] for start, stop in pairwise(offset)]

"""How good found boxes are: mean average precision at an overlap of one half, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.detection.boxes import overlaps
from models.graph import Array

OVERLAP = 0.5
LEVELS = 101
SIDE = 1000.0  # of an image, in the units of COCOeval's areas, of which it takes all up to the largest
LARGEST_AREA = 1e10


def mean_average_precision(found: Sequence[Array], truth: Sequence[Array]) -> float:
    """mAP@0.5 of the boxes found in N images: the mean over the classes that the images show.

    A found box is right if its intersection over union with a true one of its class that no better box has taken is at
    least 0.5. Difficult boxes need not be found, and who finds them is neither right nor wrong. The average precision
    of a class is the mean of its precision, the best at this recall or beyond, at 101 equidistant levels of recall, as
    in COCO.

    Parameters
    ----------
    found, truth : sequence of array, shape (m, 6)
        See `models.detection`.

    Returns
    -------
    float
        In [0, 1]; NaN if there is nothing to find.
    """
    found = [_drop_difficult(*image) for image in zip(found, truth, strict=True)]
    truth = [boxes[boxes[:, 5] == 0] for boxes in truth]
    classes = sorted({int(number) for boxes in truth for number in boxes[:, 0]})
    if not classes:
        return float("nan")
    if not any(np.isin(boxes[:, 0], classes).any() for boxes in found):
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools says what it does
        evaluation = COCOeval(_coco(truth, classes), _coco(found, classes), "bbox")
        parameters = evaluation.params
        parameters.iouThrs, parameters.recThrs = np.array([OVERLAP]), np.linspace(0, 1, LEVELS)
        parameters.maxDets, parameters.areaRng, parameters.areaRngLbl = [10**6], [[0, LARGEST_AREA]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"].mean())


def _drop_difficult(found: Array, truth: Array) -> Array:
    """The found boxes of an image without those whose nearest true box, as far as one is near, is difficult."""
    if not len(truth):
        return found
    shared = np.where(found[:, None, 0] == truth[None, :, 0], overlaps(found[:, 1:5], truth[:, 1:5]), 0.0)
    return found[(shared.max(axis=1) < OVERLAP) | (truth[shared.argmax(axis=1), 5] == 0)]


def _coco(boxes: Sequence[Array], classes: list[int]) -> COCO:
    """Boxes as pycocotools holds them; it takes 0 for no identifier, so they count from 1."""
    rows = [(image, row) for image, several in enumerate(boxes) for row in several if int(row[0]) in classes]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in range(len(boxes))],
        "categories": [{"id": number} for number in classes],
        "annotations": [_annotation(i + 1, image, row) for i, (image, row) in enumerate(rows)],
    }
    coco.createIndex()
    return coco


def _annotation(identifier: int, image: int, row: Array) -> dict[str, object]:
    number, x0, y0, x1, y1, last = (float(value) for value in row)
    width, height = SIDE * (x1 - x0), SIDE * (y1 - y0)
    return {
        "id": identifier, "image_id": image, "category_id": int(number), "iscrowd": 0,
        "bbox": [SIDE * x0, SIDE * y0, width, height], "area": width * height, "score": last,
    }  # fmt: skip

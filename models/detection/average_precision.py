"""How good found boxes are: mean average precision at an overlap of one half, by pycocotools, and its interval."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.detection.boxes import overlaps
from models.graph import Array

OVERLAP = 0.5
LEVELS = 101
SIDE = 1000.0  # of an image, in the units of COCOeval's areas, of which it takes all up to the largest
LARGEST_AREA = 1e10
DRAWS = 1000


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
    return _map_of(_evaluate(found, truth))


def map_and_interval(
    found: Sequence[Array], truth: Sequence[Array], draws: int = DRAWS, share: float = 0.95
) -> tuple[float, float, float]:
    """`mean_average_precision` with its interval over the choice of images, by the percentile bootstrap (Efron 1979).

    N images are drawn of the N with replacement, again and again; the random numbers are always the same. A class that
    is in none of the drawn images does not count there.

    Returns
    -------
    tuple of float
        The mAP and both ends; NaN if there is nothing to find.
    """
    evaluation = _evaluate(found, truth)
    if isinstance(evaluation, float):
        return evaluation, evaluation, evaluation
    count = len(truth)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), draws).astype(np.int32)
    outside = 50 * (1 - share)
    low, high = np.nanpercentile(_resampled(evaluation, drawn), [outside, 100 - outside])
    return _map_of(evaluation), float(low), float(high)


def _map_of(evaluation: COCOeval | float) -> float:
    return evaluation if isinstance(evaluation, float) else float(evaluation.eval["precision"].mean())


def _resampled(evaluation: COCOeval, times: NDArray[np.int32]) -> NDArray[np.float64]:
    """The mAP of each row of `times`, which says how often each image is there; shape (draws,)."""
    images = len(evaluation.params.imgIds)
    by_class = (evaluation.evalImgs[start : start + images] for start in range(0, len(evaluation.evalImgs), images))
    return np.nanmean([_average_precision([e for e in each if e is not None], times) for each in by_class], axis=0)


def _average_precision(images: Sequence[dict], times: NDArray[np.int32]) -> NDArray[np.float64]:
    """Of one class, as COCOeval has it for each draw; NaN in draws without a box to find."""
    order = np.argsort(-np.concatenate([image["dtScores"] for image in images]), kind="mergesort")
    right = np.concatenate([image["dtMatches"][0] for image in images])[order] > 0
    owner = np.concatenate([np.full(len(image["dtScores"]), image["image_id"]) for image in images])[order].astype(int)
    there = times[:, [image["image_id"] for image in images]] @ [len(image["gtIds"]) for image in images]
    owned = np.eye(times.shape[1])[owner]  # (boxes, images)
    so_far, hits = (times @ np.cumsum(some, axis=0)[right].T for some in (owned, owned * right[:, None]))
    best = np.maximum.accumulate((hits / np.maximum(so_far, 1))[:, ::-1], axis=1)[:, ::-1]
    best = np.column_stack([best, np.zeros(len(times))])  # beyond the last right box no recall is reached
    recall = hits / np.maximum(there, 1)[:, None]
    levels = np.linspace(0, 1, LEVELS)
    at = np.stack([np.searchsorted(row, levels, side="left") for row in recall])
    return np.where(there > 0, np.take_along_axis(best, at, axis=1).mean(axis=1), np.nan)


def _evaluate(found: Sequence[Array], truth: Sequence[Array]) -> COCOeval | float:
    """What pycocotools finds, or at once the mAP where there is nothing to find (NaN) or nothing was found (0)."""
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
    return evaluation


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

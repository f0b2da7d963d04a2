"""The head of YOLOv2: from a network's raw output to boxes, as pure functions.

Each cell of the output's grid has one box per anchor, of 5 + C numbers: x, y, w, h, objectness and a score per class.
The box's centre is sigmoid(x, y) from the corner of its cell, its size exp(w, h) times the anchor, its score for a
class sigmoid(objectness) * softmax(classes) (Redmon and Farhadi, "YOLO9000: better, faster, stronger", CVPR 2017).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from scipy.special import expit, softmax

from models.detection.boxes import suppress
from models.graph import Array, Shape

SCORE = 0.005  # boxes of a lower score are left out, as in the authors' validation
OVERLAP = 0.45
KEY = "yolo_head"
LARGEST_EXPONENT = 20.0  # a network that spikes may put out anything in its first steps


class HeadError(ValueError):
    """An output that is not that of a YOLO head."""


@dataclass(frozen=True)
class Head:
    """What the numbers of an output mean: anchors (width, height) in cells, and the names of the classes."""

    anchors: tuple[tuple[float, float], ...]
    classes: tuple[str, ...]

    @property
    def channels(self) -> int:
        return len(self.anchors) * (5 + len(self.classes))


def metadata(head: Head) -> Mapping[str, str]:
    """A head as an entry of the metadata of an ONNX file."""
    return {KEY: json.dumps(asdict(head))}


def read_head(path: Path) -> Head:
    """The head that an ONNX file says it has.

    Raises
    ------
    HeadError
        If its metadata has none, or none that can be read.
    """
    entries = {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
    if KEY not in entries:
        raise HeadError(
            f"{path} finds no boxes: its metadata has no {KEY!r}, anchors and classes; see models.detection.metadata"
        )
    try:
        content = json.loads(entries[KEY])
        anchors = tuple((float(width), float(height)) for width, height in content["anchors"])
        return Head(anchors, tuple(map(str, content["classes"])))
    except (ValueError, KeyError, TypeError):
        raise HeadError(f"{path}: {KEY} is {entries[KEY]!r}; it holds anchors (width, height) and classes") from None


def check_output(head: Head, shape: Shape) -> None:
    """Raise `HeadError` unless an output of this shape is one of the head."""
    if len(shape) != 3 or shape[0] != head.channels:
        sizes = f"{len(head.anchors)} anchors and {len(head.classes)} classes"
        raise HeadError(f"the network puts out {shape}, but {sizes} need ({head.channels}, rows, columns)")


def decode(raw: Array, head: Head) -> tuple[Array, Array]:
    """All boxes of an output and their scores.

    Parameters
    ----------
    raw : array, shape (N, anchors * (5 + classes), rows, columns)

    Returns
    -------
    corners : array, shape (N, K, 4), K = anchors * rows * columns
        x0, y0, x1, y1 in shares of the image; they may lie beyond its borders.
    scores : array, shape (N, K, classes)
    """
    n_images, _, rows, columns = raw.shape
    values = raw.reshape(n_images, len(head.anchors), -1, rows, columns).astype(np.float64)
    by_box = np.moveaxis(values, 2, -1)
    grid, cell = np.array([columns, rows]), np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
    centre = (expit(by_box[..., 0:2]) + cell) / grid
    size = np.exp(np.clip(by_box[..., 2:4], -LARGEST_EXPONENT, LARGEST_EXPONENT))
    half = size * np.array(head.anchors)[:, None, None] / grid / 2
    scores = expit(by_box[..., 4:5]) * softmax(by_box[..., 5:], axis=-1)
    corners = np.concatenate([centre - half, centre + half], axis=-1)
    return corners.reshape(n_images, -1, 4), scores.reshape(n_images, -1, len(head.classes))


def detect(raw: Array, head: Head) -> list[Array]:
    """The boxes (class, x0, y0, x1, y1, score) that an output finds in each image, best first."""
    return [suppress(_above(*image), OVERLAP) for image in zip(*decode(raw, head), strict=True)]


def _above(corners: Array, scores: Array) -> Array:
    """A row for each pair of box and class with a score that counts."""
    box, number = np.nonzero(scores > SCORE)
    return np.column_stack([number, corners[box], scores[box, number]])

"""Boxes around objects: as plain arrays, out of a network's head, and how good they are."""

from models.detection.average_precision import mean_average_precision
from models.detection.boxes import COLUMNS, NO_BOX, pad_boxes, unpad_boxes
from models.detection.yolo import Head, check_output, detect, metadata, read_head

__all__ = [
    "COLUMNS",
    "NO_BOX",
    "Head",
    "check_output",
    "detect",
    "mean_average_precision",
    "metadata",
    "pad_boxes",
    "read_head",
    "unpad_boxes",
]

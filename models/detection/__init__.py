"""Boxes around objects: as plain arrays, out of a network's head, and how good they are.

A box is a row of six numbers (class, x0, y0, x1, y1, last), its corners in shares of the image's width and height. The
last number says of a true box whether it is difficult (1) or not (0), and of a found one its score. The boxes of images
that have different numbers of them are one array (N, M, 6), filled up with rows of the class `NO_BOX`.
"""

from models.detection.average_precision import map_and_interval, mean_average_precision
from models.detection.boxes import COLUMNS, NO_BOX, pad_boxes, unpad_boxes
from models.detection.yolo import Head, check_output, detect, metadata, read_head

__all__ = [
    "COLUMNS",
    "NO_BOX",
    "Head",
    "check_output",
    "detect",
    "map_and_interval",
    "mean_average_precision",
    "metadata",
    "pad_boxes",
    "read_head",
    "unpad_boxes",
]

"""What is measured of a recording: answers, layers, boxes, energy. Arrays -> tidy tables."""

from studies.measure.detection import box_table, boxes_over_time, measure_boxes, output_scale
from studies.measure.energy import ann_energy_nj, energies
from studies.measure.metrics import (
    NO_ANSWER,
    ann_scores,
    answers,
    confusion,
    known_classes,
    measure_answers,
    measure_layers,
    scores,
    unanswered,
)
from studies.measure.per_image import predictions

__all__ = [
    "NO_ANSWER",
    "ann_energy_nj",
    "ann_scores",
    "answers",
    "box_table",
    "boxes_over_time",
    "confusion",
    "energies",
    "known_classes",
    "measure_answers",
    "measure_boxes",
    "measure_layers",
    "output_scale",
    "predictions",
    "scores",
    "unanswered",
]

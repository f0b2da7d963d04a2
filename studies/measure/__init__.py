"""What is measured of a recording: answers, layers, boxes, energy. Arrays -> tidy tables."""

from studies.measure.detection import box_table, boxes_over_time, detection_metrics, output_scale
from studies.measure.energy import ann_energy_nj, input_energy_nj
from studies.measure.metrics import answers, confusion, layers, metrics, scores

__all__ = [
    "ann_energy_nj",
    "answers",
    "box_table",
    "boxes_over_time",
    "confusion",
    "detection_metrics",
    "input_energy_nj",
    "layers",
    "metrics",
    "output_scale",
    "scores",
]

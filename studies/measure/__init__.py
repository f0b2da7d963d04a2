"""What is measured of a recording: answers, layers, boxes, energy. Arrays -> tidy tables."""

from studies.measure.detection import box_table, boxes_over_time, measure_boxes, output_scale
from studies.measure.energy import ann_energy_nj, energies
from studies.measure.metrics import answers, confusion, measure_answers, measure_layers, scores

__all__ = [
    "ann_energy_nj",
    "answers",
    "box_table",
    "boxes_over_time",
    "confusion",
    "energies",
    "measure_answers",
    "measure_boxes",
    "measure_layers",
    "output_scale",
    "scores",
]

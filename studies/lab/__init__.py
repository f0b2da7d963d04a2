"""The lab in the browser, without the browser: choices -> settings -> what a network does -> figures."""

from studies.lab.answer import Answer, answer, measure, readable, summary, tried, verdict
from studies.lab.drawing import digit_of
from studies.lab.settings import IMAGES, condition_of, in_use, settings_of, shipped, study_text
from studies.lab.views import (
    draw_accuracies,
    draw_agreement,
    draw_evidence,
    draw_input,
    draw_layers,
    draw_potentials,
    evidence,
    picture,
)

__all__ = [
    "IMAGES",
    "Answer",
    "answer",
    "condition_of",
    "digit_of",
    "draw_accuracies",
    "draw_agreement",
    "draw_evidence",
    "draw_input",
    "draw_layers",
    "draw_potentials",
    "evidence",
    "in_use",
    "measure",
    "picture",
    "readable",
    "settings_of",
    "shipped",
    "study_text",
    "summary",
    "tried",
    "verdict",
]

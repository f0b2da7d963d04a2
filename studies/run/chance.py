"""Whether a network sees what it was trained on: its accuracy on the test images beside that of chance."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from models.graph import Array
from models.onnx_io import predict
from studies.measure import ann_scores
from studies.run.files import Job, dataset, fit, network, test_images

NAMES = ("model", "dataset", "images", "scale", "mean", "std")
REASONS = (
    "does it read other values than pixels in [0, 1] (keys scale, 255 of bytes, mean, std), rows, columns and colours "
    "in another order (save x as the network reads it), or are its classes numbered otherwise (labels y)?"
)


def say_accuracies(jobs: Iterable[Job]) -> None:
    """Say on standard error how often each different network of some jobs is right, and warn where that is chance.

    Of networks that find boxes nothing is said.
    """
    different = {tuple(getattr(job.condition, name) for name in NAMES): job for job in jobs}
    for job in different.values():
        if not dataset(job, job.condition.dataset).has_boxes:
            print(_line(job), file=sys.stderr)


def _line(job: Job) -> str:
    c, graph, (images, labels) = job.condition, network(job), test_images(job)
    accuracy, chance = accuracy_and_chance(predict(graph, fit(images, graph.input_shape)), labels)
    numbers = f"{accuracy:.1%} of {len(labels)} images right, and chance {chance:.1%}"
    if is_near_chance(accuracy, chance, len(labels)):
        return f"warning: the ANN {c.model} is hardly better than chance on {c.dataset} ({numbers}): {REASONS}"
    return f"the ANN {c.model} has {numbers} on {c.dataset}"


def accuracy_and_chance(outputs: Array, labels: NDArray[np.int64]) -> tuple[float, float]:
    """How often the largest output is right, and how often the most frequent class always would be."""
    answers = ann_scores(outputs).argmax(axis=1)
    return float(np.mean(answers == labels)), float(np.bincount(labels).max() / len(labels))


def is_near_chance(accuracy: float, chance: float, count: int) -> bool:
    """Whether less than a tenth of the way from chance to 1 is gone, or two standard errors of so many images."""
    error = math.sqrt(chance * (1 - chance) / count)
    return accuracy < chance + max(0.1 * (1 - chance), 2 * error)

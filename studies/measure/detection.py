"""What is measured of a detector: its boxes at each readout time, against the true ones and against the ANN's.

The output is read from the potential of neurons that do not spike. The potential over time stands for the output of the
normalised network; times the scale of that output it is what the head decodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conversion.recording import Recording
from models.detection import Head, detect, map_and_interval, mean_average_precision, unpad_boxes
from models.graph import Array, Graph
from models.onnx_io import predict
from studies.declare import BOX_COLUMNS, DETECTION_COLUMNS, DRAWN_IMAGES, StudyError
from studies.measure.metrics import costs, settling_times

SURE = 0.3  # the score of a box that is drawn, and that the SNN has to find as well
Found = Sequence[Array]


def output_scale(trained: Graph, normalised: Graph, images: Array) -> float:
    """How many times larger the output of the trained network is: one number, as normalisation keeps the function.

    Parameters
    ----------
    images : array, shape (N, *input_shape)
        The least squares of all their outputs: an image without any output says nothing.

    Raises
    ------
    StudyError
        If the normalised network puts out 0 for all of them.
    """
    before, after = (predict(graph, images).ravel().astype(np.float64) for graph in (trained, normalised))
    if not after.any():
        raise StudyError(
            f"the network puts out 0 for all {len(images)} images, so that no boxes can be read from it; "
            "give it images that it finds something in, or trained weights"
        )
    return float(before @ after / (after @ after))


def boxes_over_time(recording: Recording, scale: float, head: Head) -> list[Found]:
    """The boxes of every image at each readout time, from the potential that the output gathered in the time so far."""
    gathered = (recording.times - recording.evaluated_from) * recording.max_rate
    return [detect(raw / time * scale, head) for raw, time in zip(recording.output_potentials, gathered, strict=True)]


def sure(found: Found) -> Found:
    """The boxes of a score that counts as an answer."""
    return [boxes[boxes[:, 5] > SURE] for boxes in found]


def as_truth(found: Found) -> Found:
    """Boxes as if they were true ones, none of them difficult."""
    return [np.column_stack([boxes[:, :5], np.zeros(len(boxes))]) for boxes in sure(found)]


def measure_boxes(
    recording: Recording,
    found: Sequence[Found],
    ann_found: Found,
    boxes: Array,
    *,
    ann_energy_nj: float = 0.0,
    input_energy_nj: float | NDArray[np.float64] = 0.0,
) -> pd.DataFrame:
    """One row per readout time.

    Parameters
    ----------
    found : sequence over R readout times of sequences over N images of array, shape (m, 6)
        See `models.detection`, as for the others.
    ann_found : sequence over N images
    boxes : array, shape (N, M, 6)
        The truth. Where there is none, `map_50` and `ann_map_50` are NaN.

    Returns
    -------
    DataFrame
        Columns `DETECTION_COLUMNS`. `fidelity_map_50` is the mAP@0.5 with the ANN's boxes of a score above 0.3 as the
        truth; `map_50_low`, `map_50_high` and those of the fidelity are the ends of its 95 % interval over images
        (`models.detection.map_and_interval`); costs and times are those of `measure_answers`, with mAP in the place of
        accuracy.
    """
    truth, expected = unpad_boxes(boxes), as_truth(ann_found)
    ann_map_50 = mean_average_precision(ann_found, truth)
    table = costs(recording, ann_energy_nj, input_energy_nj)
    table["ann_map_50"] = ann_map_50
    for column, wanted in (("map_50", truth), ("fidelity_map_50", expected)):
        values = np.transpose([map_and_interval(each, wanted) for each in found])
        table[column], table[f"{column}_low"], table[f"{column}_high"] = values
    table = table.assign(**settling_times(table["time_ms"].to_numpy(), table["map_50"].to_numpy(), ann_map_50))
    return table[list(DETECTION_COLUMNS)]


def box_table(time_ms: NDArray[np.float64], found: Sequence[Found], ann_found: Found, head: Head) -> pd.DataFrame:
    """The boxes to draw, of the first images: those of the SNN at each time, and those of the ANN, which have no time.

    Returns
    -------
    DataFrame
        Columns `BOX_COLUMNS`; an image without a box has one row, without corners.
    """
    shown = [("snn", time, each) for time, each in zip(time_ms, found, strict=True)] + [("ann", np.nan, ann_found)]
    rows = [
        (time, source, image, *box)
        for source, time, each in shown
        for image, boxes in enumerate(sure(each[:DRAWN_IMAGES]))
        for box in _name_boxes(boxes, head)
    ]
    return pd.DataFrame(rows, columns=list(BOX_COLUMNS))


def _name_boxes(boxes: Array, head: Head) -> list[tuple]:
    if not len(boxes):
        return [("", *[np.nan] * 5)]
    return [(head.classes[int(number)], score, *corners) for number, *corners, score in boxes]

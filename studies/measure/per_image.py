"""What became of each image: the answers of both networks, when the spiking one's was there, and at how many spikes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conversion.recording import Recording
from models.graph import Array
from studies.declare import Readout
from studies.measure.metrics import ann_scores, answers, scores
from studies.statistics import settling_time


def predictions(
    recording: Recording,
    labels: NDArray[np.int64],
    ann_outputs: Array,
    *,
    readout: Readout = "count",
    readout_k: int = 1,
) -> pd.DataFrame:
    """One row per image, at the end of the window.

    Parameters
    ----------
    labels, ann_outputs, readout, readout_k
        See `studies.measure.measure_answers`.

    Returns
    -------
    DataFrame
        Columns image (its place in the dataset), label, ann_answer, answer, since_ms, spikes. An answer that several
        classes share, or none has, is NaN; `since_ms` is the first readout from which the answer stays what it is, and
        NaN where it is none. `spikes` are those of all layers, the input's too; NaN where they cannot be told image by
        image, since what a recording counts has signs or weights.
    """
    over_time = np.array([_answer(each) for each in scores(recording, readout, readout_k)])
    time_ms, final = recording.times * 1e3, over_time[-1]
    return pd.DataFrame(
        {
            "image": np.arange(len(labels)),
            "label": labels,
            "ann_answer": _answer(ann_scores(ann_outputs)),
            "answer": final,
            "since_ms": [settling_time(time_ms, column == column[-1], True) for column in over_time.T],
            "spikes": spikes_of_images(recording),
        }
    )


def spikes_of_images(recording: Recording) -> NDArray[np.float64]:
    """The spikes of each image in all populations, shape (N,); NaN unless counts add up to the spikes there were."""
    every = [np.asarray(counts, float) for counts in recording.spike_counts.values()]
    spikes = np.sum([counts.reshape(len(counts), -1).sum(axis=1) for counts in every], axis=0)
    exact = np.isclose(spikes.mean(), recording.spikes[-1].sum(), rtol=1e-6)
    return spikes if exact else np.full_like(spikes, np.nan)


def _answer(scores: NDArray) -> NDArray[np.float64]:
    """The class with the largest score in each image; NaN where several have it."""
    shares = answers(scores)
    return np.where(shares.max(axis=1) == 1, shares.argmax(axis=1), np.nan)

"""What is measured of answers and of layers, against labels and the ANN's activations.

The answer of an image is the class with the largest count or potential, or the one that was the first to spike once, or
k times. Classes that tie for it, or do so in the same step, share the answer: it counts as 1/n correct if the label is
one of n, the expected accuracy of guessing among them. An image in which all classes are equal, above all one with no
output spike yet, has no answer and is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conversion.recording import Recording
from models.graph import Array
from studies.declare import LAYER_COLUMNS, METRIC_COLUMNS, Readout
from studies.measure.energy import AC_PJ
from studies.statistics import settling_time

SATURATED = 0.95


def measure_answers(
    recording: Recording,
    labels: NDArray[np.int64],
    ann_outputs: Array,
    *,
    readout: Readout = "count",
    readout_k: int = 1,
    ann_energy_nj: float = 0.0,
    input_energy_nj: float | NDArray[np.float64] = 0.0,
) -> pd.DataFrame:
    """One row per readout time.

    Parameters
    ----------
    labels : array, shape (N,)
    ann_outputs : array, shape (N, *output_shape)
    readout, readout_k : str, int
        See `scores`.
    ann_energy_nj : float
        Energy per image of the ANN; see `studies.measure.energy`.
    input_energy_nj : float, or array of shape (R,)
        Energy until each readout of entering an image into the spiking network.

    Returns
    -------
    DataFrame
        Columns `METRIC_COLUMNS`. `agreement` is the accuracy with the ANN's answers as labels; spikes, operations and
        energy are totals from the start of the window to `time_ms`.
    """
    of_classes = scores(recording, readout, readout_k)
    ann_answers = ann_outputs.reshape(len(labels), -1).argmax(axis=1)
    accuracy, ann_accuracy = share_correct(of_classes, labels), float(np.mean(ann_answers == labels))
    table = costs(recording, ann_energy_nj, input_energy_nj)
    table["accuracy"], table["ann_accuracy"] = accuracy, ann_accuracy
    table["agreement"] = share_correct(of_classes, ann_answers)
    table = table.assign(**settling_times(table["time_ms"].to_numpy(), accuracy, ann_accuracy))
    return table[list(METRIC_COLUMNS)]


def costs(
    recording: Recording, ann_energy_nj: float = 0.0, input_energy_nj: float | NDArray[np.float64] = 0.0
) -> pd.DataFrame:
    """One row per readout time: spikes, synaptic operations and energy; see `measure_answers`."""
    synops = recording.synops.sum(axis=1)
    return pd.DataFrame(
        {
            "time_ms": recording.times * 1e3,
            "spikes_per_image": recording.spikes.sum(axis=1),
            "synops_per_image": synops,
            "energy_nj": synops * AC_PJ / 1000 + input_energy_nj,
            "ann_energy_nj": ann_energy_nj,
        }
    )


def settling_times(time_ms: NDArray[np.float64], values: NDArray[np.float64], ann_value: float) -> Mapping[str, float]:
    """When a measure has come to stay within 1 % and 0.1 % of the ANN's."""
    shares = {"time_to_99_ms": 0.99, "time_to_99_9_ms": 0.999}
    return {name: settling_time(time_ms, values, share * ann_value) for name, share in shares.items()}


def measure_layers(
    recording: Recording,
    activations: Iterable[tuple[str, Array]],
    rheobase: float = 0.0,
    thresholds: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """One row per population, at the end of the window.

    Parameters
    ----------
    activations : iterable of str and array, shape (N, *shape)
        Of the normalised ANN, each population's of the recording in its order; one is looked at after the other.
    rheobase : float
        The smallest activation that lets a leaky neuron spike.
    thresholds : mapping of str to float, optional
        For the column `equivalent_v_th`; see `conversion.normalize.equivalent_thresholds`.

    Returns
    -------
    DataFrame
        Columns `LAYER_COLUMNS`. Correlation (Pearson) and root-mean-square error are between rate / max_rate and the
        activation, clipped to the rate of a spike in every step, over neurons and images; the correlation is NaN if one
        of them is constant. The silent and saturated shares are of (neuron, image) pairs with no spike, and with
        `SATURATED` of what one sends that spikes in every step; the subthreshold share, of those whose activation is
        at or below the rheobase, or 0, which theory says are silent. Where spikes have signs, rates do too; all three
        shares then are of their magnitudes, and a neuron whose spikes cancel counts as silent.
    """
    rows = [_layer(recording, name, values, rheobase) for name, values in activations]
    table = pd.DataFrame(rows, columns=list(LAYER_COLUMNS[:-1]))
    table["equivalent_v_th"] = table["layer"].map(dict(thresholds or {})).astype(float)
    return table


def scores(recording: Recording, readout: Readout, k: int = 1) -> NDArray:
    """What speaks for each class at each readout time, shape (R, N, classes); the largest is the answer.

    Parameters
    ----------
    readout : {"count", "potential", "first_spike", "k_th_spike"}
        The first two read the output as it stands. The others decide for the output neuron that is the first to send
        its first or its k-th spike, whatever it carries; until then minus infinity speaks for every class.
    k : int
        Only of "k_th_spike". The recording must have it in `output_spike_times`, and 1 for "first_spike".
    """
    if readout in ("count", "potential"):
        outputs = recording.output_counts if readout == "count" else recording.output_potentials
        return outputs.reshape(*outputs.shape[:2], -1)
    times = recording.output_spike_times[1 if readout == "first_spike" else k]
    times = times.reshape(len(times), -1)
    decided = times <= recording.times[:, None, None] + recording.dt / 2
    return np.where(decided, -times, -np.inf)


def answers(scores: NDArray) -> NDArray[np.float64]:
    """The share of each class in the answer, like `scores` (..., N, classes): ties and silence as the module says."""
    best = scores == scores.max(axis=-1, keepdims=True)
    answered = ~best.all(axis=-1, keepdims=True)
    return best * answered / best.sum(axis=-1, keepdims=True)


def share_correct(scores: NDArray, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Accuracy of scores (R, N, classes) at each of R times."""
    return answers(scores)[:, np.arange(len(labels)), labels].mean(axis=1)


def confusion(answers: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Images by label (row) and answer (column), from `answers` (N, classes); the last column is no answer.

    The sum of the diagonal is the accuracy times N.
    """
    silent = ~answers.any(axis=1, keepdims=True)
    matrix = np.zeros((answers.shape[1], answers.shape[1] + 1))
    np.add.at(matrix, labels, np.hstack([answers, silent]))
    return matrix


def _layer(recording: Recording, name: str, activation: Array, rheobase: float) -> tuple:
    index = recording.populations.index(name)
    counts = recording.spike_counts[name].ravel()
    rate = counts / (recording.duration * recording.max_rate)
    lowest, highest = np.array([recording.smallest_count(name), recording.largest_count]) / (
        recording.duration * recording.max_rate
    )
    target = np.clip(activation, lowest, highest).ravel().astype(np.float64)
    return (
        name,
        recording.spikes[-1, index],
        recording.synops[-1, index],
        recording.spikes[-1, index] / recording.sizes[name] / recording.times[-1],
        _correlation(rate, target),
        float(np.sqrt(np.mean((rate - target) ** 2))),
        float(np.mean(counts == 0)),
        float(np.mean(np.abs(target) <= rheobase)),
        float(np.mean(np.abs(counts) >= SATURATED * recording.largest_count)),
    )


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])

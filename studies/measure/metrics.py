"""What is measured of answers and of layers, against labels and the ANN's activations.

The answer of an image is the class with the largest count or potential, or the one that was the first to spike once, or
k times. Classes that tie for it, or do so in the same step, share the answer: it counts as 1/n correct if the label is
one of n, the expected accuracy of guessing among them. So an image that nobody answers, since nothing speaks for one
class more than for another, above all one without an output spike yet, counts as chance would: 1/classes. A column says
how many there are. Of potentials, biases speak too. The ANN's answers are counted the same way.

One output alone speaks for class 1 above 0 and for class 0 below, as a logit does; see `known_classes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conversion.recording import Recording
from models.graph import Array
from studies.declare import LAYER_COLUMNS, METRIC_COLUMNS, Readout, StudyError
from studies.measure.energy import AC_PJ
from studies.statistics import settling_time

SATURATED = 0.95
NO_ANSWER = -1


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
        Columns `METRIC_COLUMNS`. `agreement` is the share of images in which both give the same answer, each guessing
        for itself among its ties; `unanswered_share` that of images without an answer of the SNN; `latency_ms` how much
        later than the image the time begins, with the window of the output. Spikes, operations
        and energy are totals from the start of the window to `time_ms`.
    """
    over_time, of_ann = scores(recording, readout, readout_k), ann_scores(ann_outputs)
    accuracy = np.array([share_correct(each, labels) for each in over_time])
    ann_accuracy, ann_answers = share_correct(of_ann, labels), answers(of_ann)
    table = costs(recording, ann_energy_nj, input_energy_nj)
    table["accuracy"], table["ann_accuracy"] = accuracy, ann_accuracy
    table["agreement"] = [float((answers(each) * ann_answers).sum(axis=1).mean()) for each in over_time]
    table["unanswered_share"] = [float(unanswered(each).mean()) for each in over_time]
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
            "latency_ms": recording.latency * 1e3,
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
        The smallest activation that lets a neuron spike; nan if that is not known.
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


def known_classes(outputs: int, readout: Readout) -> int:
    """How many classes a network of so many outputs tells apart: one output tells two, by its sign.

    Raises
    ------
    StudyError
        If it has one output whose sign the readout does not see: a count of spikes that are positive, or their times.
    """
    if outputs == 1 and readout != "potential":
        raise StudyError(
            f"readout is {readout!r}; the network has one output, which speaks for class 1 above 0 and for class 0 "
            "below, and only its potential can be below: it must be 'potential'"
        )
    return max(outputs, 2)


def scores(recording: Recording, readout: Readout, k: int = 1) -> NDArray:
    """What speaks for each class at each readout time, shape (R, N, classes); the largest is the answer.

    Parameters
    ----------
    readout : {"count", "potential", "first_spike", "k_th_spike"}
        The first two read the output as it stands. The others decide for the output neuron that is the first to send
        its first or its k-th spike, whatever it carries; until then minus infinity speaks for every class.
    k : int
        Only of "k_th_spike". The recording must have it in `output_spike_times`, and 1 for "first_spike".

    Raises
    ------
    StudyError
        See `known_classes`.
    """
    known_classes(recording.output_counts[0, 0].size, readout)
    if readout in ("count", "potential"):
        outputs = recording.output_counts if readout == "count" else recording.output_potentials
        return _of_two(outputs.reshape(*outputs.shape[:2], -1))
    times = recording.output_spike_times[1 if readout == "first_spike" else k]
    times = times.reshape(len(times), -1)
    decided = times <= recording.times[:, None, None] + recording.dt / 2
    return np.where(decided, -times, -np.inf)


def ann_scores(outputs: Array) -> Array:
    """What speaks for each class in the ANN's outputs (N, *output_shape), shape (N, classes)."""
    return _of_two(outputs.reshape(len(outputs), -1))


def answers(scores: NDArray) -> NDArray[np.float64]:
    """The share of each class in the answer, like `scores` (N, classes): 1/n for each of n that tie."""
    best = scores == scores.max(axis=1, keepdims=True)
    return best / best.sum(axis=1, keepdims=True)


def unanswered(scores: NDArray) -> NDArray[np.bool_]:
    """In which images nothing speaks for one class more than for another, shape (N,), of scores or of answers."""
    return (scores == scores[:, :1]).all(axis=1)


def share_correct(scores: NDArray, labels: NDArray[np.int64]) -> float:
    """Accuracy of scores (N, classes)."""
    return float(answers(scores)[np.arange(len(labels)), labels].mean())


def confusion(answers: NDArray[np.float64], labels: NDArray[np.int64]) -> pd.DataFrame:
    """Images by label and answer, those pairs that occur: of 1,000 classes most do not.

    Parameters
    ----------
    answers : array, shape (N, classes)
        See `answers`.
    labels : array, shape (N,)

    Returns
    -------
    DataFrame
        Columns label, answer (`NO_ANSWER` where there is none), images.
    """
    silent = unanswered(answers)
    image, answer = np.nonzero(answers * ~silent[:, None])
    parts = [
        pd.DataFrame({"label": labels[image], "answer": answer, "images": answers[image, answer]}),
        pd.DataFrame({"label": labels[silent], "answer": NO_ANSWER, "images": 1.0}),
    ]
    return pd.concat(parts).groupby(["label", "answer"], as_index=False)["images"].sum()


def _of_two(outputs: NDArray) -> NDArray:
    """What speaks for each class; of one output (..., 1) it speaks for the second of two, against 0."""
    return outputs if outputs.shape[-1] > 1 else np.concatenate([np.zeros_like(outputs), outputs], axis=-1)


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
        float("nan") if np.isnan(rheobase) else float(np.mean(np.abs(target) <= rheobase)),
        float(np.mean(np.abs(counts) >= SATURATED * recording.largest_count)),
    )


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])

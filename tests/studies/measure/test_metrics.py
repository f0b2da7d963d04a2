"""Metrics of recordings that are small enough to work out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from conversion.recording import Recording
from studies.declare.columns import LAYER_COLUMNS, METRIC_COLUMNS
from studies.declare.errors import StudyError
from studies.measure.metrics import (
    NO_ANSWER,
    ann_scores,
    answers,
    confusion,
    known_classes,
    measure_answers,
    measure_layers,
    scores,
    share_correct,
    unanswered,
)
from studies.tables.labels import LABELS

NEVER = math.inf
SPIKE_TIMES = np.array([[0.015, 0.02, NEVER], [0.01, 0.01, 0.02]])


def recording() -> Recording:
    """Two images, three classes, four steps of 5 ms read twice; four input neurons per image."""
    counts = np.array([[[0, 0, 0], [1, 1, 0]], [[2, 1, 0], [0, 3, 1]]])
    return Recording(
        dt=0.005,
        duration=0.02,
        max_rate=200.0,
        times=np.array([0.01, 0.02]),
        output_counts=counts,
        output_spike_times={1: SPIKE_TIMES, 2: SPIKE_TIMES + 0.005},
        largest_count=4.0,
        output_potentials=np.array([[[0, 0.5, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 2]]], np.float32),
        populations=("input", "fc"),
        shapes={"input": (4,), "fc": (3,)},
        spikes=np.array([[2.0, 1.0], [5.0, 3.5]]),
        synops=np.array([[6.0, 0.0], [15.0, 0.0]]),
        spike_counts={"input": np.array([[4, 0, 0, 1], [4, 1, 0, 0]]), "fc": counts[-1]},
    )


LABELS_OF_IMAGES = np.array([0, 1])
ANN_OUTPUTS = np.array([[5.0, 1, 1], [0, 1, 7]])  # answers 0 and 2: one of two is right


def test_metrics_by_hand():
    table = measure_answers(recording(), LABELS_OF_IMAGES, ANN_OUTPUTS, ann_energy_nj=3.0, input_energy_nj=0.5)
    assert tuple(table.columns) == METRIC_COLUMNS
    np.testing.assert_allclose(table["time_ms"], [10, 20])
    np.testing.assert_allclose(
        table["accuracy"], [(1 / 3 + 1 / 2) / 2, 1.0]
    )  # silent is chance, a tie of two half right
    np.testing.assert_allclose(table["ann_accuracy"], [0.5, 0.5])
    np.testing.assert_allclose(table["agreement"], [(1 / 3 + 0) / 2, 0.5])
    np.testing.assert_allclose(table["unanswered_share"], [0.5, 0])
    np.testing.assert_allclose(table["spikes_per_image"], [3, 8.5])
    np.testing.assert_allclose(table["synops_per_image"], [6, 15])
    np.testing.assert_allclose(table["energy_nj"], [6 * 0.9e-3 + 0.5, 15 * 0.9e-3 + 0.5])
    np.testing.assert_allclose(table["ann_energy_nj"], [3, 3])
    np.testing.assert_allclose(table["time_to_99_ms"], [20, 20])
    np.testing.assert_allclose(table["time_to_99_9_ms"], [20, 20])


def test_potentials_answer_where_the_output_does_not_spike():
    table = measure_answers(recording(), LABELS_OF_IMAGES, ANN_OUTPUTS, readout="potential")
    np.testing.assert_allclose(table["accuracy"], [(0 + 1 / 3) / 2, 0.5])  # image 1 has no potential at first
    np.testing.assert_allclose(table["agreement"], [(0 + 1 / 3) / 2, 1.0])
    np.testing.assert_allclose(table["unanswered_share"], [0.5, 0])


def test_the_first_spike_decides_and_what_is_decided_stays():
    """Image 0 is undecided at 10 ms, then 0 was first; in image 1 classes 0 and 1 tie for good."""
    table = measure_answers(recording(), LABELS_OF_IMAGES, ANN_OUTPUTS, readout="first_spike")
    np.testing.assert_allclose(table["accuracy"], [(1 / 3 + 1 / 2) / 2, 0.75])
    np.testing.assert_allclose(table["agreement"], [(1 / 3 + 0) / 2, 0.5])
    np.testing.assert_allclose(table["unanswered_share"], [0.5, 0])


def test_the_second_spike_decides_later():
    table = measure_answers(recording(), LABELS_OF_IMAGES, ANN_OUTPUTS, readout="k_th_spike", readout_k=2)
    np.testing.assert_allclose(table["accuracy"], [1 / 3, 0.75])
    np.testing.assert_allclose(table["unanswered_share"], [1, 0])


@pytest.mark.parametrize("label", range(3))
@pytest.mark.parametrize("readout", ["count", "potential", "first_spike", "k_th_spike"])
def test_a_network_that_never_spikes_is_right_as_often_as_chance(readout, label):
    """Also where all images are of the class that comes first, and as often the ANN's answer."""
    never = np.full((2, 3), NEVER)
    silent = replace(
        recording(), output_counts=np.zeros((2, 2, 3)), output_potentials=np.zeros((2, 2, 3), np.float32),
        output_spike_times={1: never, 3: never},
    )  # fmt: skip
    table = measure_answers(silent, np.full(2, label), ANN_OUTPUTS, readout=readout, readout_k=3)
    np.testing.assert_allclose(table[["accuracy", "agreement"]], 1 / 3)
    np.testing.assert_allclose(table["unanswered_share"], 1)


def test_an_ann_that_answers_nothing_is_chance_too():
    table = measure_answers(recording(), np.array([0, 0]), np.zeros((2, 3)))
    np.testing.assert_allclose(table["ann_accuracy"], 1 / 3)
    np.testing.assert_allclose(table["agreement"], 1 / 3)


def of_one_output(*potentials: float) -> Recording:
    """An image for each potential of the only output, which is read once."""
    values = np.array(potentials, np.float32)[None, :, None]
    return replace(recording(), times=np.array([0.02]), output_counts=(values > 0) * 1.0, output_potentials=values,
                   spikes=np.zeros((1, 2)), synops=np.zeros((1, 2)))  # fmt: skip


def test_one_output_tells_two_classes_by_its_sign():
    """Of labels 1, 1, 0, 0: right, wrong, right, undecided; the ANN is right in all but the second."""
    single = of_one_output(0.3, -2.0, -0.1, 0.0)
    table = measure_answers(single, np.array([1, 1, 0, 0]), np.array([[2.0], [-1], [-3], [-1]]), readout="potential")
    (row,) = table.to_dict("records")
    assert row["accuracy"] == (1 + 0 + 1 + 1 / 2) / 4
    assert row["ann_accuracy"] == 3 / 4
    assert row["agreement"] == (1 + 1 + 1 + 1 / 2) / 4
    assert row["unanswered_share"] == 1 / 4


@pytest.mark.parametrize("readout", ["count", "first_spike", "k_th_spike"])
def test_spikes_of_one_output_have_no_sign_to_tell_two_classes_by(readout):
    with pytest.raises(StudyError, match=f"readout is '{readout}'; the network has one output.* must be 'potential'"):
        measure_answers(of_one_output(1.0), np.array([1]), np.ones((1, 1)), readout=readout)
    assert (known_classes(1, "potential"), known_classes(2, readout), known_classes(10, readout)) == (2, 2, 10)


def test_a_later_spike_never_wins_against_an_earlier_one():
    rng = np.random.default_rng(0)
    times = rng.choice([0.005, 0.01, 0.015, 0.02, NEVER], (200, 6))
    labels = rng.integers(0, 6, 200)
    table = measure_answers(
        replace(recording(), output_spike_times={1: times}), labels, np.zeros((200, 6)), readout="first_spike"
    )
    for now, accuracy in zip((0.01, 0.02), table["accuracy"], strict=True):
        shares = []
        for row, label in zip(times, labels, strict=True):
            first = min(row)
            winners = [c for c, time in enumerate(row) if time == first and first <= now]
            shares.append((label in winners) / len(winners) if winners else 1 / 6)
        assert accuracy == pytest.approx(np.mean(shares))


def test_layers_by_hand():
    activation = {"input": np.array([[1.0, 0, 0, 0.5], [2.0, 0.5, -1, 0]]), "fc": np.zeros((2, 3))}
    table = measure_layers(recording(), activation.items(), rheobase=0.5, thresholds={"fc": 2.5}).set_index("layer")
    rates = np.array([1, 0, 0, 0.25, 1, 0.25, 0, 0])  # spikes / (20 ms * 200 Hz)
    clipped = np.array([1, 0, 0, 0.5, 1, 0.5, 0, 0])
    row = table.loc["input"]
    assert row["spikes_per_image"] == 5
    assert row["synops_per_image"] == 15
    assert row["rate_hz"] == pytest.approx(10 / 8 / 0.02)
    assert row["rmse"] == pytest.approx(math.sqrt(2 * 0.25**2 / 8))
    covariance = np.mean(rates * clipped) - rates.mean() * clipped.mean()
    assert row["correlation"] == pytest.approx(covariance / (rates.std() * clipped.std()))
    assert row["silent_share"] == 4 / 8
    assert row["subthreshold_share"] == 6 / 8  # all but the activations 1 and 2
    assert row["saturated_share"] == 2 / 8
    assert math.isnan(table.loc["fc", "correlation"])
    assert math.isnan(row["equivalent_v_th"])
    assert table.loc["fc", "equivalent_v_th"] == 2.5
    assert table.loc["fc", "rmse"] == pytest.approx(math.sqrt(np.mean(np.square([0.5, 0.25, 0, 0, 0.75, 0.25]))))


def test_rates_of_a_signed_layer_have_a_sign():
    """Of the counts -4, -2, 0, 4 in 4 steps and the activations -3 (clipped to -1), -0.25, 0, 0.5."""
    counts = np.array([[-4, -2, 0, 4]])
    signed = replace(
        recording(), spike_counts={"input": np.zeros((1, 4)), "fc": counts}, signed=("fc",), shapes={"fc": (4,)},
        populations=("fc",),
    )  # fmt: skip
    row = measure_layers(signed, [("fc", np.array([[-3, -0.25, 0, 0.5]]))], rheobase=0.3).iloc[0]
    assert row["rmse"] == pytest.approx(math.sqrt((0 + 0.25**2 + 0 + 0.5**2) / 4))
    assert row["correlation"] > 0.9
    assert (row["silent_share"], row["saturated_share"], row["subthreshold_share"]) == (1 / 4, 2 / 4, 2 / 4)


def test_ties_and_silence_are_guessing():
    """A tenth of the images has no evidence at all; all ties are broken at random, many times."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (300, 5)) * (rng.random((300, 1)) > 0.1)
    labels = rng.integers(0, 5, 300)
    noise = rng.random((2000, 300, 5)) * 0.5
    guesses = (scores + noise).argmax(axis=-1) == labels
    assert share_correct(scores, labels) == pytest.approx(guesses.mean(), abs=0.003)
    assert unanswered(scores).sum() == sum(len(set(row)) == 1 for row in scores.tolist()) > 20


def test_every_column_has_a_label():
    assert {*METRIC_COLUMNS, *LAYER_COLUMNS} <= LABELS.keys()


def test_scores_are_what_the_readout_says():
    np.testing.assert_array_equal(scores(recording(), "count")[-1], [[2, 1, 0], [0, 3, 1]])
    np.testing.assert_array_equal(scores(recording(), "potential")[-1], [[1, 0, 0], [0, 0, 2]])


def test_answers_by_hand():
    shares = answers(np.array([[3, 1, 0, 2], [1, 2, 2, 0], [2, 2, 0, 2], [0, 0, 0, 0], [5, 5, 5, 5]]))
    np.testing.assert_allclose(
        shares, [[1, 0, 0, 0], [0, 0.5, 0.5, 0], [1 / 3, 1 / 3, 0, 1 / 3], [0.25] * 4, [0.25] * 4]
    )


def test_confusion_by_hand():
    shares = np.array([[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3, [0, 0, 1], [0, 0, 1]])
    table = confusion(shares, np.array([0, 0, 0, 2, 0]))
    rows = [(0, NO_ANSWER, 1), (0, 0, 1.5), (0, 1, 0.5), (0, 2, 1), (2, 2, 1)]
    assert [tuple(row) for row in table.to_numpy()] == rows
    assert list(table.columns) == ["label", "answer", "images"]


def test_confusion_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    values, labels = rng.normal(size=(400, 7)), rng.integers(0, 7, 400)
    matrix = confusion(answers(values), labels).pivot(index="label", columns="answer", values="images").fillna(0)
    np.testing.assert_array_equal(matrix, confusion_matrix(labels, values.argmax(axis=1), labels=range(7)))


def test_what_agrees_of_a_confusion_is_the_accuracy_beside_silence():
    """Scores of 0 to 2 in 3 classes: about a tenth of the images is silent."""
    rng = np.random.default_rng(2)
    ties, labels = rng.integers(0, 3, (400, 3)), rng.integers(0, 3, 400)
    table = confusion(answers(ties), labels)
    right, silent = table["label"] == table["answer"], table["answer"] == NO_ANSWER
    expected = (table["images"][right].sum() + table["images"][silent].sum() / 3) / 400
    assert share_correct(ties, labels) == pytest.approx(expected)
    assert table["images"].sum() == pytest.approx(400)


def test_a_confusion_of_many_classes_holds_what_occurs():
    labels = np.array([999, 5, 5])
    table = confusion(answers(np.eye(1000)[[999, 7, 7]]), labels)
    assert [tuple(row) for row in table.to_numpy()] == [(5, 7, 2), (999, 999, 1)]


def test_scores_of_an_ann_are_its_outputs_in_any_shape():
    outputs = np.random.default_rng(0).normal(size=(4, 5, 1, 1))
    np.testing.assert_array_equal(ann_scores(outputs), outputs[:, :, 0, 0])
    np.testing.assert_array_equal(ann_scores(np.array([[2.0], [-1.0]])), [[0, 2], [0, -1]])

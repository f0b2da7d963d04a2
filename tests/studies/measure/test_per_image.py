"""What became of each image, by hand and against the measures of all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.recording import Recording
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import Phase, Poisson
from models.neurons import integrate_and_fire, phase_coded
from studies.measure.metrics import measure_answers
from studies.measure.per_image import predictions, spikes_of_images
from tests.conversion.networks import networks

NONE = float("nan")
COUNTS = np.array(  # a row per readout, a column per image, and in it three classes
    [
        [[0, 0, 0], [1, 0, 0], [0, 2, 1], [0, 0, 0]],
        [[0, 1, 0], [1, 1, 0], [0, 2, 3], [0, 0, 0]],
        [[0, 2, 1], [1, 2, 1], [0, 4, 3], [0, 0, 0]],
    ]
)
SPIKES = np.array([[3, 4], [1, 0], [5, 5], [2, 2]])


def recording() -> Recording:
    return Recording(
        dt=1e-3, duration=0.03, max_rate=1000.0, times=np.array([0.01, 0.02, 0.03]), output_counts=COUNTS,
        output_potentials=-COUNTS.astype(np.float32), populations=("input", "fc"), shapes={"input": (2,), "fc": (3,)},
        spikes=np.array([[1.0, 0.0], [3.0, 1.0], [5.5, 3.5]]), synops=np.zeros((3, 2)),
        spike_counts={"input": SPIKES, "fc": COUNTS[-1]}, largest_count=30.0,
    )  # fmt: skip


def test_answers_are_those_at_the_end_and_since_when_they_stay() -> None:
    """Image 0 has answered 1 from 20 ms on; 1 changed at 30 ms; 2 went from 1 to 2 and back; 3 has no answer."""
    outputs = np.array([[0.1, 0.9, 0.0], [0.9, 0.1, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]], np.float32)
    table = predictions(recording(), np.array([1, 0, 2, 2]), outputs)
    np.testing.assert_array_equal(table["image"], [0, 1, 2, 3])
    np.testing.assert_array_equal(table["label"], [1, 0, 2, 2])
    np.testing.assert_array_equal(table["ann_answer"], [1, 0, NONE, 2])
    np.testing.assert_array_equal(table["answer"], [1, 1, 1, NONE])
    np.testing.assert_allclose(table["since_ms"], [20, 30, 30, NONE])


def test_another_readout_gives_other_answers() -> None:
    """Potentials here are counts below 0: class 0 leads in image 0 at the end, in 2 always; 1 and 3 end in ties."""
    table = predictions(recording(), np.zeros(4, int), np.eye(4, 3, dtype=np.float32), readout="potential")
    np.testing.assert_array_equal(table["answer"], [0, NONE, 0, NONE])
    np.testing.assert_allclose(table["since_ms"], [30, NONE, 10, NONE])


def test_spikes_of_images_are_those_of_all_layers() -> None:
    np.testing.assert_array_equal(spikes_of_images(recording()), [7 + 3, 1 + 4, 10 + 7, 4 + 0])
    more = replace(recording(), spikes=recording().spikes + 1)
    assert np.isnan(spikes_of_images(more)).all()


@pytest.mark.parametrize(
    ("neuron", "encoder", "known"),
    [(integrate_and_fire(), Poisson(500 * Hz), True), (phase_coded(8), Phase(8), False)],
)
def test_they_add_up_to_the_measures_of_all_images(neuron, encoder, known: bool) -> None:
    """Under phase coding a recording counts weights, which do not say how many spikes there were."""
    graph = networks()["average pooling"]
    rng = np.random.default_rng(0)
    images, labels = rng.random((6, *graph.input_shape)).astype(np.float32), rng.integers(0, 4, 6)
    shown = simulate(graph, images, Simulation(neuron=neuron, encoder=encoder, duration=24 * ms))
    outputs = rng.random((6, *graph.shapes[graph.output.name])).astype(np.float32)
    table, end = predictions(shown, labels, outputs), measure_answers(shown, labels, outputs).iloc[-1]
    assert table["spikes"].notna().all() == known
    assert not known or table["spikes"].mean() == pytest.approx(end["spikes_per_image"])
    assert (table["ann_answer"] == labels).mean() == pytest.approx(end["ann_accuracy"])

"""What a probe may name, and the sizes that a recording knows."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.recording import Probe, Recording, check_probe, delay_evaluation
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent, Poisson
from models.graph import LINEAR, Dense, sequential
from models.neurons import integrate_and_fire
from tests.conversion.networks import networks

SIZES = {"input": 4, "conv": 12, "fc": 3}


def test_a_probe_of_recorded_populations_is_fine() -> None:
    check_probe(Probe(), SIZES)
    check_probe(Probe(rasters=("input", "fc"), traces={"conv": (0, 11), "fc": ()}), SIZES)


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (Probe(rasters=("fc", "pool")), "the probe names 'pool'; recorded are input, conv, fc"),
        (Probe(traces={"pool": (0,)}), "the probe names 'pool'; recorded are input, conv, fc"),
        (Probe(traces={"conv": (3, 12)}), "the probe traces neuron 12 of 'conv', which has neurons 0 to 11"),
        (Probe(traces={"fc": (-1,)}), "the probe traces neuron -1 of 'fc', which has neurons 0 to 2"),
        (Probe(traces={"input": (0,)}), "the probe traces 'input', whose spikes come from no potential"),
    ],
)
def test_a_probe_of_what_is_not_there_is_refused(probe: Probe, message: str) -> None:
    with pytest.raises(ValueError, match="^" + message + "$"):
        check_probe(probe, SIZES)


@pytest.mark.parametrize("name", ["max pooling", "junction of spiking paths"])
def test_shapes_sizes_and_totals_go_together(name: str) -> None:
    graph = networks()[name]
    images = np.random.default_rng(0).random((3, *graph.input_shape)).astype(np.float32)
    recording = simulate(
        graph, images, Simulation(neuron=integrate_and_fire(), encoder=Poisson(), duration=9 * ms, read_at=[2, 5] * ms)
    )
    assert recording.populations[0] == "input"
    assert recording.populations[-1] == graph.output.name
    assert "flat" not in recording.populations
    for index, population in enumerate(recording.populations):
        assert recording.shapes[population] == graph.shapes[population]
        assert recording.sizes[population] == np.prod(graph.shapes[population])
        counts = recording.spike_counts[population]
        assert counts.shape == (3, *graph.shapes[population])
        assert recording.spikes[-1, index] == pytest.approx(counts.sum() / 3)
    np.testing.assert_allclose(recording.times, [0.002, 0.005, 0.009])
    assert recording.duration == pytest.approx(0.009)
    assert np.all(np.diff(recording.spikes, axis=0) >= 0)
    assert np.all(np.diff(recording.output_counts, axis=0) >= 0)
    np.testing.assert_array_equal(recording.output_counts[-1], recording.spike_counts[graph.output.name])


def test_delayed_evaluation_counts_the_output_spikes_that_come_later() -> None:
    graph = networks()["dense"]
    images = np.random.default_rng(0).random((4, *graph.input_shape)).astype(np.float32)
    whole = simulate(
        graph,
        images,
        Simulation(
            neuron=integrate_and_fire(),
            encoder=Poisson(),
            duration=30 * ms,
            read_at=[5, 12, 20] * ms,
            probe=Probe(rasters=(graph.output.name,)),
        ),
    )
    late = delay_evaluation(whole, 0.012)
    np.testing.assert_allclose(late.times, [0.020, 0.030])
    spikes = whole.rasters[graph.output.name]
    for time, counts in zip((20, 30), late.output_counts, strict=True):
        between = spikes[(spikes["time_ms"] > 12.5) & (spikes["time_ms"] < time + 0.5)]
        expected = np.zeros(counts.shape, int)
        np.add.at(expected, (between["image"], between["neuron"]), 1)
        np.testing.assert_array_equal(counts, expected)
    np.testing.assert_array_equal(late.synops, whole.synops[2:])
    np.testing.assert_array_equal(late.spikes, whole.spikes[2:])


def test_delayed_evaluation_leaves_of_a_potential_what_it_gathers_later() -> None:
    """Without a hidden layer it is input times weights times the steps that count, from one delay and from two."""
    weight = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    images = np.random.default_rng(0).random((2, 4)).astype(np.float32)
    whole = simulate(
        sequential((4,), Dense(name="fc", inputs=("",), weight=weight, activation=LINEAR)),
        images,
        Simulation(
            neuron=integrate_and_fire(), encoder=ConstantCurrent(1000 * Hz), duration=20 * ms, output="accumulating"
        ),
    )
    once = delay_evaluation(whole, 0.008)
    twice = delay_evaluation(delay_evaluation(whole, 0.005), 0.003)
    for late in (once, twice):
        assert late.evaluated_from == pytest.approx(0.008)
        np.testing.assert_allclose(late.times, 1e-3 * np.arange(9, 21))
        steps = np.arange(1, 13)[:, None, None]
        np.testing.assert_allclose(late.output_potentials, steps * (images @ weight.T), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("delay_ms", [3, 9, 12])
def test_a_delay_that_was_not_read_or_leaves_nothing_is_refused(delay_ms: float) -> None:
    graph = networks()["dense"]
    images = np.zeros((1, *graph.input_shape), np.float32)
    whole = simulate(
        graph, images, Simulation(neuron=integrate_and_fire(), encoder=Poisson(), duration=9 * ms, read_at=[2, 5] * ms)
    )
    message = f"^evaluation begins at {delay_ms:g} ms; it must be one of 2, 5, 9 ms, and not the last$"
    with pytest.raises(ValueError, match=message):
        delay_evaluation(whole, delay_ms * 1e-3)


def test_a_recording_prints_as_a_table_of_populations() -> None:
    """2 neurons with 30 spikes in 0.1 s: 150 Hz each."""
    recording = Recording(
        dt=1e-3, duration=0.1, max_rate=1000.0, times=np.array([0.05, 0.1]), output_counts=np.zeros((2, 7, 3)),
        output_potentials=np.zeros((2, 7, 3), np.float32), populations=("input", "fc"),
        shapes={"input": (1, 2, 1), "fc": (3,)}, spikes=np.array([[10.0, 0.0], [30.0, 1.5]]), synops=np.zeros((2, 2)),
        spike_counts={}, largest_count=100.0,
    )  # fmt: skip
    assert str(recording).splitlines() == [
        "7 images, 100 ms in steps of 1 ms",
        "population shape  neurons  spikes per image  mean rate (Hz)",
        "     input 1x2x1        2                30             150",
        "        fc     3        3               1.5               5",
    ]
    assert repr(recording) == "Recording(7 images, 100 ms, 2 populations)"

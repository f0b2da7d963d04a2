"""Rate coding converges on the clipped activations: as 1/T with a constant current, as 1/sqrt(T) with Poisson input.

With reset by subtraction a neuron has spiked (sum of its input - what is left in V) / v_th times, so the error of the
rate is bounded by a constant / T (Rueckauer 2017, eq. 5); Bernoulli input adds noise of a variance that falls as 1/T.
"""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent, Poisson
from models.graph import Dense, Graph, sequential
from models.neurons import integrate_and_fire
from tests.conversion.forward import forward

STEPS = 2 ** np.arange(4, 11)  # 16 to 1024


def network() -> tuple[Graph, np.ndarray]:
    """Two layers with activations below 0, within [0, 1] and above 1, and images for them."""
    rng = np.random.default_rng(3)
    weights = rng.normal(0.1, 0.5, (20, 7)), rng.normal(0.0, 0.35, (10, 20))
    biases = rng.normal(0, 0.1, 20), rng.normal(0.2, 0.1, 10)
    layers = (
        Dense(name=f"fc{n}", inputs=(), weight=w.astype(np.float32), bias=b.astype(np.float32))
        for n, (w, b) in enumerate(zip(weights, biases, strict=True))
    )
    return sequential((7,), *layers), rng.random((60, 7)).astype(np.float32)


def clipped(graph: Graph, images: np.ndarray) -> np.ndarray:
    """The activations that rates can stand for: those of a network whose every layer is clipped at 1."""
    values = images.astype(np.float64)
    for layer in graph:
        values = np.clip(values @ layer.weight.T + layer.bias, 0, 1)
    return values


def errors(encoder, **settings) -> np.ndarray:
    """Root-mean-square error of the output rates after each number of steps."""
    graph, images = network()
    recording = simulate(
        graph,
        images,
        Simulation(neuron=integrate_and_fire(**settings), encoder=encoder, duration=STEPS[-1] * ms, read_at=STEPS * ms),
    )
    rates = recording.output_counts / STEPS[:, None, None]
    return np.sqrt(np.mean((rates - clipped(graph, images)) ** 2, axis=(1, 2)))


def slope(values: np.ndarray) -> float:
    return np.polyfit(np.log(STEPS), np.log(values), 1)[0]


def test_the_network_has_activations_of_all_kinds() -> None:
    graph, images = network()
    before = forward(graph, images)["fc0"] @ graph["fc1"].weight.T + graph["fc1"].bias
    assert min(np.mean(before < 0), np.mean((before > 0.1) & (before < 0.9)), np.mean(before > 1)) > 0.1


@pytest.mark.parametrize("v_init", ["zero", "half"])
def test_constant_current_converges_as_one_over_the_number_of_steps(v_init: str) -> None:
    values = errors(ConstantCurrent(1000 * Hz), v_init=v_init)
    assert slope(values) == pytest.approx(-1, abs=0.1)
    assert values[-1] < 3 / STEPS[-1]


def test_poisson_input_converges_as_one_over_the_root_of_the_number_of_steps() -> None:
    assert slope(errors(Poisson(1000 * Hz))) == pytest.approx(-0.5, abs=0.08)


def test_a_hard_reset_does_not_converge() -> None:
    """It loses what V was above the threshold, so the rate is that of a whole interval: 1 / ceil(1 / drive)."""
    drives = np.array([0.15, 0.3, 0.4, 0.55, 0.7, 0.9], np.float32)
    graph = sequential((1,), Dense(name="fc", inputs=(), weight=drives[:, None]))
    recording = simulate(
        graph,
        np.ones((1, 1), np.float32),
        Simulation(
            neuron=integrate_and_fire(reset="zero"),
            encoder=ConstantCurrent(1000 * Hz),
            duration=1000 * ms,
            read_at=[1000] * ms,
        ),
    )
    intervals = np.ceil(1 / drives.astype(np.float64) - 1e-6)
    np.testing.assert_array_equal(recording.output_counts[-1, 0], np.floor(1000 / intervals))


def test_half_a_threshold_at_the_start_takes_away_the_mean_error() -> None:
    """Bu 2022: floor(T a + 1/2) is T a on average, floor(T a) half a spike less."""
    activations = ((np.arange(400) + 0.5) / 400).astype(np.float32)
    graph = sequential((1,), Dense(name="fc", inputs=(), weight=activations[:, None]))
    means = {}
    for v_init in ("zero", "half"):
        counts = simulate(
            graph,
            np.ones((1, 1), np.float32),
            Simulation(neuron=integrate_and_fire(v_init=v_init), encoder=ConstantCurrent(1000 * Hz), duration=16 * ms),
        ).output_counts[-1, 0]
        means[v_init] = np.mean(counts - 16 * activations)
    assert means["zero"] == pytest.approx(-0.5, abs=0.02)
    assert means["half"] == pytest.approx(0.0, abs=0.02)

"""Calibrated backgrounds against the closed form of the f-I curve, and what they do under the noise of spikes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms
from scipy.stats import skellam

from conversion.normalize import calibrate_matching, fi_curve, match_fi
from conversion.normalize.rate_matching import SLOPES, wrong_share
from conversion.plan.populations import ConversionError
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent, Poisson
from models.graph import INPUT, LINEAR, RELU, AvgPool2d, Dense, Graph, sequential
from models.neurons import integrate_and_fire, leaky_integrate_and_fire, signed_integrate_and_fire
from models.onnx_io import activations
from tests.conversion.networks import add, conv, dense, pool

DT, TAU, RATE = 0.5 * ms, 0.01, 100.0
LEAKY = leaky_integrate_and_fire(TAU * 1000 * ms, reset="zero")


def leaky_rate(drive: np.ndarray) -> np.ndarray:
    """1 / (tau log(tau I / (tau I - 1))) from 1 / tau on (Gerstner et al., eq. 1.12)."""
    above = np.maximum(TAU * drive, 1 + 1e-12)
    return np.where(TAU * drive > 1, 1 / (TAU * np.log(above / (above - 1))), 0)


def on_constants(z: np.ndarray) -> Graph:
    """A layer with these activations for an input of 1, and an output behind it."""
    layer = Dense(name="fc", inputs=(), weight=z.astype(np.float32)[:, None], activation=RELU)
    return sequential((1,), layer, dense("out", "", 2, len(z), activation=LINEAR))


def calibrate(graph: Graph, images: np.ndarray, simulation: Simulation, share: float = 1.0) -> Simulation:
    rate = float(simulation.encoder.max_rate)
    neuron, curve = match_fi(simulation.neuron, rate, DT, share), fi_curve(simulation.neuron, rate, DT)
    return calibrate_matching(graph, images, replace(simulation, neuron=neuron), curve)


def test_without_noise_depth_and_slope_are_those_of_the_closed_form() -> None:
    """Constant currents z from -0.5 to 1: the best of all depths, then of all slopes, with rates of the f-I curve."""
    z = np.linspace(-0.5, 1, 301)
    graph = on_constants(z)
    onset, full = 1 / TAU, 1 / (TAU * (1 - np.exp(-1 / (RATE * TAU))))
    depths, slopes, wanted = np.linspace(-0.1, 1, 1101)[:, None], np.linspace(0.3, 2, 1701)[:, None], np.maximum(z, 0)

    def rates(depth: np.ndarray, slope: np.ndarray | float) -> np.ndarray:
        return leaky_rate(onset - depth * (full - onset) + slope * (1 + depth) * (full - onset) * z) / RATE

    any_slope = rates(depths, 1.0)
    cosines = any_slope @ wanted / np.linalg.norm(any_slope, axis=1)
    depth = float(depths[np.argmax(cosines), 0])
    slope = float(slopes[np.argmin(np.sum((rates(np.array([[depth]]), slopes) - wanted) ** 2, axis=1)), 0])
    assert 0.02 < depth < 0.5
    assert abs(slope - 1) > 0.01
    simulation = Simulation(neuron=LEAKY, encoder=ConstantCurrent(RATE * Hz), duration=2000 * ms, dt=DT)
    matched = calibrate(graph, np.ones((1, 1), np.float32), simulation)
    found = (onset - matched.backgrounds["fc"]) / (full - onset)
    assert found == pytest.approx(depth, abs=0.04)
    assert matched.gains["fc"] / (1 + found) == pytest.approx(slope, rel=0.1)


def test_wrong_answers_are_those_of_poisson_counts() -> None:
    """Of two counts, by Skellam's distribution of their difference, half of a draw being wrong."""
    counts = np.array([[30.0, 20.0], [4.0, 9.0], [60.0, 20.0]])
    exact = [
        skellam.sf(0, rival, winner) + skellam.pmf(0, rival, winner) / 2
        for winner, rival in ((30, 20), (9, 4), (60, 20))
    ]
    activations = np.array([[3.0, 2.0], [-2.0, -1.0], [0.2, 0.1]])
    for count, activation, wrong in zip(counts, activations, exact, strict=True):
        assert wrong_share(count[None], activation[None]) == pytest.approx(wrong, abs=0.005)
    assert wrong_share(counts, activations) == pytest.approx(np.mean(exact), abs=0.005)
    assert wrong_share(np.zeros((3, 2)), activations) == 0.5
    assert wrong_share(np.array([[8.0, 0.0, 7.0]]), np.array([[1.0, 2.0, 0.0]])) > 0.99


def noisy() -> tuple[Graph, np.ndarray, Simulation]:
    """Two layers of large weights of both signs, so that the spikes of the input are mostly noise; and an output."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(0, 0.35, (40, 30)), rng.normal(0, 0.35, (30, 40))
    layers = (
        Dense(name="fc1", inputs=(), weight=first.astype(np.float32), activation=RELU),
        Dense(name="fc2", inputs=(), weight=second.astype(np.float32), activation=RELU),
        dense("out", "", 3, 30, activation=LINEAR),
    )
    simulation = Simulation(neuron=LEAKY, encoder=Poisson(200 * Hz), duration=200 * ms, dt=DT, output="accumulating")
    return sequential((30,), *layers), rng.random((20, 30), np.float32), simulation


def rms(graph: Graph, images: np.ndarray, simulation: Simulation, name: str) -> float:
    recording = simulate(graph, images, simulation)
    rates = recording.spike_counts[name] / (recording.duration * recording.max_rate)
    return float(np.sqrt(np.mean((rates - activations(graph, images, [name])[name]) ** 2)))


def test_rates_follow_activations_better_than_with_any_one_background() -> None:
    """On images that it was not calibrated on, under other spikes."""
    graph, images, simulation = noisy()
    calibrated = replace(calibrate(graph, images[:12], simulation), seed=9)
    for name in ("fc1", "fc2"):
        shares = [
            rms(graph, images[12:], replace(simulation, seed=9, neuron=match_fi(LEAKY, 200.0, DT, share)), name)
            for share in (1.0, 0.9)
        ]
        assert rms(graph, images[12:], calibrated, name) < 0.9 * min(shares)


def test_the_same_seed_gives_the_same_from_any_background() -> None:
    graph, images, simulation = noisy()
    one = calibrate(graph, images[:4], simulation)
    again = calibrate(graph, images[:4], simulation)
    assert (one.backgrounds, one.gains) == (again.backgrounds, again.gains)
    other = calibrate(graph, images[:4], simulation, share=0.8)
    assert other.backgrounds == one.backgrounds
    curve = fi_curve(LEAKY, 200.0, DT)
    for name, background in one.backgrounds.items():  # activation 1 brings a multiple of what is missing
        added = [each.gains[name] * float(each.neuron.input_unit) * 200 for each in (one, other)]
        assert added[0] == pytest.approx(added[1])
        slopes = added[0] / (curve.full - background)
        assert np.min(np.abs(SLOPES - slopes)) < 1e-6


@pytest.mark.parametrize(("output", "named"), [("spiking", True), ("accumulating", False)])
def test_every_layer_with_neurons_is_calibrated_and_an_output_that_accumulates_is_not(output, named: bool) -> None:
    """A junction with a linear path, pooling, and an output without a ReLU, whose rate is what is above 0."""
    layers = (
        conv("conv1", INPUT, 2, 1, 3, 3, padding=(1, 1, 1, 1)),
        conv("conv2", "conv1", 2, 2, 1, 1, activation=LINEAR),
        conv("apart", INPUT, 2, 1, 1, 1),  # beside the way to conv4
        conv("conv4", "conv1", 2, 2, 1, 1),
        add("add", "conv2", "apart", "conv4", activation=RELU),
        pool(AvgPool2d, "pool1", "add", (2, 2), (2, 2)),
        conv("conv3", "pool1", 2, 2, 2, 2, activation=LINEAR),
    )
    graph = Graph((1, 4, 4), layers)
    simulation = Simulation(neuron=LEAKY, encoder=Poisson(500 * Hz), duration=20 * ms, dt=DT, output=output)
    images = np.random.default_rng(0).random((2, 1, 4, 4), np.float32) / 4
    matched = calibrate(graph, images, simulation)
    assert list(matched.backgrounds) == list(matched.gains)
    assert list(matched.gains) == ["conv1", "apart", "conv4", "add", "pool1"] + ["conv3"] * named
    assert matched.output == output
    assert simulate(graph, images, matched).spike_counts["conv1"].sum() > 0


def test_what_cannot_be_calibrated_is_refused() -> None:
    graph, images, simulation = noisy()
    with pytest.raises(ConversionError, match="signed neurons cannot be matched"):
        calibrate(graph, images, replace(simulation, neuron=signed_integrate_and_fire()))
    with pytest.raises(ConversionError, match=r"gets a current of 200 at activation 1, and by the f-I curve .* 254.2"):
        calibrate_matching(graph, images, simulation, fi_curve(LEAKY, 200.0, DT))
    with pytest.raises(ConversionError, match="thresholds of layers change the f-I curve"):
        calibrate(graph, images, replace(simulation, thresholds={"fc1": 2.0}))


def test_neurons_without_a_leak_and_without_noise_are_left_as_they_are() -> None:
    graph = on_constants(np.linspace(-0.5, 1, 31))
    simulation = Simulation(neuron=integrate_and_fire(), encoder=ConstantCurrent(100 * Hz), duration=1000 * ms, dt=DT)
    matched = calibrate(graph, np.ones((1, 1), np.float32), simulation)
    assert matched.gains["fc"] == pytest.approx(1, abs=0.02)
    assert matched.backgrounds["fc"] == pytest.approx(0, abs=2)

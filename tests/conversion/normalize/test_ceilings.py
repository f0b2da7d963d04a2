"""Ceilings hold in spiking neurons: constant currents into one neuron against min(max(x, 0), ceiling)."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.ceilings import check_ceilings, has_ceilings
from conversion.normalize import balance_thresholds, normalize, rescale
from conversion.plan import ConversionError, make_plan
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent, Phase
from models.graph import LINEAR, Activation, Add, Conv2d, Dense, Graph, sequential
from models.neurons import integrate_and_fire, phase_coded, signed_integrate_and_fire

SWEEP = np.linspace(-1, 1, 21, dtype=np.float32)[:, None]
SCHEMES = ["model", "data", "percentile", "channel"]


def unit(name, weight, **fields):
    return Dense(name=name, inputs=(), weight=np.array([[weight]], np.float32), **fields)


def one_neuron(weight=2.0, ceiling=0.8, slope=0.0):
    """min(f(weight * x), ceiling) and a layer that reads it."""
    return sequential((1,), unit("capped", weight, activation=Activation(slope, ceiling)), unit("out", 1.0))


def setting(rate=1000.0, neuron=None, steps=400, dt=1.0):
    encoder = ConstantCurrent(rate * Hz)
    neuron = neuron or integrate_and_fire(v_init="half")
    return Simulation(neuron=neuron, encoder=encoder, duration=steps * dt * ms, dt=dt * ms)


def sent(trained, normalised, simulation):
    """What the first layer sends in units of the trained network; its scale is read off its weight."""
    scale = trained["capped"].weight[0, 0] / normalised["capped"].weight[0, 0]
    counts = simulate(normalised, SWEEP, simulation).spike_counts["capped"][:, 0]
    return scale * counts / float(simulation.duration * simulation.encoder.max_rate)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("headroom", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("weight", [0.5, 2.0, 8.0])
@pytest.mark.parametrize("rate", [1000.0, 500.0, 100.0])
def test_no_scheme_headroom_or_rate_lets_a_neuron_exceed_its_ceiling(scheme, headroom, weight, rate):
    graph = one_neuron(weight)
    if headroom != 1.0 and scheme == "model":
        return
    normalised, simulation = normalize(graph, SWEEP, scheme, headroom=headroom), setting(rate)
    wanted = np.clip(weight * SWEEP[:, 0], 0, 0.8)
    try:
        got = sent(graph, normalised, simulation)
    except ConversionError:
        assert rate < 1000, "at one spike a step for activation 1 every scale holds"
        return
    largest = got.max()
    assert largest <= 0.8 * 1.01
    reached = wanted <= largest * 0.99  # beyond it the neuron saturates, as under any normalisation
    np.testing.assert_allclose(got[reached], wanted[reached], atol=0.8 * 1000 / rate / simulation.steps)


def test_the_ceiling_is_the_largest_rate_whatever_the_headroom():
    graph = one_neuron()
    normalised = normalize(graph, SWEEP, "percentile", percentile=100, headroom=3.0)
    assert normalised["capped"].activation.ceiling == pytest.approx(1.0)
    got = sent(graph, normalised, setting())
    np.testing.assert_allclose(got, np.clip(2 * SWEEP[:, 0], 0, 0.8), atol=0.8 / 400)


def test_a_slope_below_zero_and_a_ceiling():
    """PReLU with a ceiling, as signed neurons: both sides are measured, and the positive one stops at the ceiling."""
    graph = one_neuron(weight=2.0, ceiling=0.8, slope=0.25)
    normalised = normalize(graph, SWEEP, "percentile", percentile=100, headroom=1.5)
    got = sent(graph, normalised, setting(neuron=signed_integrate_and_fire(v_init="zero")))
    x = 2 * SWEEP[:, 0]
    np.testing.assert_allclose(got, np.minimum(np.where(x > 0, x, 0.25 * x), 0.8), atol=1.1 * 0.8 / 400)


def test_a_negative_side_that_reaches_further_than_the_ceiling_is_refused():
    graph = one_neuron(weight=2.0, ceiling=0.8, slope=0.9)
    normalised = normalize(graph, SWEEP, "percentile", percentile=100)
    with pytest.raises(ConversionError, match=r"'capped' has its ceiling at 0.444 times"):
        simulate(normalised, SWEEP, setting(neuron=signed_integrate_and_fire()))
    headroom = 0.44
    got = sent(
        graph,
        normalize(graph, SWEEP, "percentile", percentile=100, headroom=headroom),
        setting(neuron=signed_integrate_and_fire()),
    )
    assert got.max() <= 0.8 * 1.01


def test_the_remedies_work():
    graph = one_neuron()
    normalised = normalize(graph, SWEEP, "channel")
    with pytest.raises(ConversionError) as caught:
        simulate(normalised, SWEEP, setting(250))
    message = str(caught.value)
    assert message.startswith(
        "'capped' has its ceiling at 1 times the rate 250. Hz of activation 1, but at steps of 1. ms"
    )
    assert "set max_rate to 1. kHz or more" in message
    assert sent(graph, normalised, setting(1000)).max() == pytest.approx(0.8)
    headroom = float(re.search(r"a headroom of at most ([\d.]+)", message)[1])
    lower = normalize(graph, SWEEP, "channel", headroom=headroom)
    np.testing.assert_allclose(sent(graph, lower, setting(250)), np.clip(2 * SWEEP[:, 0], 0, 0.8), atol=0.8 / 100)


def test_a_refractory_period_is_a_ceiling_too():
    """At two steps between spikes half of activation 1 is the most, which a ceiling of 0.5 does not cut."""
    graph = rescale(one_neuron(weight=2.0, ceiling=0.8), {"capped": np.asarray(1.6), "out": np.asarray(1.0)})
    with pytest.raises(ConversionError, match=r"'capped' has its ceiling at 0.5 times"):
        simulate(graph, SWEEP, setting())
    counts = simulate(graph, SWEEP, setting(neuron=integrate_and_fire(refractory=2 * ms))).spike_counts["capped"]
    assert counts.max() <= 200


def test_phase_coding_sends_no_more_than_one():
    graph = one_neuron()
    images = np.maximum(SWEEP, 0)
    normalised = normalize(graph, images, "percentile", percentile=100)
    simulation = Simulation(neuron=phase_coded(8), encoder=Phase(8), duration=320 * ms)
    recording = simulate(normalised, images, simulation)
    got = 0.8 * recording.spike_counts["capped"][:, 0] / (recording.duration * recording.max_rate)
    np.testing.assert_allclose(got, np.clip(2 * images[:, 0], 0, 0.8), atol=0.05)


@pytest.mark.parametrize("percentile", [100.0, 99.0])
def test_balanced_thresholds_keep_below_the_ceiling(percentile):
    graph, simulation = one_neuron(weight=8.0), setting()
    table = balance_thresholds(graph, SWEEP, simulation, percentile)
    assert table["scale"]["capped"] == pytest.approx(0.8)
    thresholds = {"thresholds": table["threshold"].to_dict()}
    counts = simulate(graph, SWEEP, replace(simulation, **thresholds)).spike_counts["capped"][:, 0]
    np.testing.assert_allclose(0.8 * counts / 400, np.clip(8 * SWEEP[:, 0], 0, 0.8), atol=0.8 / 400)


def test_paths_that_meet_at_a_larger_scale_are_refused():
    """A path with a ceiling of 1 meets one that reaches 4; both get the scale 4, and a ceiling of a quarter."""
    ones = np.ones((1, 1, 1, 1), np.float32)
    graph = Graph(
        (1, 1, 1),
        (
            Conv2d(name="capped", inputs=("input",), weight=ones, activation=Activation(0.0, 1.0)),
            Conv2d(name="free", inputs=("capped",), weight=4 * ones),
            Add(name="sum", inputs=("capped", "free")),
            Conv2d(name="out", inputs=("sum",), weight=ones, activation=LINEAR),
        ),
    )
    images = np.ones((2, 1, 1, 1), np.float32)
    normalised = normalize(graph, images, "percentile", percentile=100)
    with pytest.raises(ConversionError, match=r"'capped' has its ceiling at 0.25 times the rate"):
        simulate(normalised, images, setting())


@pytest.mark.parametrize("rate", [1000.0, 250.0])
def test_what_is_refused_is_known_before_anything_is_simulated(rate):
    graph, simulation = one_neuron(), setting(rate)
    normalised = normalize(graph, SWEEP, "channel")
    messages = []
    for attempt in (
        lambda: check_ceilings(normalised, make_plan(graph), simulation, rate),
        lambda: simulate(normalised, SWEEP, simulation),
    ):
        try:
            attempt()
        except ConversionError as error:
            messages.append(str(error))
    assert len(messages) == (2 if rate < 1000 else 0)
    assert len(set(messages)) <= 1


def test_a_network_has_a_ceiling_where_one_channel_does():
    some, none = np.array([np.inf, 6.0], np.float32), np.full(2, np.inf, np.float32)
    pair = Dense(name="pair", inputs=(), weight=np.ones((2, 1), np.float32), activation=Activation(0.0, some))
    assert has_ceilings(one_neuron())
    assert has_ceilings(sequential((1,), pair))
    assert not has_ceilings(sequential((1,), replace(pair, activation=Activation(0.0, none))))
    assert not has_ceilings(one_neuron(ceiling=np.inf))


def test_an_output_that_accumulates_has_no_rate_to_exceed():
    graph = sequential((1,), unit("capped", 2.0, activation=Activation(0.0, 0.8)))
    simulation = replace(setting(), output="accumulating")
    assert simulate(graph, SWEEP, simulation).output_potentials is not None
    with pytest.raises(ConversionError, match=r"ceiling at 0.8"):
        simulate(graph, SWEEP, setting())

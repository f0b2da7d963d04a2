"""Neurons that differ, against loops and closed forms with the values that the definition gives them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms, mV
from scipy import stats

from conversion import simulate as simulating
from conversion.plan import ConversionError, make_plan
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from conversion.variability import Variability, factors
from models.encoders import ConstantCurrent
from models.graph import Dense, sequential
from models.neurons import (
    Neuron,
    integrate_and_fire,
    leaky_integrate_and_fire,
    membrane_noise,
    poisson_background,
    signed_integrate_and_fire,
)
from tests.conversion.networks import leaky, networks
from tests.conversion.test_simulate import input_spikes, run
from tests.conversion.variability.replay import alive, lognormal
from tests.conversion.zero_delay_loop import zero_delay_loop

NO_V_TH = Neuron(
    equations="dv/dt = drive : 1\ndrive : Hz (constant)", threshold="v >= limit", reset="v -= limit", source="",
    initial={"v": "0"}, parameters={"limit": 1.0},
)  # fmt: skip
IN_MV = Neuron(
    equations="dv/dt = drive : volt\ndrive : volt / second (constant)", threshold="v >= V_T", reset="v -= V_T - E_L",
    source="", input_unit=15 * mV, initial={"v": "E_L"}, parameters={"E_L": -65 * mV, "V_T": -50 * mV},
)  # fmt: skip
ALL = Variability(cv={"tau_m": 0.3, "v_th": 0.2, "refractory": 0.4}, dead_share=0.2)
LEAKY = leaky_integrate_and_fire(10 * ms, refractory=2 * ms, reset="zero")


def one_to_one(n, weight=1.0):
    """A network of n neurons that each repeat an input of their own."""
    return sequential((n,), Dense(name="fc", inputs=("",), weight=np.eye(n, dtype=np.float32) * np.float32(weight)))


def require_equal(one, other, unlike=False):
    pairs = [(one.spike_counts[name], other.spike_counts[name]) for name in one.spike_counts]
    assert sum(counts.sum() for counts, _ in pairs) > 0
    same = [np.array_equal(counts, others) for counts, others in pairs]
    assert not all(same) if unlike else all(same)
    assert unlike or np.array_equal(one.output_potentials, other.output_potentials)


# What is drawn


def drawn(variability, size=40_000, seed=0):
    plan = make_plan(one_to_one(2))
    population = replace(plan.populations[-1], shape=(size,))
    return factors(variability, seed, [population], 1, plan.populations[0])


@pytest.mark.parametrize("cv", [0.05, 0.5, 1.5])
def test_factors_are_lognormal_with_mean_1(cv):
    values = drawn(Variability(cv={"v_th": cv}))["v_th"].astype(float)
    assert abs(values.mean() - 1) < 4 * cv / np.sqrt(values.size)
    sigma = np.sqrt(np.log(1 + cv**2))
    assert stats.kstest(np.log(values), "norm", (-(sigma**2) / 2, sigma)).pvalue > 1e-3
    assert (values > 0).all()


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_as_many_are_dead_as_is_likely(share):
    dead = np.count_nonzero(~drawn(Variability(dead_share=share))["alive"])
    assert abs(dead - 40_000 * share) <= 4 * np.sqrt(40_000 * share * (1 - share))


def test_what_is_drawn_for_parameters_layers_and_seeds_is_independent():
    one = drawn(Variability(cv={"v_th": 0.3, "tau_m": 0.3}))
    other = drawn(Variability(cv={"v_th": 0.3}), seed=1)
    for a, b in ((one["v_th"], one["tau_m"]), (one["v_th"], other["v_th"])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(40_000)


def test_a_larger_share_kills_those_that_a_smaller_one_does():
    few, many = drawn(Variability(dead_share=0.1))["alive"], drawn(Variability(dead_share=0.2))["alive"]
    assert few[many].all()


# What it does


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("name", ["dense with biases", "conv, flatten, dense", "residual block", "average pooling"])
def test_thresholds_that_differ(name, connectivity):
    """The same for every image: the loop has one threshold per neuron."""
    graph = networks()[name]
    v_th = {layer.name: lognormal(3, layer.name, "v_th", 0.4, graph.shapes[layer.name]) for layer in graph}
    v_th = {layer: np.float32(values) for layer, values in v_th.items()}
    spikes = input_spikes(graph)
    settings = {"variability": Variability(cv={"v_th": 0.4}), "network_seed": 3, "connectivity": connectivity}
    recording = run(graph, spikes, neuron=integrate_and_fire(reset="zero"), **settings)
    expected = zero_delay_loop(graph, spikes, reset="zero", v_th=v_th)
    uniform = zero_delay_loop(graph, spikes, reset="zero")
    for layer, counts in expected.items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)
    assert not all(np.array_equal(counts, uniform[layer]) for layer, counts in expected.items())


def test_thresholds_of_layers_are_multiplied_too():
    graph, v_th = networks()["dense"], {}
    for layer, factor in (("fc1", 2.0), ("fc2", 1.0)):
        v_th[layer] = np.float32(factor) * np.float32(lognormal(0, layer, "v_th", 0.4, graph.shapes[layer]))
    spikes = input_spikes(graph)
    settings = {"variability": Variability(cv={"v_th": 0.4}), "thresholds": {"fc1": 2.0}}
    recording = run(graph, spikes, neuron=integrate_and_fire(reset="zero"), **settings)
    np.testing.assert_array_equal(
        recording.spike_counts["fc2"], zero_delay_loop(graph, spikes, reset="zero", v_th=v_th)["fc2"]
    )


def test_leaks_that_differ_are_exact():
    """After one input spike the potential of each neuron decays by its own time constant."""
    spikes = np.zeros((20, 2, 30), bool)
    spikes[0] = True
    settings = {"variability": Variability(cv={"tau_m": 0.5}), "probe": Probe(traces={"fc": tuple(range(30))})}
    recording = run(one_to_one(30, 0.5), spikes, neuron=leaky_integrate_and_fire(8 * ms), **settings)
    tau = 8 * lognormal(0, "fc", "tau_m", 0.5, (30,))
    expected = 0.5 * np.exp(-np.arange(1, 21)[:, None] / tau)
    for image in range(2):
        np.testing.assert_allclose(recording.traces["fc"][:, image], expected, rtol=2e-5)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_refractory_periods_that_differ(connectivity):
    """Neurons that would spike in every step wait for the whole steps of their own period."""
    n, steps = 40, 60
    settings = {"variability": Variability(cv={"refractory": 0.5}), "connectivity": connectivity}
    neuron = integrate_and_fire(reset="zero", refractory=5 * ms)
    recording = run(one_to_one(n, 2.0), np.ones((steps, 2, n), bool), neuron=neuron, **settings)
    period = 5 * lognormal(0, "fc", "refractory", 0.5, (n,))
    between = np.maximum(1, np.floor(period + 1e-3))  # of so many milliseconds Brian2 counts the whole steps
    received = between + 1  # the step in which it is free again, and the one in which input has come
    assert len(set(between)) > 5
    np.testing.assert_array_equal(recording.spike_counts["fc"], np.tile(np.ceil(steps / received), (2, 1)))


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("name", ["conv, flatten, dense", "residual block", "average pooling", "max pooling"])
def test_dead_neurons_never_spike_and_relays_and_the_output_live(name, connectivity):
    graph, output = networks()[name], networks()[name].output.name
    silent = {layer.name: ~alive(5, layer.name, 0.3, graph.shapes[layer.name]) for layer in graph}
    silent[output] = np.zeros(1, bool)
    spikes = input_spikes(graph)
    settings = {"variability": Variability(dead_share=0.3), "network_seed": 5, "connectivity": connectivity}
    recording = run(graph, spikes, **settings)
    for layer, counts in zero_delay_loop(graph, spikes, silent=silent).items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)
    assert any(mask.any() for mask in silent.values())


def test_any_model_can_die():
    graph = networks()["dense"]
    spikes = input_spikes(graph)
    recording = run(graph, spikes, neuron=NO_V_TH, variability=Variability(dead_share=0.3))
    silent = {"fc1": ~alive(0, "fc1", 0.3, (9,)), "fc2": np.zeros(1, bool)}
    np.testing.assert_array_equal(recording.spike_counts["fc2"], zero_delay_loop(graph, spikes, silent=silent)["fc2"])
    assert silent["fc1"].any()


def test_dead_neurons_send_no_negative_spikes():
    graph = leaky(networks()["dense"], 0.25)
    spikes = input_spikes(graph)
    recording = run(graph, spikes, neuron=signed_integrate_and_fire(), variability=Variability(dead_share=0.4))
    dead = ~alive(0, "fc1", 0.4, (9,))
    assert dead.any()
    assert not recording.spike_counts["fc1"][:, dead].any()
    assert recording.spike_counts["fc1"].min() < 0


def test_dead_neurons_stay_dead_with_half_a_threshold():
    graph = networks()["dense"]
    settings = {"variability": Variability(dead_share=1.0), "half_threshold_offset": True}
    recording = run(graph, input_spikes(graph), neuron=integrate_and_fire(v_init="half"), **settings)
    assert not recording.spike_counts["fc1"].any()


def test_parameters_with_units():
    """Thresholds from 0 mV on: those of -50 mV that become -60 mV are reached sooner."""
    spikes = np.zeros((3, 1, 50), bool)
    spikes[0] = True
    recording = run(one_to_one(50, 0.9), spikes, neuron=IN_MV, variability=Variability(cv={"V_T": 0.05}))
    v_t = -50 * lognormal(0, "fc", "V_T", 0.05, (50,))
    assert abs(v_t + 50).max() > 1
    np.testing.assert_array_equal(recording.spike_counts["fc"][0] > 0, v_t <= -65 + 0.9 * 15)


def test_outputs_that_accumulate_are_spared():
    graph = networks()["dense"]
    spikes = input_spikes(graph)
    recording = run(graph, spikes, variability=replace(ALL, cv={"v_th": 0.2}), output="accumulating")
    hidden = recording.spike_counts["fc1"]
    np.testing.assert_allclose(recording.output_potentials[-1], hidden @ graph["fc2"].weight.T, rtol=1e-5)


# What it does not do


@pytest.mark.parametrize("name", ["residual block", "max pooling"])
def test_batches_and_connectivity_change_nothing(name, monkeypatch):
    graph = networks()[name]
    spikes = input_spikes(graph, images=5)
    whole = run(graph, spikes, neuron=LEAKY, variability=ALL)
    require_equal(whole, run(graph, spikes, neuron=LEAKY, variability=ALL, connectivity="synapses"))
    require_equal(whole, run(graph, spikes, neuron=LEAKY), unlike=True)
    require_equal(whole, run(graph, spikes, neuron=LEAKY, variability=ALL, network_seed=1), unlike=True)
    require_equal(whole, run(graph, spikes, neuron=LEAKY, variability=ALL, seed=1))
    monkeypatch.setattr(simulating, "LARGEST_BATCH", 1)
    require_equal(whole, run(graph, spikes, neuron=LEAKY, variability=ALL))


def test_equal_images_give_equal_spikes():
    graph = networks()["conv, flatten, dense"]
    spikes = np.repeat(input_spikes(graph, images=1), 4, axis=1)
    for counts in run(graph, spikes, neuron=LEAKY, variability=ALL).spike_counts.values():
        assert (counts == counts[0]).all()


@pytest.mark.parametrize("neutral", [{"cv": {"tau_m": 0, "v_th": 0, "refractory": 0}}, {"dead_share": 0.0}])
def test_neutral_values_change_nothing(neutral):
    graph = networks()["residual block"]
    spikes = input_spikes(graph)
    require_equal(
        run(graph, spikes, neuron=LEAKY), run(graph, spikes, neuron=LEAKY, variability=Variability(**neutral))
    )


def test_noise_belongs_to_the_image_and_goes_with_all_that_varies(monkeypatch):
    graph = networks()["residual block"]
    spikes = np.repeat(input_spikes(graph, density=0.1, images=1), 4, axis=1)
    noisy = poisson_background(membrane_noise(LEAKY, 0.1 / ms**0.5), 100 * Hz, -0.2)
    settings = {"neuron": noisy, "variability": replace(ALL, lost_share=0.2, release_probability=0.9)}
    whole = run(graph, spikes, **settings)
    require_equal(whole, run(graph, spikes, **settings, connectivity="synapses"))
    monkeypatch.setattr(simulating, "LARGEST_BATCH", 1)
    require_equal(whole, run(graph, spikes, **settings))
    counts = run(graph, spikes, neuron=noisy).spike_counts["conv1"]
    assert not any(np.array_equal(counts[0], other) for other in counts[1:])


def test_constant_current_goes_with_it():
    graph = networks()["dense with biases"]
    settings = Simulation(
        neuron=integrate_and_fire(),
        encoder=ConstantCurrent(),
        duration=50 * ms,
        variability=Variability(cv={"v_th": 1}),
    )
    counts = simulate(graph, np.ones((2, 5), np.float32), settings).spike_counts["fc1"]
    drive = graph["fc1"].weight.sum(axis=1) + graph["fc1"].bias
    rate = np.clip(drive / lognormal(0, "fc1", "v_th", 1, (6,)), 0, 1)
    np.testing.assert_allclose(counts / 50, np.tile(rate, (2, 1)), atol=1.5 / 50)


@pytest.mark.parametrize(
    ("neuron", "name", "known"),
    [
        (LEAKY, "tau", "tau_m, v_th, refractory"),
        (integrate_and_fire(), "refractory", "v_th"),
        (NO_V_TH, "v", "limit"),
    ],
)
def test_what_cannot_vary_is_refused_with_what_can(neuron, name, known):
    spikes = np.ones((2, 1, 3), bool)
    with pytest.raises(ConversionError, match=f"cv names '{name}'; what can vary in this neuron is {known}$"):
        run(one_to_one(3), spikes, neuron=neuron, variability=Variability(cv={name: 0.0}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cv": {"v_th": -0.1}}, "coefficient of variation of 'v_th' is -0.1"),
        ({"cv": {"v_th": np.nan}}, "coefficient of variation of 'v_th' is nan"),
        ({"dead_share": 1.1}, "dead_share is 1.1"),
        ({"lost_share": -0.1}, "lost_share is -0.1"),
        ({"release_probability": np.nan}, "release_probability is nan"),
    ],
)
def test_numbers_out_of_bounds_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Variability(**fields)

"""Lost and failing synapses against products with matrices of single synapses, decided in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import ms

from conversion import simulate as simulating
from conversion.draws import key_of
from conversion.plan import ConversionError, make_plan
from conversion.variability import Variability, unreliable
from models.graph import Dense, sequential
from models.neurons import integrate_and_fire, leaky_integrate_and_fire, signed_integrate_and_fire
from tests.conversion import zero_delay_loop as loop
from tests.conversion.networks import leaky, networks
from tests.conversion.test_simulate import STEPS, input_spikes, run
from tests.conversion.variability.replay import Unreliable, key, uniform
from tests.conversion.variability.test_neurons import require_equal

KINDS = ["dense with biases", "conv, flatten, dense", "strides, oblong kernels, borders", "dilation and groups"]
KINDS += ["average pooling", "max pooling", "residual block", "junction of spiking paths"]
LEAKY = leaky_integrate_and_fire(10 * ms, refractory=2 * ms, reset="zero")
BOTH = Variability(lost_share=0.2, release_probability=0.7)


def expected(graph, spikes, monkeypatch, **settings):
    """Counts of the loop whose layers are matrices with lost and failing synapses."""
    monkeypatch.setattr(loop, "weighted_input", Unreliable(graph, **settings))
    return loop.zero_delay_loop(graph, spikes)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("name", KINDS)
def test_lost_synapses_are_lost_in_every_step_and_image(name, connectivity, monkeypatch):
    graph = networks()[name]
    spikes = input_spikes(graph, density=0.1)
    whole = loop.zero_delay_loop(graph, spikes)
    counts = expected(graph, spikes, monkeypatch, network_seed=4, lost_share=0.3)
    settings = {"variability": Variability(lost_share=0.3), "network_seed": 4, "connectivity": connectivity}
    recording = run(graph, spikes, **settings)
    assert any(0 < whole[name].mean() < STEPS and not np.array_equal(counts[name], whole[name]) for name in counts)
    for layer in counts:
        np.testing.assert_array_equal(recording.spike_counts[layer], counts[layer], err_msg=layer)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("name", ["dense", "conv, flatten, dense", "max pooling", "residual block"])
def test_each_synapse_fails_by_its_own_number(name, connectivity, monkeypatch):
    graph = networks()[name]
    spikes = input_spikes(graph, steps=6, images=2)
    settings = {"seed": 2, "network_seed": 4}
    counts = expected(graph, spikes, monkeypatch, lost_share=0.2, release_probability=0.7, **settings)
    recording = run(graph, spikes, variability=BOTH, connectivity=connectivity, **settings)
    assert counts[graph.output.name].any()
    for layer in counts:
        np.testing.assert_array_equal(recording.spike_counts[layer], counts[layer], err_msg=layer)


# Shares


def n_synapses(plan):
    return {p.name: p.connection.fan_out().sum() for p in plan.projections}


@pytest.mark.parametrize("share", [0.0, 0.01, 0.4, 1.0])
def test_as_many_synapses_are_lost_as_is_likely(share):
    graph = sequential((300,), Dense(name="fc", inputs=("",), weight=np.ones((200, 300), np.float32)))
    (left,) = n_synapses(unreliable(make_plan(graph), Variability(lost_share=share), 0, 1e9)).values()
    n = 60_000
    assert abs(n - left - n * share) <= 4 * np.sqrt(n * share * (1 - share))


def test_a_larger_share_loses_those_that_a_smaller_one_does():
    plan = make_plan(networks()["conv, flatten, dense"])
    few, many = (unreliable(plan, Variability(lost_share=share), 0, 1e9) for share in (0.1, 0.4))
    for a, b in zip(few.projections, many.projections, strict=True):
        left = (a.connection.unrolled() != 0).astype(int) - (b.connection.unrolled() != 0).astype(int)
        assert left.min() == 0


@pytest.mark.parametrize("probability", [0.02, 0.5, 1.0])
def test_as_many_spikes_are_released_as_is_likely(probability):
    """Of neurons that sum all they are sent; over steps, images and synapses, and of each neuron alone."""
    steps, images, n = 20, 3, 50
    graph = sequential((n,), Dense(name="fc", inputs=("",), weight=np.ones((40, n), np.float32)))
    settings = {"variability": Variability(release_probability=probability), "output": "accumulating"}
    received = run(graph, np.ones((steps, images, n), bool), **settings).output_potentials
    deviation = np.sqrt(steps * n * probability * (1 - probability))
    z = (received[-1] - steps * n * probability) / max(deviation, 1)
    assert abs(z.mean()) <= 4 / np.sqrt(z.size)
    assert probability == 1 or abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)
    in_steps = np.diff(received, axis=0, prepend=0).reshape(steps, -1) - n * probability
    assert abs((in_steps[1:] * in_steps[:-1]).mean()) <= 4 * n * probability * (1 - probability) / np.sqrt(
        in_steps.size
    )


def test_the_numbers_are_those_of_splitmix64():
    """The first ones of the published algorithm begun at 1234567."""
    found = [uniform(1234567, number) for number in (1, 2, 3)]
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert found == [(number >> 11) / 2**53 for number in published]
    assert key(3, "a_to_b", "lost") == key_of(3, "a_to_b", "lost")


# What it does not do


def test_pooling_and_relays_keep_their_synapses():
    plan = make_plan(networks()["max pooling"])
    changed = n_synapses(unreliable(plan, Variability(lost_share=0.5), 0, 1e9))
    assert changed["conv1_to_pool1"] == n_synapses(plan)["conv1_to_pool1"]
    assert changed["pool1_to_conv2"] < n_synapses(plan)["pool1_to_conv2"]


@pytest.mark.parametrize("neuron", [LEAKY, integrate_and_fire(reset="zero")])
@pytest.mark.parametrize("name", ["residual block", "max pooling", "average pooling"])
def test_batches_and_connectivity_change_nothing(name, neuron, monkeypatch):
    graph = networks()[name]
    spikes = input_spikes(graph, images=5)
    whole = run(graph, spikes, neuron=neuron, variability=BOTH)
    require_equal(whole, run(graph, spikes, neuron=neuron, variability=BOTH, connectivity="synapses"))
    monkeypatch.setattr(simulating, "LARGEST_BATCH", 1)
    require_equal(whole, run(graph, spikes, neuron=neuron, variability=BOTH))
    require_equal(whole, run(graph, spikes, neuron=neuron, variability=BOTH, connectivity="synapses"))
    require_equal(whole, run(graph, spikes, neuron=neuron, variability=BOTH, seed=1), unlike=True)
    require_equal(whole, run(graph, spikes, neuron=neuron, variability=BOTH, network_seed=1), unlike=True)


@pytest.mark.parametrize("name", ["dense", "junction of spiking paths"])
def test_negative_spikes_are_lost_and_fail_as_well(name):
    graph = leaky(networks()[name], 0.25)
    spikes = input_spikes(graph)
    one = run(graph, spikes, neuron=signed_integrate_and_fire(), variability=BOTH)
    assert min(counts.min() for counts in one.spike_counts.values()) < 0
    require_equal(
        one, run(graph, spikes, neuron=signed_integrate_and_fire(), variability=BOTH, connectivity="synapses")
    )


def test_equal_images_lose_the_same_synapses_and_fail_differently():
    graph = networks()["conv, flatten, dense"]
    spikes = np.repeat(input_spikes(graph, images=1), 4, axis=1)
    lost = run(graph, spikes, variability=Variability(lost_share=0.3)).spike_counts["fc"]
    failing = run(graph, spikes, variability=Variability(release_probability=0.5)).spike_counts["conv1"]
    assert (lost == lost[0]).all()
    assert not (failing == failing[0]).all()


@pytest.mark.parametrize("name", ["residual block", "conv, flatten, dense"])
def test_neutral_values_change_nothing(name):
    """To the bit; synapses that are stored one by one are added in the same order."""
    graph = networks()[name]
    spikes, almost = input_spikes(graph), np.nextafter(1.0, 0)
    plain = run(graph, spikes)
    require_equal(plain, run(graph, spikes, variability=Variability(lost_share=0.0, release_probability=1.0)))
    require_equal(plain, run(graph, spikes, variability=Variability(lost_share=1 - almost)))
    require_equal(plain, run(graph, spikes, variability=Variability(release_probability=almost)))


def test_synaptic_operations_are_those_of_the_synapses_that_are_left():
    graph = networks()["dense"]
    spikes = input_spikes(graph)
    recording = run(graph, spikes, variability=Variability(lost_share=0.3))
    left = np.array([[uniform(key(0, "input_to_fc1", "lost"), s * 9 + t) >= 0.3 for t in range(9)] for s in range(7)])
    assert recording.synops[-1, 0] == pytest.approx((spikes.sum(axis=(0, 1)) * left.sum(axis=1)).sum() / 3)


def test_too_many_synapses_are_refused():
    plan = make_plan(networks()["dense"])
    with pytest.raises(ConversionError, match=r"one by one, and 99 take 3\.3e-06 GB, more than the"):
        unreliable(plan, Variability(lost_share=0.1), 0, 1e3)
    unreliable(plan, Variability(), 0, 1)

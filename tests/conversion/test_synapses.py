"""Networks whose synapses take time against a loop that is written from the definitions, spike for spike."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from conversion.plan import make_plan
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent, SpikeTrains
from models.graph import INPUT, Conv2d, Dense, Flatten, Graph, MaxPool2d, sequential
from models.neurons import (
    alpha_current,
    conductances,
    exponential_current,
    integrate_and_fire,
    leaky_integrate_and_fire,
    signed_integrate_and_fire,
)
from tests.conversion.networks import dense, leaky, networks, weights
from tests.conversion.zero_delay_loop import (
    is_linear_path,
    maximum,
    negative_spikes,
    per_channel,
    weighted_input,
    zero_delay_loop,
)

STEPS, IMAGES = 30, 3
V_TH = 1 + 1 / 32  # which no sum of weights reaches exactly
TAU, TAU_I = 3.0, 5.0  # in steps
E_E, E_I = 6.0, -2.0


def exponential(state, e, i, v, bias):
    """What is left of the charge decays; what decays is what the membrane gets."""
    d = math.exp(-1 / TAU)
    charge = state["I"] + e - i
    state["I"] = charge * d
    return v + charge * (1 - d) + bias


def alpha(state, e, i, v, bias):
    """I and J in charge per time constant: J decays into I, which decays into the membrane."""
    d, a = math.exp(-1 / TAU), 1 / TAU
    J, I = state["J"] + e - i, state["I"]  # noqa: E741
    state["J"], state["I"] = J * d, (I + J * a) * d
    before, after = I + J, state["I"] + state["J"]
    return v + before - after + bias


def conductance(state, e, i, v, bias):
    """Conductances are constant in a step, each with its mean, so that the membrane has a closed form."""
    g_e, g_i = state["e"] + e, state["i"] + i
    state["e"], state["i"] = g_e * math.exp(-1 / TAU), g_i * math.exp(-1 / TAU_I)
    a, b = (g_e - state["e"]) / E_E, (g_i - state["i"]) / -E_I
    total = np.maximum(a + b, 1e-12)
    target = (a * E_E + b * E_I + bias) / total
    return np.where(a + b > 0, target + (v - target) * np.exp(-total), v + bias)


KINDS = {
    "exponential": (lambda neuron: exponential_current(neuron, TAU * ms), exponential),
    "alpha": (lambda neuron: alpha_current(neuron, TAU * ms), alpha),
    "conductances": (lambda neuron: conductances(neuron, TAU * ms, TAU_I * ms), conductance),
}


def by_sign(layer, inputs, sign):
    """What the synapses of one sign bring, those that a spike of the same sign excites."""
    bias = {"bias": None} if isinstance(layer, Dense | Conv2d) else {}
    clipped = {"weight": np.maximum(sign * layer.weight, 0)} if bias else {}
    if not bias and sign < 0:
        return 0 * weighted_input(layer, inputs)
    return weighted_input(replace(layer, **bias, **clipped), inputs)


def synaptic_loop(graph, spikes, step, offset=0.0, signed=False, accumulates=False):
    """Spike counts of every layer, and the potentials of the end."""
    counts, v, so_far = defaultdict(float), {}, {}
    states = defaultdict(lambda: defaultdict(float))
    for step_input in spikes.astype(float):
        out = {INPUT: step_input}
        for layer in graph:
            x = [out[name] for name in layer.inputs]
            if isinstance(layer, Flatten):
                out[layer.name] = x[0].reshape(len(x[0]), -1)
                continue
            if isinstance(layer, MaxPool2d):
                before = so_far.get(layer.name, 0 * x[0])
                so_far[layer.name] = before + x[0]
                out[layer.name] = maximum(layer, before + x[0]) - maximum(layer, before)
            else:
                assert not is_linear_path(graph, layer)
                plus, minus = [np.maximum(s, 0) for s in x], [np.maximum(-s, 0) for s in x]
                e = by_sign(layer, plus, 1) + by_sign(layer, minus, -1)
                i = by_sign(layer, plus, -1) + by_sign(layer, minus, 1)
                bias = getattr(layer, "bias", None)
                bias = offset + (0 if bias is None else per_channel(bias, e.ndim))
                last = accumulates and layer is graph.output
                integrate = exponential if last else step
                potential = integrate(states[layer.name], e, i, v.get(layer.name, 0 * e), bias)
                spike = 0 if last else potential >= V_TH
                negative, taken = negative_spikes(layer, potential, V_TH) if signed else (0, 0)
                v[layer.name] = potential - V_TH * spike - taken
                out[layer.name] = spike * 1.0 - negative
            counts[layer.name] = counts[layer.name] + out[layer.name]
    return counts, v


def input_spikes(graph, density=0.4):
    return np.random.default_rng(1).random((STEPS, IMAGES, *graph.input_shape)) < density


def run(graph, spikes, **settings):
    settings = {"encoder": SpikeTrains(spikes), "duration": len(spikes) * ms} | settings
    return simulate(graph, np.zeros(spikes.shape[1:], np.float32), Simulation(**settings))


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["dense with biases", "conv, flatten, dense", "max pooling", "average pooling"])
def test_every_neuron_spikes_as_in_the_loop(name: str, kind: str, connectivity: str) -> None:
    """Relays of max pooling pass spikes on at once."""
    graph, (synapse, step) = networks()[name], KINDS[kind]
    spikes = input_spikes(graph)
    expected, _ = synaptic_loop(graph, spikes, step)
    assert np.sum(expected[graph.output.name]) > 0, "a silent network would prove nothing"
    recording = run(graph, spikes, neuron=synapse(integrate_and_fire(v_th=V_TH)), connectivity=connectivity)
    for layer, counts in recording.spike_counts.items():
        if layer != INPUT:
            np.testing.assert_array_equal(counts, expected[layer], err_msg=layer)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_negative_spike_does_the_opposite(kind: str, connectivity: str) -> None:
    """Through conductances it opens those of the other sign."""
    graph, (synapse, step) = leaky(networks()["dense"], 1.0), KINDS[kind]
    spikes = input_spikes(graph)
    expected, _ = synaptic_loop(graph, spikes, step, signed=True)
    recording = run(graph, spikes, neuron=synapse(signed_integrate_and_fire(v_th=V_TH)), connectivity=connectivity)
    assert (expected["fc1"] < 0).any()
    for layer in ("fc1", "fc2"):
        np.testing.assert_array_equal(recording.spike_counts[layer], expected[layer], err_msg=layer)


def test_half_a_threshold_in_the_window_passes_the_synapse_by() -> None:
    graph = networks()["conv, flatten, dense"]
    spikes, neuron = input_spikes(graph), exponential_current(integrate_and_fire(v_th=V_TH), TAU * ms)
    expected, _ = synaptic_loop(graph, spikes, exponential, offset=V_TH / 2 / STEPS)
    recording = run(graph, spikes, neuron=neuron, half_threshold_offset=True)
    np.testing.assert_array_equal(recording.spike_counts["fc"], expected["fc"])


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_an_output_that_accumulates_sums_what_has_come_through_its_synapses(connectivity: str) -> None:
    graph = networks()["dense with biases"]
    spikes, neuron = input_spikes(graph), exponential_current(integrate_and_fire(v_th=V_TH), TAU * ms)
    _, v = synaptic_loop(graph, spikes, exponential, accumulates=True)
    recording = run(graph, spikes, neuron=neuron, output="accumulating", connectivity=connectivity)
    np.testing.assert_allclose(recording.output_potentials[-1], v[graph.output.name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["dense with biases", "max pooling", "residual block"])
@pytest.mark.parametrize("synapse", [exponential_current, alpha_current])
def test_a_synapse_much_faster_than_a_step_is_the_delta_synapse(name: str, synapse) -> None:
    graph = networks()[name]
    spikes = input_spikes(graph)
    expected = zero_delay_loop(graph, spikes, v_th=V_TH)
    recording = run(graph, spikes, neuron=synapse(integrate_and_fire(v_th=V_TH), 1e-3 * ms))
    for layer, counts in expected.items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_and_the_images_before_change_nothing(kind: str) -> None:
    """What is left in the synapses of one image does not reach the next."""
    graph, (synapse, _) = networks()["max pooling"], KINDS[kind]
    spikes, neuron = input_spikes(graph), synapse(leaky_integrate_and_fire(9 * ms, refractory=2 * ms))
    together = run(graph, spikes, neuron=neuron)
    one_by_one = run(graph, spikes, neuron=neuron, memory_limit=1)
    assert together.output_counts[-1].any()
    np.testing.assert_array_equal(together.output_counts, one_by_one.output_counts)


def test_a_constant_image_enters_as_drive_and_the_trace_is_that_of_the_membrane() -> None:
    """0.3 a step: a spike in steps 4, 7, 10, ...; the trace shows what is left in units of activation."""
    graph = sequential((1,), Dense(name="fc", inputs=(), weight=np.ones((1, 1), np.float32)))
    images = np.full((1, 1), 0.3, np.float32)
    neuron = exponential_current(integrate_and_fire(), 5 * ms)
    simulation = Simulation(
        neuron=neuron, encoder=ConstantCurrent(), duration=10 * ms, probe=Probe(traces={"fc": (0,)})
    )
    recording = simulate(graph, images, simulation)
    expected = 0.3 * np.arange(1, 11)
    np.testing.assert_array_equal(recording.output_counts[:, 0, 0], np.floor(expected))
    np.testing.assert_allclose(recording.traces["fc"][:, 0, 0], expected - np.floor(expected), atol=1e-5)


def test_positive_and_negative_parts_of_a_connection_make_the_whole() -> None:
    for name in ("average pooling", "residual block", "dilation and groups", "dense"):
        for projection in make_plan(networks()[name]).projections:
            connection = projection.connection
            plus, minus = (connection.times(sign).clipped().unrolled().toarray() for sign in (1, -1))
            whole = connection.unrolled().toarray()
            assert (plus >= 0).all()
            assert (minus >= 0).all()
            assert not (plus * minus).any()
            np.testing.assert_array_equal(plus - minus, whole)


def test_a_graph_of_one_sign() -> None:
    """Inhibition alone never fires anybody."""
    graph = Graph((4,), (replace(dense("fc", INPUT, 3, 4), weight=-np.abs(weights(3, 4)) - 1),))
    neuron = conductances(integrate_and_fire(), TAU * ms, TAU_I * ms)
    recording = run(graph, input_spikes(graph), neuron=neuron, probe=Probe(traces={"fc": (0, 1, 2)}))
    assert not recording.spike_counts["fc"].any()
    assert (recording.traces["fc"] >= E_I - 1e-5).all()
    assert recording.traces["fc"].min() < -1

"""Removal of residual potentials: by hand, and against two runs of the papers' loop with the rule in between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.plan.populations import ConversionError
from conversion.recording import Probe
from conversion.residual_potential import simulate_in_two_stages
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent, Phase, Poisson, SpikeTrains
from models.graph import INPUT, Conv2d, Dense, Graph, sequential
from models.neurons import integrate_and_fire, phase_coded, signed_integrate_and_fire
from tests.conversion.networks import conv, networks
from tests.conversion.zero_delay_loop import zero_delay_loop

FIRST, STEPS = 15, 20


def balanced(graph):
    """With about as much inhibition as excitation, so that there are residual potentials on both sides of 0."""
    layers = (replace(n, weight=n.weight - np.float32(3 / 16)) if isinstance(n, Dense | Conv2d) else n for n in graph)
    return Graph(graph.input_shape, tuple(layers))


def deeper(graph):
    """With two more layers, so that a layer which can be silenced lies before the output, which cannot."""
    last, channels = graph.output.name, graph.shapes[graph.output.name][0]
    more = conv("more", last, 8, channels, 1, 2), conv("out", "more", 3, 8, 1, 1)
    return Graph(graph.input_shape, (*graph.layers, *more))


NAMES = ("average pooling", "max pooling", "residual block")
NETWORKS = {name: balanced(deeper(networks()[name])) for name in NAMES} | {"dense": balanced(networks()["dense"])}


def images_for(graph, n=5):
    return np.random.default_rng(0).random((n, *graph.input_shape)).astype(np.float32)


def run(graph, images, **settings):
    settings = {"neuron": integrate_and_fire(), "encoder": ConstantCurrent(1000 * Hz)} | settings
    return simulate_in_two_stages(graph, images, Simulation(duration=STEPS * ms, **settings), first_stage=FIRST * ms)


def two_loops(graph, images, v_init=0.0):
    """Counts of both stages and the masks: whose potential ends below 0 never spikes again, but for the output."""
    v: dict = {}
    first = zero_delay_loop(graph, np.repeat(images[None], FIRST, axis=0), v_init=v_init, v=v)
    silent = {name: (potential < 0) & (name != graph.output.name) for name, potential in v.items()}
    second = zero_delay_loop(graph, np.repeat(images[None], STEPS, axis=0), v_init=v_init, silent=silent)
    return first, second, silent


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("v_init", ["zero", "half"])
@pytest.mark.parametrize("name", NAMES)
def test_both_stages_are_those_of_the_loop(name, v_init, connectivity):
    graph = NETWORKS[name]
    images, neuron = images_for(graph), integrate_and_fire(v_init=v_init)
    first, expected, silent = two_loops(graph, images, 0.5 if v_init == "half" else 0.0)
    assert any(first[layer][mask].any() for layer, mask in silent.items()), "nobody would be silenced who spiked"
    recording = run(graph, images, neuron=neuron, connectivity=connectivity)
    for layer in recording.populations:
        np.testing.assert_array_equal(recording.spike_counts[layer], expected[layer], err_msg=layer)
    spikes = [(first[layer].sum() + expected[layer].sum()) / len(images) for layer in recording.populations]
    np.testing.assert_allclose(recording.spikes[-1], spikes)


def test_batches_keep_the_masks_of_their_images():
    graph = NETWORKS["residual block"]
    images = images_for(graph)
    together, one_by_one = run(graph, images), run(graph, images, memory_limit=1)
    np.testing.assert_array_equal(together.output_counts, one_by_one.output_counts)


def test_a_spike_without_cause_by_hand():
    """a and b spike at 1/2 and 0.45, a first; c receives a - b. It spikes once and is left at -1, although the ANN's
    activation is 0.05: in five steps nothing."""
    drive = np.array([[0.5], [0.45]], np.float32)
    graph = sequential(
        (1,), Dense(name="ab", inputs=(), weight=drive),
        Dense(name="c", inputs=(), weight=np.array([[1, -1]], np.float32)),
        Dense(name="out", inputs=(), weight=np.ones((1, 1), np.float32)),
    )  # fmt: skip
    settings = {"neuron": integrate_and_fire(), "encoder": ConstantCurrent(1000 * Hz), "duration": 5 * ms}
    plain = simulate(graph, np.ones((1, 1), np.float32), Simulation(probe=Probe(traces={"c": (0,)}), **settings))
    np.testing.assert_allclose(plain.traces["c"][:, 0, 0], [0, 0, -1, 0, -1])
    np.testing.assert_array_equal(plain.output_counts[:, 0, 0], [0, 1, 1, 1, 1])
    removed = simulate_in_two_stages(graph, np.ones((1, 1), np.float32), Simulation(**settings), first_stage=5 * ms)
    np.testing.assert_array_equal(removed.output_counts[:, 0, 0], 0)
    np.testing.assert_array_equal(removed.spike_counts["ab"], [[2, 2]])
    np.testing.assert_allclose(removed.times * 1e3, [6, 7, 8, 9, 10])
    assert removed.evaluated_from == pytest.approx(0.005)
    np.testing.assert_allclose(removed.spikes[-1], [4 + 4, 1, 1])
    np.testing.assert_allclose(removed.synops[-1], [4 + 4, 1, 0])


def test_the_second_stage_has_the_input_of_a_simulation_without_a_first_and_the_first_stage_another():
    graph = NETWORKS["dense"]
    images = images_for(graph)
    settings = {"encoder": Poisson(500 * Hz), "seed": 3}
    two = run(graph, images, **settings)
    one = simulate(graph, images, Simulation(neuron=integrate_and_fire(), duration=STEPS * ms, **settings))
    np.testing.assert_array_equal(two.spike_counts[INPUT], one.spike_counts[INPUT])
    same = simulate(graph, images, Simulation(neuron=integrate_and_fire(), duration=FIRST * ms, **settings))
    assert two.spikes[-1, 0] - one.spikes[-1, 0] != same.spikes[-1, 0]


def test_first_spikes_are_counted_from_the_first_stage_on():
    graph = NETWORKS["dense"]
    recording = run(graph, images_for(graph), probe=Probe(output_spikes=(1,)))
    first = recording.output_spike_times[1]
    spiked = recording.output_counts[-1] > 0
    np.testing.assert_array_equal(np.isfinite(first), spiked)
    assert first[spiked].min() > FIRST * 1e-3


@pytest.mark.parametrize("output", ["spiking", "accumulating"])
def test_an_output_that_only_accumulates_has_nothing_to_silence(output):
    graph = NETWORKS["dense"]
    images = images_for(graph)
    settings = {"neuron": integrate_and_fire(), "encoder": ConstantCurrent(), "duration": 5 * ms, "output": output}
    residual = simulate(graph, images, Simulation(probe=Probe(residual_potential=True), **settings)).negative_potential
    assert list(residual) == (["fc1", "fc2"] if output == "spiking" else ["fc1"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neuron": signed_integrate_and_fire()}, "shown twice, not signed neurons"),
        ({"neuron": phase_coded(), "encoder": Phase()}, "shown twice, not Phase"),
        ({"encoder": SpikeTrains(np.zeros((STEPS, 5, 7), bool))}, "shown twice, not SpikeTrains"),
    ],
)
def test_what_has_no_residual_to_judge_is_refused(settings, message):
    graph = NETWORKS["dense"]
    with pytest.raises(ConversionError, match=message):
        run(graph, images_for(graph), **settings)


@pytest.mark.parametrize(
    ("silent", "message"),
    [
        ({"fc3": np.zeros((5, 9), bool)}, "silent names 'fc3'; layers with a threshold are fc1, fc2"),
        (
            {"fc1": np.zeros((4, 9), bool)},
            r"silent of 'fc1' is bool of shape \(4, 9\); it must be bool of .*5, 9",
        ),
        ({"fc1": np.zeros((5, 9))}, "silent of 'fc1' is float64 of shape"),
    ],
)
def test_masks_that_fit_no_layer_are_refused(silent, message):
    graph = NETWORKS["dense"]
    settings = {"neuron": integrate_and_fire(), "encoder": ConstantCurrent(), "duration": 5 * ms}
    with pytest.raises(ValueError, match=message):
        simulate(graph, images_for(graph), Simulation(**settings), silent=silent)

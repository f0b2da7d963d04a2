"""Signed neurons against the papers' loop, spike for spike, and against closed forms; leaky ReLU, PReLU and linear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.brian.network import build
from conversion.plan.populations import ConversionError, make_plan
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent, Poisson, SpikeTrains
from models.graph import INPUT, LINEAR, RELU, Activation, Concat, Conv2d, Dense, Flatten, Graph, MaxPool2d, sequential
from models.neurons import integrate_and_fire, signed_integrate_and_fire
from tests.conversion.forward import forward
from tests.conversion.networks import add, conv, dense, leaky, networks, pool
from tests.conversion.zero_delay_loop import zero_delay_loop

STEPS, IMAGES = 40, 3
SLOPES = {"0.1": 0.1, "1/4": 0.25, "PReLU": np.array([0.25, 0.0, 1.0, 0.5, 0.1])}


def input_spikes(graph, density=0.4, steps=STEPS, images=IMAGES):
    return np.random.default_rng(1).random((steps, images, *graph.input_shape)) < density


def run(graph, spikes, **settings):
    neuron = signed_integrate_and_fire()
    settings = {"neuron": neuron, "encoder": SpikeTrains(spikes), "duration": len(spikes) * ms} | settings
    return simulate(graph, np.zeros(spikes.shape[1:], np.float32), Simulation(**settings))


def deep_networks() -> dict[str, Graph]:
    """With what the networks of ReLU need not have: pooling and relays of signed activity, in several layers."""
    same = {"padding": (1, 1, 1, 1)}
    return networks() | {
        "max pooling deep in the network": Graph(
            (2, 8, 8),
            (
                conv("conv1", INPUT, 3, 2, 3, 3, **same),
                pool(MaxPool2d, "pool1", "conv1", (3, 3), (2, 2), **same),
                conv("conv2", "pool1", 4, 3, 2, 2),
                pool(MaxPool2d, "pool2", "conv2", (2, 2), (1, 1)),
                pool(MaxPool2d, "pool3", "pool2", (2, 1), (1, 1), padding=(1, 0, 0, 0)),
                Concat(name="concat", inputs=("pool2", "pool3")),
                conv("conv3", "concat", 2, 8, 2, 2),
            ),
        ),
        "linear layers in the middle": sequential(
            (7,), dense("fc1", "", 9, 7, activation=LINEAR), dense("fc2", "", 6, 9, activation=LINEAR),
            dense("fc3", "", 4, 6),
        ),
        "junction of leaky paths": Graph(
            (2, 5, 5),
            (
                conv("conv1", INPUT, 3, 2, 3, 3, **same),
                conv("conv2", "conv1", 3, 3, 3, 3, **same),
                add("add", "conv1", "conv2", gain=0.5),
                conv("conv3", "add", 2, 3, 2, 2),
            ),
        ),
    }  # fmt: skip


NETWORKS = deep_networks()


def in_turn():
    """Every network with every slope, and with both connectivities, which take turns."""
    both = ("shared", "synapses")
    return [(name, slope, both[(n + s) % 2]) for n, name in enumerate(NETWORKS) for s, slope in enumerate(SLOPES)]


@pytest.mark.parametrize(("name", "slope", "connectivity"), in_turn())
def test_every_neuron_spikes_as_in_the_zero_delay_loop(name, slope, connectivity):
    graph = leaky(NETWORKS[name], SLOPES[slope])
    spikes = input_spikes(graph)
    expected = zero_delay_loop(graph, spikes, signed=True)
    hidden = np.concatenate([expected[layer.name].ravel() for layer in graph.layers[:-1] if layer.name in expected])
    assert hidden.min() < 0 < hidden.max(), "without spikes of both signs nothing would be proved"
    recording = run(graph, spikes, connectivity=connectivity)
    for layer, counts in expected.items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)


def test_max_pooling_of_negative_counts_only():
    """Every window holds -3 and -5 after eight steps, by hand: it sends -3, and the padding never wins with its 0."""
    weight = -np.array([[[[3 / 8]]], [[[5 / 8]]]], np.float32)
    graph = Graph(
        (1, 2, 2),
        (
            Conv2d(name="conv", inputs=(INPUT,), weight=weight, activation=LINEAR),
            pool(MaxPool2d, "pool", "conv", (2, 2), (2, 2), padding=(1, 1, 1, 1)),
        ),
    )
    for connectivity in ("shared", "synapses"):
        recording = run(graph, np.ones((8, 2, 1, 2, 2), bool), connectivity=connectivity)
        for image in recording.spike_counts["pool"]:
            np.testing.assert_array_equal(image[0], -3)
            np.testing.assert_array_equal(image[1], -5)


@pytest.mark.parametrize("name", ["residual block", "max pooling deep in the network"])
@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_batches_do_not_change_the_spikes_of_given_input(name, connectivity):
    graph = leaky(NETWORKS[name], 0.25)
    spikes = input_spikes(graph, images=5)
    together = run(graph, spikes, connectivity=connectivity)
    one_by_one = run(graph, spikes, connectivity=connectivity, memory_limit=1)
    np.testing.assert_array_equal(together.output_counts, one_by_one.output_counts)
    np.testing.assert_allclose(together.spikes, one_by_one.spikes)
    np.testing.assert_allclose(together.synops, one_by_one.synops)


@pytest.mark.parametrize(("v_th", "v_init"), [(0.5, "zero"), (2.0, "half")])
def test_threshold_and_initial_potential(v_th, v_init):
    graph = leaky(NETWORKS["conv, flatten, dense"], 0.25)
    spikes = input_spikes(graph)
    initial = v_th / 2 if v_init == "half" else 0.0
    expected = zero_delay_loop(graph, spikes, v_th=v_th, v_init=initial, signed=True)
    recording = run(graph, spikes, neuron=signed_integrate_and_fire(v_th=v_th, v_init=v_init))
    for layer, counts in expected.items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)


def test_spikes_of_both_signs_cost_operations_and_are_in_the_raster():
    graph = leaky(NETWORKS["dense"], 0.25)
    spikes = input_spikes(graph)
    recording = run(graph, spikes, probe=Probe(rasters=("fc1",)))
    raster = recording.rasters["fc1"]
    counts = np.zeros((IMAGES, 9), int)
    np.add.at(counts, (raster["image"], raster["neuron"]), raster["sign"])
    np.testing.assert_array_equal(counts, recording.spike_counts["fc1"])
    assert set(raster["sign"]) == {1, -1}
    assert recording.spikes[-1, 1] == pytest.approx(len(raster) / IMAGES)
    assert recording.synops[-1, 1] == pytest.approx(4 * len(raster) / IMAGES)
    assert recording.signed == ("fc1", "fc2")


@pytest.mark.parametrize("steps", [127, 128, 129])
def test_narrow_counts_hold_a_spike_of_either_sign_in_every_step(steps):
    graph = sequential((1,), Dense(name="fc", inputs=(), weight=np.array([[1], [-1]], np.float32), activation=LINEAR))
    recording = run(graph, np.ones((steps, 1, 1), bool))
    np.testing.assert_array_equal(recording.spike_counts["fc"], [[steps, -steps]])
    np.testing.assert_array_equal(recording.output_counts[-1], [[steps, -steps]])


@pytest.mark.parametrize("steps", [124, 125, 126, 127, 128, 129])
def test_narrow_counts_of_max_pooling_hold_a_spike_of_either_sign_in_every_step(steps):
    """Also those that arrive behind the end of its window, before the next image begins."""
    weight = np.array([1, -1], np.float32).reshape(2, 1, 1, 1)
    graph = sequential(
        (1, 2, 2),
        Conv2d(name="conv", inputs=(), weight=weight, activation=LINEAR),
        pool(MaxPool2d, "pool", "", (2, 2), (2, 2)),
        Flatten(name="flat", inputs=()),
        Dense(name="fc", inputs=(), weight=np.eye(2, dtype=np.float32), activation=LINEAR),
    )
    recording = run(graph, np.ones((steps, 2, 1, 2, 2), bool), memory_limit=1)
    np.testing.assert_array_equal(recording.spike_counts["pool"].reshape(2, 2), [[steps, -steps]] * 2)
    np.testing.assert_array_equal(recording.output_counts[-1], [[steps, -steps]] * 2)


@pytest.mark.parametrize("v_th", [1.0, 2.0])
@pytest.mark.parametrize("slope", [0.1, 0.25, 1.0, 4.0])
def test_the_rate_is_that_of_the_leaky_relu_on_both_sides(slope, v_th):
    """Rate = I / v_th above zero and slope * I / v_th below; T steps give T times that, rounded towards 0."""
    drives = np.array([-29, -16, -5, -1, 0, 1, 5, 16, 29], np.float32) / (128 if slope > 1 else 32)
    fc = Dense(name="fc", inputs=(), weight=drives[:, None], activation=Activation(slope))
    steps = 400
    recording = simulate(
        sequential((1,), fc),
        np.ones((1, 1), np.float32),
        Simulation(
            neuron=signed_integrate_and_fire(v_th=v_th),
            encoder=ConstantCurrent(1000 * Hz),
            duration=steps * ms,
            read_at=[steps] * ms,
        ),
    )
    expected = steps * np.where(drives > 0, drives, slope * drives) / v_th
    np.testing.assert_array_equal(recording.output_counts[-1, 0], np.trunc(expected + np.sign(expected) * 1e-5))


# What pays for negative spikes, and what is refused


def built(graph, neuron, output="spiking"):
    simulation = Simulation(neuron=neuron, encoder=Poisson(), duration=4 * ms, output=output)
    return build(make_plan(graph, signed=neuron.is_signed), simulation, batch_size=2)


def test_a_network_that_is_never_negative_is_built_as_without_signed_neurons():
    graph = sequential((2, 6, 6), conv("conv", "", 3, 2, 3, 3), pool(MaxPool2d, "pool", "", (2, 2), (2, 2)))
    names = [
        sorted(o.name for o in built(graph, neuron()).network.objects)
        for neuron in (integrate_and_fire, signed_integrate_and_fire)
    ]
    assert names[0] == names[1]


def test_only_what_can_be_negative_sends_negative_spikes():
    """A ReLU layer of a network that also has a leaky one, and an output that is only read as a potential."""
    graph = sequential(
        (4,), dense("relu", "", 5, 4), dense("leaky", "", 3, 5, activation=Activation(0.1)), dense("out", "", 2, 3)
    )
    network = built(graph, signed_integrate_and_fire())
    assert {name for name, place in network.places.items() if place.signed} == {"leaky"}
    by_name = {p.name: [len(o.deliveries)] for p, o in network.projections}
    assert by_name == {"input_to_relu": [1], "relu_to_leaky": [1], "leaky_to_out": [2]}
    linear = sequential((4,), dense("relu", "", 5, 4), dense("out", "", 2, 5, activation=LINEAR))
    assert "alpha" in built(linear, signed_integrate_and_fire()).groups["neurons"].variables
    assert built(linear, signed_integrate_and_fire()).places["out"].signed
    quiet = built(linear, signed_integrate_and_fire(), output="accumulating")
    assert not any(place.signed for place in quiet.places.values())


def test_the_slope_of_each_neuron_is_that_of_its_channel():
    graph = sequential((1, 2, 2), conv("conv", "", 3, 1, 1, 1, activation=Activation(np.array([0.5, 0.0, 0.25]))))
    network = built(graph, signed_integrate_and_fire())
    np.testing.assert_array_equal(network.groups["neurons"].alpha, np.tile([0.5, 0.0, 0.25], 2 * 4))


def test_signed_equations_need_the_slope():
    neuron = replace(integrate_and_fire(), negative_threshold="v <= -v_th", negative_reset="v += v_th")
    with pytest.raises(ConversionError, match="the neurons are signed, but their equations declare no `alpha`"):
        built(leaky(NETWORKS["dense"], 0.1), neuron)


# What the signed neuron is for: the ablation of Kim 2020


def balanced():
    """Negative spikes at the threshold of positive ones, so that the slope below zero is 1 instead of alpha."""
    return replace(
        signed_integrate_and_fire(), negative_threshold="alpha > 0 and v <= -v_th", negative_reset="v += v_th"
    )


def test_only_the_imbalanced_threshold_converges_on_the_leaky_network():
    """The rates of the others stay as far from the activations as the function they compute is from the leaky ReLU."""
    data = np.random.default_rng(3)
    layers = (
        Dense(name=f"fc{n}", inputs=(), weight=data.normal(0, s, (m, k)).astype(np.float32), activation=Activation(0.1))
        for n, (m, k, s) in enumerate([(20, 7, 0.18), (20, 20, 0.25), (10, 20, 0.25)])
    )
    graph, images = sequential((7,), *layers), data.random((20, 7)).astype(np.float32)
    activations = forward(graph, images)
    assert all(np.abs(values).max() <= 1 for values in activations.values())
    wanted = activations["fc2"]

    def error(graph, neuron, steps):
        recording = simulate(
            graph,
            images,
            Simulation(neuron=neuron, encoder=ConstantCurrent(1000 * Hz), duration=steps * ms, read_at=[steps] * ms),
        )
        return np.sqrt(np.mean((recording.output_counts[-1] / steps - wanted) ** 2))

    short, long = (error(graph, signed_integrate_and_fire(), steps) for steps in (64, 1024))
    assert long < short / 8
    without_leak = Graph(graph.input_shape, tuple(replace(layer, activation=RELU) for layer in graph))
    for other in (error(without_leak, integrate_and_fire(), 1024), error(graph, balanced(), 1024)):
        assert other > 10 * long

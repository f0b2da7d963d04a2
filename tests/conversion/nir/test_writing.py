"""Networks as NIR: its own equations give the spikes of `simulate`; what it cannot say is refused, or named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms, second
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conversion.delays import Delays
from conversion.plan import ConversionError
from conversion.settings import Simulation
from conversion.simulate import simulate
from conversion.variability import Variability
from models.encoders import SpikeTrains
from models.graph import INPUT, LINEAR, RELU, AvgPool2d, Conv2d, Graph, GraphError, MaxPool2d, sequential
from models.neurons import (
    alpha_current,
    exponential_current,
    integrate_and_fire,
    leaky_integrate_and_fire,
    leaky_membrane,
    signed_integrate_and_fire,
)
from tests.conversion.networks import add, conv, dense, networks, pool, weights
from tests.conversion.zero_delay_loop import convolve

nir = pytest.importorskip("nir", reason="the package nir is not installed")

from conversion.nir import to_nir  # noqa: E402
from tests.conversion.nir.equations import linear, spike_counts  # noqa: E402

STEPS, IMAGES = 30, 3
DT = 2.0**-10  # s: sums of products with it are exact, so that what is at the threshold is so in any order
IF = integrate_and_fire(reset="zero")
LIF = leaky_integrate_and_fire(5 * ms, reset="zero")
NEURONS = {
    "if": IF,
    "if of another threshold": integrate_and_fire(v_th=0.75, reset="zero"),
    "lif": LIF,
    "lif in mV": leaky_membrane(refractory=0 * ms),
    "lif that falls below rest": leaky_membrane(refractory=0 * ms, V_reset=leaky_membrane().parameters["E_L"] * 1.1),
    "cuba": exponential_current(LIF, 3 * ms),
    "lif with a background": replace(LIF, background=80.0),
    "cuba with a background": replace(exponential_current(LIF, 3 * ms), background=80.0),
}
NO_WORD = ("concat", "max", "upsampl")


def written(graph):
    """Whether NIR has words for all layers, and neurons with positive spikes for all activations."""
    kinds = {type(layer).__name__ for layer in graph}
    return not kinds & {"Concat", "MaxPool2d", "Upsample2d"}


NETWORKS = {name: graph for name, graph in networks().items() if written(graph)}


def input_spikes(graph, steps=STEPS, density=0.4):
    return np.random.default_rng(1).random((steps, IMAGES, *graph.input_shape)) < density


def told(spikes, neuron, **fields):
    fields = {
        "encoder": SpikeTrains(spikes, max_rate=256 * Hz),
        "duration": len(spikes) * DT * second,
        "dt": DT * second,
    } | fields
    return Simulation(neuron=neuron, **fields)


def check(graph, neuron, spike="step", **fields):
    """Spike counts by NIR's equations are those of `simulate`."""
    spikes = input_spikes(graph)
    simulation = told(spikes, neuron, **fields)
    network = to_nir(graph, simulation, spike=spike)
    found = spike_counts(network, spikes, DT if spike == "step" else 1.0, DT)
    recording = simulate(graph, np.zeros(spikes.shape[1:], np.float32), simulation)
    for name, node in network.nodes.items():
        if name in found:
            layer = node.metadata["layer"]
            assert layer in recording.populations
            if isinstance(node, nir.I):
                np.testing.assert_allclose(recording.output_potentials[-1], found[name], rtol=1e-4, atol=1e-4)
            else:
                np.testing.assert_array_equal(recording.spike_counts[layer], found[name], err_msg=layer)
                assert found[name].sum() > 0 or layer == graph.output.name, "a silent layer would prove nothing"
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_the_equations_give_our_spikes_for_every_layer(name):
    network = check(NETWORKS[name], IF)
    assert "lost" not in network.metadata


@pytest.mark.parametrize("spike", ["step", "dirac"])
@pytest.mark.parametrize("neuron", NEURONS)
def test_the_equations_give_our_spikes_for_every_neuron(neuron, spike):
    graph = sequential((5,), dense("fc1", "", 6, 5, bias=weights(6)), dense("fc2", "", 3, 6, bias=weights(3)))
    network = check(graph, NEURONS[neuron], spike)
    assert network.metadata["spike"] == spike


def test_thresholds_gains_and_backgrounds_of_layers():
    graph = NETWORKS["average pooling"]
    fields = {"thresholds": {"conv1": 1.5, "pool2": 0.5}, "gains": {"pool1": 2.0}}
    check(graph, LIF, **fields, backgrounds={"conv1": 30.0, "pool1": 20.0})
    check(graph, IF, **fields, backgrounds={"conv1": 32.0})


def test_what_an_output_accumulates():
    check(NETWORKS["dense with biases"], IF, output="accumulating")
    check(NETWORKS["conv, flatten, dense"], LIF, output="accumulating")


def test_delays_of_layers_and_paths_that_meet_in_step():
    delays = Delays({INPUT: 2 * DT * second, "conv1": 3 * DT * second, "conv2": DT * second})
    graph = NETWORKS["residual block"]  # without its biases, which would come before the first spikes do
    layers = (replace(layer, bias=None) if isinstance(layer, Conv2d) else layer for layer in graph)
    graph, spikes = Graph(graph.input_shape, tuple(layers)), input_spikes(graph)
    network = to_nir(graph, told(spikes, IF, delays=delays))
    late = {name: node.delay.flat[0] / DT for name, node in network.nodes.items() if isinstance(node, nir.Delay)}
    assert late == {"input_late": 2, "conv1_late": 3, "conv1_late_2": 4, "conv2_late": 1}
    longer = np.concatenate([spikes, np.zeros((6, *spikes.shape[1:]), bool)])
    found = spike_counts(network, longer, DT, DT)
    plain = simulate(graph, np.zeros(spikes.shape[1:], np.float32), told(longer, IF))
    np.testing.assert_array_equal(found["add_neurons"], plain.spike_counts["add"])


def test_the_same_path_twice_is_two_edges():
    layers = (conv("conv1", INPUT, 3, 2, 3, 3), add("twice", "conv1", "conv1", activation=RELU))
    check(Graph((2, 5, 5), layers), IF)


def test_biases_that_differ_from_place_to_place():
    bias = weights(3, 3, 3, seed="map")
    graph = sequential((2, 5, 5), conv("conv1", "", 3, 2, 3, 3, bias=bias))
    check(graph, LIF)
    with pytest.raises(ConversionError, match=r"constant current into 'conv1'.*use 'lif'"):
        to_nir(graph, told(input_spikes(graph), IF))
    network = to_nir(graph, told(input_spikes(graph), IF), lossy=True)
    np.testing.assert_allclose(network.nodes["conv1"].bias, bias.mean(axis=(1, 2)) * 0.25)


@pytest.mark.parametrize(
    ("neuron", "fields", "named"),
    [
        (integrate_and_fire(), {}, "reset by subtraction.*'zero'"),
        (integrate_and_fire(reset="zero", refractory=2 * ms), {}, "a refractory period of 2. ms .*make it 0"),
        (integrate_and_fire(reset="zero", v_min=0.0), {}, "v_min"),
        (integrate_and_fire(reset="zero", v_init="half"), {}, "initial potential 'v_th / 2'"),
        (signed_integrate_and_fire(), {}, "negative spikes"),
        (exponential_current(IF, 5 * ms), {}, "synapses that take time.*use 'lif'"),
        (IF, {"half_threshold_offset": True}, "offset of half a threshold"),
        (IF, {"variability": Variability(cv={"v_th": 0.1})}, "variability"),
        (IF, {"delays": Delays(DT * second, jitter=DT * second)}, "delays that are drawn"),
    ],
)
def test_what_nir_cannot_say_is_refused_in_a_line_or_named_in_the_file(neuron, fields, named):
    graph = NETWORKS["dense"]
    simulation = told(input_spikes(graph), neuron, **fields)
    with pytest.raises(ConversionError, match=f"^NIR cannot say: .*{named}.*--lossy") as error:
        to_nir(graph, simulation)
    assert "\n" not in str(error.value)
    network = to_nir(graph, simulation, lossy=True)
    assert network.metadata["lost"]
    assert network.metadata["lost"].split(" ")[0] in str(error.value)
    assert isinstance(network.nodes["fc1_neurons"], nir.IF)


def test_max_pooling_is_refused_or_written_as_an_average():
    graph = sequential((2, 6, 6), conv("conv1", "", 3, 2, 3, 3), pool(MaxPool2d, "pool1", "", (2, 2), (2, 2)))
    simulation = told(input_spikes(graph), IF)
    with pytest.raises(ConversionError, match="the max pooling 'pool1'"):
        to_nir(graph, simulation)
    network = to_nir(graph, simulation, lossy=True)
    assert network.metadata["lost"] == "the max pooling 'pool1'"
    assert isinstance(network.nodes["pool1"], nir.AvgPool2d)


@pytest.mark.parametrize(
    ("graph", "neuron", "named"),
    [
        (networks()["concatenation of paths of unequal length"], IF, "a concatenation .'concat'."),
        (NETWORKS["dense"], alpha_current(LIF, 5 * ms), "the equations of this neuron"),
        (sequential((1, 5, 5), pool(AvgPool2d, "p", "", (2, 2), (2, 2), ceil_mode=True)), IF, "border.*'p'"),
        (
            sequential((1, 8, 8), conv("c", "", 1, 1, 3, 3, dilation=(2, 2), padding=(1, 1, 2, 2))),
            IF,
            "'c' is padded by .1, 1, 2, 2.",
        ),
    ],
)
def test_what_there_is_no_way_to_write_is_refused(graph, neuron, named):
    with pytest.raises(ConversionError, match=named):
        to_nir(graph, told(input_spikes(graph), neuron), lossy=True)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_convolutions_of_every_geometry(data):
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    groups, kernel, stride, dilation = data.draw(st.integers(1, 3)), *(data.draw(pair) for _ in range(3))
    padding = data.draw(st.tuples(*[st.integers(0, 3)] * 4))
    assume(all((padding[i + 2] - padding[i]) % dilation[i] == 0 for i in (0, 1)))
    weight = weights(2 * groups, 2, *kernel, seed="any")
    layer = Conv2d(name="c", inputs=(INPUT,), weight=weight, stride=stride, dilation=dilation, padding=padding,
                   groups=groups, activation=LINEAR)  # fmt: skip
    try:
        graph = Graph((2 * groups, data.draw(st.integers(2, 9)), data.draw(st.integers(2, 9))), (layer,))
    except GraphError:
        assume(False)
    spikes = input_spikes(graph, steps=1)[0].astype(float)
    node = to_nir(graph, told(input_spikes(graph), IF)).nodes["c"]
    np.testing.assert_array_equal(linear(node, spikes), convolve(layer, spikes))
    assert tuple(node.output_type["output"]) == graph.shapes["c"]

"""The network in hand gives the spikes of `simulate`, in pieces too; edits count, and Brian2's objects work."""

from __future__ import annotations

from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import (
    Hz,
    NetworkOperation,
    NeuronGroup,
    PoissonInput,
    PopulationRateMonitor,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    ms,
    second,
)

from conversion.plan import ConversionError
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate, to_brian2
from models.encoders import ConstantCurrent, OnOff, Phase, Poisson, SpikeTrains
from models.graph import Graph
from models.neurons import integrate_and_fire, leaky_integrate_and_fire, phase_coded, signed_integrate_and_fire
from tests.conversion.networks import leaky, networks, weights
from tests.conversion.zero_delay_loop import zero_delay_loop

STEPS = 40
SIMULATION = Simulation(neuron=integrate_and_fire(), encoder=Poisson(), duration=STEPS * ms)
SETTINGS = {
    "IF": {},
    "IF, random start": {"neuron": integrate_and_fire(v_init="uniform")},
    "LIF, hard reset": {"neuron": leaky_integrate_and_fire(20 * ms, reset="zero")},
    "refractory": {"neuron": integrate_and_fire(refractory=2 * ms)},
    "signed": {"neuron": signed_integrate_and_fire()},
    "phase": {"neuron": phase_coded(4), "encoder": Phase(4)},
    "constant current": {"encoder": ConstantCurrent()},
    "accumulating": {"output": "accumulating"},
    "half a threshold more": {"half_threshold_offset": True},
    "a background": {"neuron": replace(integrate_and_fire(), background=20.0)},
    "thresholds": {"thresholds": {"conv1": 2.0}},
}


def image_of(graph, seed=3):
    return np.random.default_rng(seed).random(graph.input_shape).astype(np.float32)


def binary(graph, seed=3):
    """Pixels that spike never or in every step, whatever the random numbers."""
    return np.round(image_of(graph, seed))


def in_hand(graph, image, simulation=SIMULATION, **options):
    network = to_brian2(graph, simulation, **options)
    network.show(image)
    return network


def run_window(network, *pieces):
    """So far that the output has seen its window, in pieces of so many milliseconds and the rest."""
    for piece in pieces:
        network.run(piece * ms)
    network.run((STEPS - sum(pieces)) * ms + network.output.latency)


def raster_of(layer, monitor):
    """Columns element (of ONNX) and step of the layer's window, sorted."""
    steps = np.rint((monitor.t - layer.latency) / ms).astype(int)
    within = (steps >= 0) & (steps < STEPS)
    names = list(layer.coordinates)
    shape = layer.counts.shape
    element = np.ravel_multi_index([layer.coordinates[name].to_numpy()[monitor.i] for name in names], shape)
    rows = np.column_stack([element, steps])[within]
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("kind", SETTINGS)
def test_every_spike_is_that_of_simulate_also_in_pieces(kind, connectivity):
    graph = networks()["residual block" if kind in ("phase", "constant current") else "average pooling"]
    graph = leaky(graph, 0.25) if kind == "signed" else graph
    kept = {name: tuple(range(20)) for name in [layer.name for layer in graph if layer.name != "conv3"][:-1]}
    probe = Probe(rasters=tuple(kept))
    simulation = replace(SIMULATION, connectivity=connectivity, probe=probe, **SETTINGS[kind])
    image = image_of(graph)
    expected = simulate(graph, image[None], simulation)
    network = in_hand(graph, image, simulation)
    monitors = {name: SpikeMonitor(network[name].neurons) for name in kept}
    output = StateMonitor(network.output.neurons, "v", record=True, when="before_synapses")
    network.add(*monitors.values(), output)
    run_window(network, 15, 1, 11)
    for name, monitor in monitors.items():
        rows = expected.rasters[name].query("sign == 1")
        theirs = np.column_stack([rows["neuron"], np.rint(rows["time_ms"]).astype(int) - 1])
        np.testing.assert_array_equal(raster_of(network[name], monitor), theirs[np.lexsort(theirs.T)])
    np.testing.assert_array_equal(network.output.counts, expected.output_counts[-1, 0])
    order = network.output.coordinates.sort_values(list(network.output.coordinates)).index
    np.testing.assert_array_equal(output.v[order, -1], expected.output_potentials[-1, 0].ravel())
    assert sum(len(m.i) for m in monitors.values()) > 100


@pytest.mark.parametrize("name", networks())
def test_every_kind_of_layer_beyond_any_window(name):
    """The oracle is the loop without delays; after 200 steps a count of pooling is beyond what fits into a window's."""
    graph = networks()[name]
    image = binary(graph)
    network = in_hand(graph, image, replace(SIMULATION, duration=5 * ms))
    network.run(200 * ms + network.output.latency)
    biased = [layer for layer in graph if getattr(layer, "bias", None) is not None]
    if not biased:
        expected = zero_delay_loop(graph, np.broadcast_to(image, (200, 1, *image.shape)))
        np.testing.assert_array_equal(network.output.counts, expected[graph.output.name][0])
        assert network.output.counts.max() > 127 or name == "junction of spiking paths"
    else:
        expected = simulate(graph, image[None], replace(SIMULATION, duration=200 * ms))
        np.testing.assert_array_equal(network.output.counts, expected.output_counts[-1, 0])


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_another_image_begins_anew_in_the_middle_of_one(connectivity):
    graph = networks()["concatenation of paths of unequal length"]
    simulation = replace(SIMULATION, connectivity=connectivity)
    network = in_hand(graph, image_of(graph, 1), simulation)
    network.run(17 * ms)
    network.show(image_of(graph, 2))
    run_window(network, 3)
    np.testing.assert_array_equal(
        network.output.counts, simulate(graph, image_of(graph, 2)[None], simulation).output_counts[-1, 0]
    )


def test_signed_images_and_spike_trains():
    graph = networks()["conv, flatten, dense"]
    image = 2 * image_of(graph) - 1
    simulation = replace(SIMULATION, encoder=OnOff())
    network = in_hand(graph, image, simulation, signed_input=True)
    run_window(network, 7)
    np.testing.assert_array_equal(network.output.counts, simulate(graph, image[None], simulation).output_counts[-1, 0])
    with pytest.raises(ValueError, match=r"pixels reach down to -0.\d+; use to_brian2\(..., signed_input=True\)"):
        in_hand(graph, image, simulation)

    trains = np.random.default_rng(4).random((STEPS, 1, *graph.input_shape)) < 0.4
    network = in_hand(graph, image_of(graph), replace(SIMULATION, encoder=SpikeTrains(trains)))
    network.run(9 * ms)
    network.show(image_of(graph))
    run_window(network, 7)
    np.testing.assert_array_equal(network.output.counts, zero_delay_loop(graph, trains)["fc"][0])


def test_layers_have_the_shape_of_onnx_and_brian2_has_its_own_order():
    network = in_hand(networks()["conv, flatten, dense"], np.zeros((2, 6, 5), np.float32))
    layer = network["conv1"]
    layer.v = np.arange(36).reshape(3, 4, 3)
    layer.v[1, 2, 0] = 99
    where = layer.coordinates.query("channel == 1 and row == 2 and column == 0").index
    assert layer.neurons.v[where] == [99]
    at = layer.coordinates
    expected = at["channel"] * 12 + at["row"] * 3 + at["column"]
    np.testing.assert_array_equal(np.delete(layer.neurons.v[:], where), expected.drop(where))
    layer.v = "i"
    np.testing.assert_array_equal(layer.neurons.v, np.arange(36))
    assert list(network["fc"].coordinates["unit"]) == [0, 1, 2, 3]
    assert layer.drive.shape == (3, 4, 3)
    layer.drive = 5 * Hz
    layer.drive[0] *= 2
    assert layer.drive.sum() == (12 * 10 + 24 * 5) * Hz


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize(
    ("name", "layer", "target"),
    [("dense", "fc1", "fc1"), ("conv, flatten, dense", "fc", "fc"), ("dilation and groups", "conv1", "conv1"),
     ("strides, oblong kernels, borders", "conv2", "conv2"), ("residual block", "conv3", "add")],
)  # fmt: skip
def test_edited_weights_are_those_of_the_edited_graph(name, layer, target, connectivity):
    graph, simulation = networks()[name], replace(SIMULATION, connectivity=connectivity)
    edited_weight = weights(*graph[layer].weight.shape, seed="edited") - np.float32(3 / 16)
    edited = Graph(graph.input_shape, tuple(replace(a, weight=edited_weight) if a.name == layer else a for a in graph))
    image = binary(graph)
    network = in_hand(graph, image, simulation)
    network.run(3 * ms)
    np.testing.assert_array_equal(network[target].weights, graph[layer].weight)
    network[target].weights[...] = edited_weight
    for shown in (edited, graph):
        network.show(image)
        network.run(STEPS * ms + network[target].latency)
        expected = simulate(shown, image[None], simulation).spike_counts[target][0]
        np.testing.assert_array_equal(network[target].counts, expected)
        network[target].weights = graph[layer].weight
    assert np.any(expected != simulate(edited, image[None], simulation).spike_counts[target][0])


def test_signed_spikes_carry_edited_weights_of_both_signs():
    graph = leaky(networks()["dense"], 0.25)
    image, simulation = binary(graph), replace(SIMULATION, neuron=signed_integrate_and_fire())
    network = in_hand(graph, image, simulation)
    network["fc2"].weights *= 2
    run_window(network)
    edited = Graph(graph.input_shape, (graph["fc1"], replace(graph["fc2"], weight=2 * graph["fc2"].weight)))
    np.testing.assert_array_equal(network.output.counts, simulate(edited, image[None], simulation).output_counts[-1, 0])
    assert network["fc1"].counts.min() < 0


def test_synapses_can_be_edited_one_by_one():
    graph = networks()["dense"]
    network = in_hand(graph, np.ones(7, np.float32), replace(SIMULATION, connectivity="synapses"))
    network["fc1"].projections["input_to_fc1"].synapses.w["j != 3"] = 0
    network.run(STEPS * ms)
    fired = network["fc1"].counts > 0
    assert fired[3]
    assert fired.sum() == 1


def test_variables_and_parameters_count_from_the_next_run_on():
    """Without input a neuron that integrates 50 Hz fires at 50 and, with half of the threshold, at 100 Hz."""
    network = in_hand(networks()["dense"], np.zeros(7, np.float32))
    network["fc1"].weights[...] = 0
    network["fc1"].drive = 50 * Hz
    network.run(400 * ms)
    np.testing.assert_allclose(network["fc1"].counts, 20, atol=1)
    network["fc1"].v_th = 0.5
    network.run(400 * ms)
    np.testing.assert_allclose(network["fc1"].counts, 60, atol=2)

    leaky_network = in_hand(
        networks()["dense"], np.zeros(7, np.float32), replace(SIMULATION, neuron=leaky_integrate_and_fire(20 * ms))
    )
    leaky_network.output.v = 0.5
    leaky_network.run(5 * ms)
    leaky_network.output.parameters["tau_m"] = 10 * ms
    leaky_network.output.v = 0.5
    leaky_network.run(10 * ms)
    np.testing.assert_allclose(leaky_network.output.v, 0.5 * np.exp(-1), rtol=1e-5)


def test_what_is_written_before_a_window_opens_is_there_when_it_does():
    """The potential of the third layer, with nothing to change it, before its window opens with the third step."""
    graph = networks()["average pooling"]
    network = in_hand(graph, np.zeros(graph.input_shape, np.float32))
    network["pool1"].v = 0.25
    network.run(1 * ms)
    assert np.all(network["pool1"].v == 0.25)
    network["pool2"].v[1] = 0.75
    network.run(5 * ms)
    assert np.all(network["pool1"].v == 0.25)
    np.testing.assert_array_equal(network["pool2"].v[:, 0, 0], [0, 0.75, 0, 0])


def test_monitors_of_brian2_see_what_they_should():
    """From its window on, a step late, a neuron that adds 0.25 a step fires in every fourth; traces are from before."""
    network = in_hand(networks()["dense"], np.zeros(7, np.float32))
    neurons = network["fc1"].neurons
    spikes, rate = SpikeMonitor(neurons), PopulationRateMonitor(neurons)
    trace = StateMonitor(neurons, "v", record=[2])
    network.add(spikes, rate, trace)
    network["fc1"].drive = 250 * Hz
    for _ in range(4):
        network.run(5 * ms)
    np.testing.assert_allclose(trace.t / ms, np.arange(20))
    np.testing.assert_allclose(trace.v[0], [0, *[0, 0.25, 0.5, 0.75] * 5][:20], atol=1e-6)
    np.testing.assert_allclose(spikes.t / ms, np.repeat([4, 8, 12, 16], 9))
    np.testing.assert_allclose(rate.rate / Hz, [0, *[0, 0, 0, 1000] * 5][:20])


def test_input_operations_and_groups_of_the_user_run_with_the_network():
    network = in_hand(networks()["dense"], np.zeros(7, np.float32))
    neurons = network["fc1"].neurons
    seen = []
    always = PoissonInput(neurons, "v", N=1, rate=1000 * Hz, weight=0.5)  # a spike in every step of 1 ms
    regularly = network["fc2"].neurons.run_regularly("v += kick", dt=4 * ms)
    listeners = NeuronGroup(1, "heard : 1", clock=neurons.clock)
    heard = Synapses(neurons, listeners, on_pre="heard += 1", clock=neurons.clock)
    heard.connect()
    network.add(always, regularly, listeners, heard, NetworkOperation(lambda t: seen.append(t / ms), dt=5 * ms))
    network["fc2"].weights[...] = 0
    network["fc2"].parameters["kick"] = 0.125
    network.run(20 * ms)
    np.testing.assert_array_equal(
        network["fc1"].counts, 9
    )  # of 20 half thresholds: none before the window, one to come
    assert listeners.heard[0] == 81
    np.testing.assert_allclose(network["fc2"].v, 4 * 0.125)  # of five kicks the first fell before its window
    np.testing.assert_allclose(seen, [0, 5, 10, 15])
    network.network["neurons"].run_regularly("v = -1", when="end")
    network.run(1 * ms)
    assert np.all(network["fc1"].v == -1)


def test_what_would_see_half_a_step_is_refused_but_by_brian2s_own_target():
    def with_trace():
        network = in_hand(networks()["dense"], np.zeros(7, np.float32))
        trace = StateMonitor(network["fc1"].neurons, "v", record=[0], when="before_resets", name="trace")
        network.add(trace)
        network["fc1"].drive = 500 * Hz
        network.run(4 * ms)
        return trace

    with pytest.raises(ConversionError, match=r"'trace' runs in 'before_resets', but by then .*'numpy'"):
        with_trace()
    chosen = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = "numpy"
    try:
        np.testing.assert_allclose(with_trace().v[0], [0.5, 0.5, 1, 0.5])  # the window opens after a step
    finally:
        brian2.prefs.codegen.target = chosen
    network = in_hand(networks()["dense"], np.zeros(7, np.float32))
    network.add(SpikeMonitor(network["fc1"].neurons, variables="v", name="spikes"))
    with pytest.raises(ConversionError, match="'spikes' runs in 'thresholds'"):
        network.run(1 * ms)


def test_brian2s_own_target_gives_the_spikes_that_simulate_gives_with_it(monkeypatch):
    monkeypatch.setitem(brian2.prefs, "codegen.target", "numpy")
    graph = networks()["max pooling"]
    image = image_of(graph)
    network = in_hand(graph, image)
    run_window(network, 13)
    expected = simulate(graph, image[None], SIMULATION)
    for layer in ("conv1", "pool1"):
        assert network[layer].counts.sum() > 0
    np.testing.assert_array_equal(network.output.counts, expected.output_counts[-1, 0])


def test_runs_of_the_brian2_network_itself_see_the_edits():
    network = in_hand(networks()["dense"], np.ones(7, np.float32))
    network["fc1"].weights[...] = 0
    network["fc2"].weights[...] = 0
    with np.errstate(over="ignore"):  # Brian2 compares float32 potentials with 1e50 after a run
        network.network.run(10 * ms, namespace={})
    assert network["fc1"].counts.sum() == 0
    assert network["input"].counts.sum() == 70
    assert network.network.t == 10 * ms


@pytest.mark.parametrize(
    ("act", "error", "said"),
    [
        (lambda n: n["fc3"], KeyError, "no layer 'fc3'; layers are input, fc1, fc2"),
        (lambda n: n["fc1"].vth, AttributeError, "'fc1' has no variable 'vth'; it has drive, v, v_th"),
        (lambda n: setattr(n["fc1"], "vth", 1), AttributeError, "'fc1' has no variable 'vth'; it has drive, v, v_th"),
        (lambda n: setattr(n["fc1"], "drive", 3), brian2.DimensionMismatchError, "fc1.drive is 3"),
        (lambda n: n.run(1.5 * ms), ValueError, "duration is 1.5 ms; it must be whole steps of dt = 1. ms"),
        (lambda n: n.run(3), ValueError, "duration is 3; it must be finite, with a unit of time"),
        (lambda n: n.run(1 * ms), ValueError, r"no image is shown yet; call show\(image\) first"),
        (lambda n: n.show(np.zeros(6)), ValueError, r"images have shape \(1, 6\), but the network reads \(N, 7\)"),
        (lambda n: n["input"].weights, ConversionError, "'input' has 0 projections with weights"),
        (lambda n: setattr(n["fc1"], "weights", np.zeros(3)), ValueError, "could not broadcast"),
    ],
)  # fmt: skip
def test_what_is_refused(act, error, said):
    with pytest.raises(error, match=said):
        act(to_brian2(networks()["dense"], SIMULATION))


def test_weights_that_are_no_numbers_and_delays_of_ones_own_are_refused():
    network = in_hand(networks()["dense"], np.ones(7, np.float32), replace(SIMULATION, connectivity="synapses"))
    network["fc1"].weights[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"the weights of 'input_to_fc1' .* must be finite, of shape \(9, 7\)"):
        network.run(1 * ms)
    network["fc1"].weights[0, 0] = 0
    network["fc1"].projections["input_to_fc1"].synapses.delay = 0.003 * second
    with pytest.raises(ConversionError, match="synapses with delays of up to 3 ms"):
        network.run(1 * ms)


def test_a_current_brings_no_projection_but_a_drive():
    graph = networks()["dense"]
    network = in_hand(graph, image_of(graph), replace(SIMULATION, encoder=ConstantCurrent()))
    assert list(network.layers) == ["fc1", "fc2"]
    np.testing.assert_allclose(network["fc1"].drive / Hz, 1000 * graph["fc1"].weight @ image_of(graph), rtol=1e-5)
    with pytest.raises(ConversionError, match="all of them: none; what a constant current brings is its `drive`"):
        _ = network["fc1"].weights


def test_weights_are_those_of_the_graph_whatever_the_gain_of_their_layer() -> None:
    graph = networks()["dense"]
    network = to_brian2(graph, replace(SIMULATION, gains={"fc1": 0.5}))
    np.testing.assert_array_equal(network["fc1"].weights, graph["fc1"].weight)

"""NIR as networks: what we wrote comes back, and what others write gives the spikes of NIR's own equations."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from brian2 import Hz, ms, second

from conversion.plan import ConversionError
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import SpikeTrains
from models.graph import AvgPool2d, Conv2d, Dense
from models.neurons import exponential_current, integrate_and_fire, leaky_integrate_and_fire
from tests.conversion.networks import weights
from tests.conversion.nir.test_writing import DT, IF, LIF, NETWORKS, NEURONS, STEPS, input_spikes, told

nir = pytest.importorskip("nir", reason="the package nir is not installed")


from conversion.nir import from_nir, load_nir, save_nir, to_nir  # noqa: E402
from tests.conversion.nir.equations import spike_counts  # noqa: E402

UNEVEN = ("strides, oblong kernels, borders",)  # whose padding becomes zeros in the kernel
SEQUENTIAL = [n for n, graph in NETWORKS.items() if n not in UNEVEN and all(len(layer.inputs) == 1 for layer in graph)]


def counts_of(graph, simulation, images=3):
    recording = simulate(graph, np.zeros((images, *graph.input_shape), np.float32), simulation)
    return recording.spike_counts


def through_a_file(network, path):
    save_nir(network, path / "network.nir")
    return load_nir(path / "network.nir")


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_layers_come_back_as_they_were(name, tmp_path):
    graph = NETWORKS[name]
    found = from_nir(through_a_file(to_nir(graph, told(input_spikes(graph), IF)), tmp_path))
    assert found.graph.input_shape == graph.input_shape
    assert found.thresholds == {}
    assert found.notes == ()
    for ours, back in zip(graph, found.graph, strict=True):
        assert type(back) is type(ours)
        assert found.graph.shapes[back.name] == graph.shapes[ours.name]
        if isinstance(ours, Dense | Conv2d):
            assert back.name == ours.name
            assert repr(back.activation) == repr(ours.activation)
            np.testing.assert_array_equal(back.weight, ours.weight)
            assert (back.bias is None) == (ours.bias is None)
            if ours.bias is not None:
                np.testing.assert_allclose(back.bias, ours.bias, rtol=1e-6)
        if isinstance(ours, AvgPool2d):
            assert (back.kernel, back.stride, back.padding) == (ours.kernel, ours.stride, ours.padding)


@pytest.mark.parametrize("name", NETWORKS)
def test_spikes_come_back_through_a_file(name, tmp_path):
    graph = NETWORKS[name]
    simulation = told(input_spikes(graph), IF)
    found = from_nir(through_a_file(to_nir(graph, simulation), tmp_path))
    before = counts_of(graph, simulation)
    after = counts_of(found.graph, found.simulation(simulation.encoder, simulation.duration))
    for layer in before:
        np.testing.assert_array_equal(after[layer], before[layer], err_msg=layer)
    assert before[graph.output.name].sum() > 0


@pytest.mark.parametrize("spike", ["step", "dirac"])
@pytest.mark.parametrize("neuron", NEURONS)
def test_spikes_of_every_neuron_come_back(neuron, spike, tmp_path):
    graph = NETWORKS["dense with biases"]
    simulation = told(input_spikes(graph), NEURONS[neuron])
    found = from_nir(through_a_file(to_nir(graph, simulation, spike=spike), tmp_path))
    before = counts_of(graph, simulation)
    after = counts_of(found.graph, found.simulation(simulation.encoder, simulation.duration))
    np.testing.assert_array_equal(after["fc2"], before["fc2"])
    assert before["fc2"].sum() > 0


def test_the_neuron_comes_back(tmp_path):
    graph = NETWORKS["dense"]
    for neuron in (
        integrate_and_fire(v_th=0.8, reset="zero"),
        leaky_integrate_and_fire(7 * ms, v_th=1.1, reset="zero"),
        exponential_current(LIF, 3 * ms),
    ):
        simulation = Simulation(neuron=neuron, encoder=SpikeTrains(np.zeros(0), 200 * Hz), duration=9 * ms, dt=0.3 * ms)
        found = from_nir(through_a_file(to_nir(graph, simulation), tmp_path))
        for name in ("equations", "threshold", "reset", "initial", "method"):
            assert getattr(found.neuron, name) == getattr(neuron, name)
        assert {k: float(v) for k, v in found.neuron.parameters.items()} == pytest.approx(
            {k: float(v) for k, v in neuron.parameters.items()}, rel=1e-12
        )
        assert float(found.dt) == float(simulation.dt)
        assert float(found.max_rate) == 200


def graph_of(*nodes, edges=None, shape=None):
    """Nodes in a row as others write them, without metadata; or with edges of their own."""
    names = ["in", *(f"n{i}" for i in range(len(nodes))), "out"]
    last = nodes[-1].output_type["output"]
    everything = [nir.Input(np.array(shape)), *nodes, nir.Output(np.array(last))]
    edges = list(pairwise(names)) if edges is None else edges
    return nir.NIRGraph(dict(zip(names, everything, strict=True)), edges)


def same_counts(network, shape, area=DT, **fields):
    """Spikes of the layers of a network that others wrote are those of the equations."""
    spikes = np.random.default_rng(2).random((STEPS, 3, *shape)) < 0.4
    expected = spike_counts(network, spikes, area, DT)
    found = from_nir(network, spike="step" if area == DT else "dirac", dt=DT * second, **fields)
    encoder = SpikeTrains(spikes, found.max_rate)
    recording = simulate(found.graph, np.zeros((3, *shape), np.float32), found.simulation(encoder, STEPS * DT * second))
    (last,) = (a for a, b in network.edges if b == "out")
    ours = (
        recording.output_potentials[-1]
        if found.output == "accumulating"
        else recording.spike_counts[found.graph.output.name]
    )
    np.testing.assert_allclose(ours, expected[last], rtol=1e-4, atol=1e-5)
    assert np.any(expected[last])
    return found


def full(shape, value):
    return np.full(shape, value, np.float32)


def if_(shape, r=1 / DT, v_th=1.0, v_reset=0.0):
    return nir.IF(r=full(shape, r), v_threshold=full(shape, v_th), v_reset=full(shape, v_reset))


def lif(shape, tau=8 * DT, r=8.0, v_leak=0.0, v_th=1.0, v_reset=0.0):
    return nir.LIF(tau=full(shape, tau), r=full(shape, r), v_leak=full(shape, v_leak), v_threshold=full(shape, v_th),
                   v_reset=full(shape, v_reset))  # fmt: skip


def convolution(out, channels, size, *kernel, **fields):
    fields = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": np.zeros(out, np.float32)} | fields
    return nir.Conv2d(input_shape=size, weight=weights(out, channels, *kernel), **fields)


def test_resistances_thresholds_leaks_and_resets_of_others():
    fc = nir.Affine(weights(6, 5), weights(6, seed="b") / 8)
    same_counts(graph_of(fc, if_((6,), r=0.5 / DT, v_th=2.0, v_reset=0.5), shape=(5,)), (5,))
    same_counts(graph_of(fc, lif((6,), r=4.0, v_leak=0.5, v_reset=-0.5), shape=(5,)), (5,))
    same_counts(graph_of(fc, if_((6,), r=1.0), shape=(5,)), (5,), area=1.0)


def test_thresholds_that_differ_from_neuron_to_neuron_are_in_the_weights():
    node = nir.IF(r=full(6, 1 / DT), v_threshold=np.float32([1, 2, 0.5, 1, 4, 1]))
    found = same_counts(graph_of(nir.Linear(weights(6, 5)), node, shape=(5,)), (5,))
    np.testing.assert_array_equal(found.graph["n0"].weight[1], weights(6, 5)[1] / 2)


def test_pooling_with_neurons_and_without():
    for kind in (nir.AvgPool2d, nir.SumPool2d):
        halves = kind(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0]))
        first = (convolution(3, 2, (8, 8), 3, 3), if_((3, 6, 6)))
        with_neurons = graph_of(*first, halves, if_((3, 3, 3)), shape=(2, 8, 8))
        found = same_counts(with_neurons, (2, 8, 8))
        assert found.thresholds == ({} if kind is nir.AvgPool2d else {"n2": 0.25})
        flat = nir.Flatten(np.array([3, 3, 3]), start_dim=0)
        dense = nir.Linear(weights(4, 27))
        halves = kind(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0]))
        found = same_counts(graph_of(*first, halves, flat, dense, if_((4,)), shape=(2, 8, 8)), (2, 8, 8))
        assert [type(layer).__name__ for layer in found.graph] == ["Conv2d", "Flatten", "Dense"]


def test_edges_that_meet_add():
    nodes = [nir.Linear(weights(4, 4, seed=str(i))) for i in range(3)]
    shape = (4,)
    edges = [("in", "n0"), ("n0", "n3"), ("n3", "n1"), ("in", "n1"), ("n1", "n4"), ("n3", "n2"), ("n2", "n4"),
             ("in", "n4"), ("n4", "out")]  # fmt: skip
    network = graph_of(*nodes, if_(shape), if_(shape), edges=edges, shape=shape)
    same_counts(network, shape)
    scaled = graph_of(nir.Scale(full(4, 0.75)), if_(shape), shape=shape)
    same_counts(scaled, shape)


def test_outputs_that_integrate():
    fc = nir.Affine(weights(3, 5), weights(3, seed="b") / 8)
    same_counts(graph_of(fc, nir.I(r=full(3, 0.5 / DT)), shape=(5,)), (5,))
    same_counts(graph_of(fc, nir.LI(tau=full(3, 4 * DT), r=full(3, 2), v_leak=full(3, 0.5)), shape=(5,)), (5,))


def test_padding_in_words():
    node = convolution(3, 2, (6, 6), 3, 3, padding="same")
    network = graph_of(node, if_((3, 6, 6)), shape=(2, 6, 6))
    assert from_nir(network, spike="step", dt=DT * second).graph["n0"].padding == (1, 1, 1, 1)


def late(n, steps):
    return nir.Delay(full(n, steps * DT))


def test_delays():
    fc = [nir.Linear(weights(4, 4, seed=str(i))) for i in range(2)]
    network = graph_of(late(4, 2), fc[0], if_((4,)), late(4, 3), fc[1], if_((4,)), shape=(4,))
    found = from_nir(network, spike="step", dt=DT * second)
    assert {name: round(float(time) / DT) for name, time in found.delays.mean.items()} == {"input": 2, "n1": 3}


CUBA = nir.CubaLIF(
    tau_syn=full(4, 0.01), tau_mem=full(4, 0.02), r=full(4, 1), v_leak=full(4, 0), v_threshold=full(4, 1)
)
LINEAR4 = nir.Linear(weights(4, 4))


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (graph_of(nir.Threshold(full(4, 1)), if_((4,)), shape=(4,)), "'n0' is a Threshold"),
        (graph_of(LINEAR4, nir.Linear(weights(4, 4)), if_((4,)), shape=(4,)), "'n0' and 'n1' follow each other"),
        (graph_of(LINEAR4, shape=(4,)), "put an I before it"),
        (graph_of(LINEAR4, nir.I(full(4, 1)), nir.Linear(weights(4, 4)), if_((4,)), shape=(4,)), "'n1' hands on"),
        (
            graph_of(LINEAR4, if_((4,)), edges=[("in", "n0"), ("n0", "n1"), ("n1", "n0"), ("n1", "out")], shape=(4,)),
            "are a loop",
        ),
        (graph_of(LINEAR4, lif((4,)), nir.Linear(weights(4, 4)), if_((4,)), shape=(4,)), "have a membrane time"),
        (graph_of(LINEAR4, if_((4,), v_th=-1.0), shape=(4,)), "v_threshold is -1"),
        (
            graph_of(
                late(4, 2), LINEAR4, if_((4,)), nir.Linear(weights(4, 4)), if_((4,)), shape=(4,),
                edges=[("in", "n0"), ("n0", "n1"), ("n1", "n2"), ("n2", "n3"), ("n3", "n4"), ("in", "n4"),
                       ("n4", "out")],
            ),
            "meet do so in step here: make it",
        ),
    ],
)  # fmt: skip
def test_what_does_not_convert_is_refused_naming_the_node(network, named):
    with pytest.raises(ConversionError, match=named) as error:
        from_nir(network, spike="step", dt=DT * second)
    assert "\n" not in str(error.value)


def test_a_file_that_does_not_say_what_a_spike_or_a_step_is():
    network = graph_of(LINEAR4, if_((4,)), shape=(4,))
    with pytest.raises(ConversionError, match="'step', the value 1 for a step, or 'dirac'"):
        from_nir(network)
    with pytest.raises(ConversionError, match="--dt-ms"):
        from_nir(network, spike="step")


def test_a_bias_that_comes_through_a_synapse_is_noted():
    network = graph_of(nir.Affine(weights(4, 4), full(4, 0.1)), CUBA, shape=(4,))
    (note,) = from_nir(network, spike="step", dt=DT * second).notes
    assert note == "the bias before 'n1' comes at once, not through its synapse"


def test_files_that_are_none(tmp_path):
    (tmp_path / "text.nir").write_text("text")
    with pytest.raises(ConversionError, match="is no NIR file"):
        load_nir(tmp_path / "text.nir")
    with pytest.raises(ConversionError, match="there is no file"):
        load_nir(tmp_path / "none.nir")

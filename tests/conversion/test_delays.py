"""Delays of layers move windows and nothing else; those of neurons against a loop over absolute time."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from brian2 import Hz, Quantity, ms, mV
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.delays import Delays, delay
from conversion.plan import ConversionError, make_plan, neuron_order
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import bytes_per_image, simulate
from models.encoders import ConstantCurrent, OnOff, Poisson, SpikeTrains
from models.graph import INPUT, Dense, Graph, sequential
from models.neurons import exponential_current, integrate_and_fire, signed_integrate_and_fire
from tests.conversion.networks import leaky, networks, weights
from tests.conversion.zero_delay_loop import zero_delay_loop

STEPS, IMAGES = 25, 3
DRAWN = Delays(4 * ms, sd=2 * ms)


def input_spikes(graph: Graph, density: float = 0.4) -> np.ndarray:
    return np.random.default_rng(1).random((STEPS, IMAGES, *graph.input_shape)) < density


def run(graph: Graph, spikes: np.ndarray, **fields):
    fields = {"neuron": integrate_and_fire(), "encoder": SpikeTrains(spikes), "duration": len(spikes) * ms} | fields
    return simulate(graph, np.zeros(spikes.shape[1:], np.float32), Simulation(**fields))


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("name", networks())
def test_a_fixed_delay_changes_no_spike(name: str, connectivity: str) -> None:
    """In networks of every kind of layer, whatever paths meet; an image at a time, so that nothing is left behind."""
    graph = networks()[name]
    spikes = input_spikes(graph)
    expected = zero_delay_loop(graph, spikes)
    recording = run(graph, spikes, delays=Delays(3 * ms), connectivity=connectivity, memory_limit=1)
    for layer, counts in expected.items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)
    undelayed = run(graph, spikes)
    np.testing.assert_array_equal(recording.output_counts, undelayed.output_counts)
    layers = make_plan(graph).output.depth
    assert undelayed.latency == pytest.approx(layers * 1e-3)
    assert recording.latency == pytest.approx(layers * 4e-3)


def test_layers_have_delays_of_their_own_and_the_longest_path_says_the_latency() -> None:
    """Of input and conv1, 2 and 5 ms, in steps of half a millisecond; three layers add a step each."""
    graph = networks()["conv, flatten, dense"]
    spikes = input_spikes(graph)
    delays = Delays({INPUT: 2 * ms, "conv1": 5 * ms})
    recording = run(graph, spikes, delays=delays, dt=0.5 * ms, duration=STEPS * 0.5 * ms, encoder=SpikeTrains(spikes))
    np.testing.assert_array_equal(recording.spike_counts["fc"], zero_delay_loop(graph, spikes)["fc"])
    assert recording.latency == pytest.approx(8e-3)


def test_a_bias_and_poisson_spikes_are_those_without_a_delay() -> None:
    graph = networks()["dense with biases"]
    images = np.random.default_rng(0).random((5, *graph.input_shape)).astype(np.float32)
    simulation = Simulation(neuron=integrate_and_fire(), encoder=Poisson(700 * Hz), duration=40 * ms)
    plain, late = (simulate(graph, images, replace(simulation, delays=d)) for d in (Delays(), Delays(7 * ms)))
    for name, counts in plain.spike_counts.items():
        assert counts.any(), name
        np.testing.assert_array_equal(late.spike_counts[name], counts, err_msg=name)


def test_a_constant_image_has_no_axons() -> None:
    graph = networks()["dense"]
    images = np.random.default_rng(0).random((2, *graph.input_shape)).astype(np.float32)
    simulation = Simulation(
        neuron=integrate_and_fire(), encoder=ConstantCurrent(), duration=30 * ms, delays=Delays(4 * ms)
    )
    recording = simulate(graph, images, simulation)
    assert recording.latency == pytest.approx(6e-3)
    expected = simulate(graph, images, replace(simulation, delays=Delays()))
    np.testing.assert_array_equal(recording.output_counts, expected.output_counts)


def absolute_loop(plan, graph: Graph, spikes: np.ndarray) -> dict[str, np.ndarray]:
    """Dense layers in absolute time: what a spike brings lies ready in the step in which it arrives.

    What a layer received or sent before its window opened is forgotten.
    """
    depths = {p.name: p.depth for p in plan.populations}
    period = len(spikes) + plan.output.depth
    arrivals = defaultdict(float)
    v, counts = {}, defaultdict(float)
    for t in range(period):
        for name, depth in depths.items():
            if name == INPUT:
                spike = spikes[t] if t < len(spikes) else np.zeros_like(spikes[0])
            else:
                if t == depth:
                    v.pop(name, None)
                v[name] = v.get(name, np.zeros((spikes.shape[1], *graph.shapes[name]))) + arrivals[name, t]
                spike = v[name] >= 1
                v[name] = v[name] - spike
            if 0 <= t - depth < len(spikes):
                counts[name] = counts[name] + spike
            for projection in (p for p in plan.projections if p.source == name and t >= depth):
                own = np.broadcast_to(projection.delays, spike.shape[1:])
                for d in np.unique(own):
                    sent = np.where(own == d, spike, 0) @ graph[projection.target].weight.T.astype(float)
                    arrivals[projection.target, t + d + 1] = arrivals[projection.target, t + d + 1] + sent
    return counts


@settings(max_examples=12, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5), mean=st.integers(0, 6), sd=st.floats(0.1, 4),
    network_seed=st.integers(0, 5), connectivity=st.sampled_from(["shared", "synapses"]), batch=st.integers(1, 3),
)  # fmt: skip
def test_drawn_delays_against_a_loop(sizes, mean, sd, network_seed, connectivity, batch) -> None:
    layers = [
        Dense(name=f"fc{n}", inputs=(), weight=np.abs(weights(*shape[::-1], seed=str(n))) + np.float32(1 / 16))
        for n, shape in enumerate(pairwise(sizes), 1)
    ]
    graph = sequential((sizes[0],), *layers)
    spikes, delays = input_spikes(graph), Delays(mean * ms, sd=sd * ms)
    plan = delay(make_plan(graph), delays, 1 * ms, network_seed)
    expected = absolute_loop(plan, graph, spikes)
    recording = run(
        graph, spikes, delays=delays, network_seed=network_seed, connectivity=connectivity,
        memory_limit=batch * bytes_per_image(plan, connectivity),
    )  # fmt: skip
    for name, counts in recording.spike_counts.items():
        np.testing.assert_array_equal(counts, expected[name], err_msg=name)


@pytest.mark.parametrize(
    "name",
    ["dense with biases", "max pooling", "junction of spiking paths", "concatenation of paths of unequal length"],
)
def test_drawn_delays_are_the_same_in_both_connectivities_and_in_any_batch(name: str) -> None:
    graph = networks()[name]
    spikes = input_spikes(graph)
    shared, unrolled, alone = (
        run(graph, spikes, delays=DRAWN, connectivity=c, memory_limit=m)
        for c, m in (("shared", 1e9), ("synapses", 1e9), ("shared", 1))
    )
    assert shared.output_counts[-1].any()
    other = run(graph, spikes, delays=DRAWN, network_seed=1)
    assert any((other.spike_counts[layer] != counts).any() for layer, counts in shared.spike_counts.items())
    for layer, counts in shared.spike_counts.items():
        np.testing.assert_array_equal(counts, unrolled.spike_counts[layer], err_msg=layer)
        np.testing.assert_array_equal(counts, alone.spike_counts[layer], err_msg=layer)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_negative_spikes_are_delayed_as_positive_ones(connectivity: str) -> None:
    graph = leaky(networks()["dense"], 1.0)
    spikes, neuron = input_spikes(graph), signed_integrate_and_fire()
    expected = zero_delay_loop(graph, spikes, signed=True)
    fixed = run(graph, spikes, neuron=neuron, delays=Delays(3 * ms), connectivity=connectivity)
    np.testing.assert_array_equal(fixed.spike_counts["fc2"], expected["fc2"])
    drawn, alone = (
        run(graph, spikes, neuron=neuron, delays=DRAWN, connectivity=c, memory_limit=m)
        for c, m in ((connectivity, 1e9), ("shared", 1))
    )
    np.testing.assert_array_equal(drawn.spike_counts["fc2"], alone.spike_counts["fc2"])


def test_drawn_delays_have_the_mean_and_the_deviation_and_belong_to_the_neuron_by_name() -> None:
    """Cut at 0; in ONNX's order before the engine's, and as late for every target."""
    graph = networks()["conv, flatten, dense"]
    plain = make_plan(graph)
    wide = sequential((20_000,), Dense(name="fc", inputs=(), weight=np.ones((1, 20_000), np.float32)))
    (projection,) = delay(make_plan(wide), Delays(10 * ms, sd=2 * ms), 0.5 * ms).projections
    assert projection.delay == 20
    assert projection.delays.mean() == pytest.approx(20, abs=0.15)
    assert projection.delays.std() == pytest.approx(4, rel=0.05)
    (cut,) = delay(make_plan(wide), Delays(0 * ms, sd=4 * ms), 1 * ms).projections
    assert cut.delays.min() == 0
    assert cut.delays.mean() == pytest.approx(4 / math.sqrt(2 * math.pi), rel=0.05)
    both, one = (delay(plain, Delays(mean, sd=2 * ms), 1 * ms) for mean in (5 * ms, {"conv1": 5 * ms}))
    np.testing.assert_array_equal(both.projections[1].delays, one.projections[1].delays)
    assert both.projections[0].drawn is not None
    assert one.projections[0].drawn is None
    assert sorted(neuron_order((3, 4, 3))) == list(range(36))


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_nothing_is_under_way_when_the_next_image_begins(connectivity: str) -> None:
    """The first image spikes until its end, the second not at all: its neurons would need what the first one sent."""
    graph = sequential(
        (1,), *(Dense(name=n, inputs=(), weight=np.ones((1, 1), np.float32)) for n in ("fc1", "fc2", "fc3"))
    )
    spikes = np.zeros((4, 2, 1), bool)
    spikes[:, 0] = True
    for delays in (Delays(6 * ms), Delays(0 * ms, sd=6 * ms), Delays({"fc1": 1 * ms, "fc2": 30 * ms})):
        for seed in range(8):
            recording = run(graph, spikes, delays=delays, connectivity=connectivity, memory_limit=1, network_seed=seed)
            for name, counts in recording.spike_counts.items():
                assert counts[1].sum() == 0, name


def jittered(jitter: Quantity, **fields):
    """Images of one neuron that spikes every twentieth step on average; its spikes one by one."""
    graph = sequential((2,), Dense(name="fc", inputs=(), weight=np.eye(2, dtype=np.float32)))
    spikes = np.zeros((200, 400, 2), bool)
    spikes[100, :, 0] = spikes[[100, 101, 102], :, 1] = True
    probe = Probe(rasters=(INPUT, "fc"))
    return run(graph, spikes, delays=Delays(jitter=jitter), probe=probe, **fields)


def test_jitter_moves_each_input_spike_by_a_normal_time_and_loses_none() -> None:
    recording = jittered(4 * ms)
    raster = recording.rasters[INPUT]
    alone = raster[raster.neuron == 0]
    assert len(alone) == 400
    assert alone.time_ms.mean() == pytest.approx(101, abs=0.7)
    assert alone.time_ms.std() == pytest.approx(4, rel=0.1)
    assert len(raster[raster.neuron == 1]) == 3 * 400
    assert raster.groupby(["image", "neuron"]).time_ms.nunique().sum() == 4 * 400
    keys = ["image", "neuron", "time_ms"]
    relayed = recording.rasters["fc"]
    np.testing.assert_allclose(raster.sort_values(keys)[keys], relayed.sort_values(keys)[keys])
    assert recording.latency == pytest.approx(13e-3)


@pytest.mark.parametrize("jitter", [0.01 * ms, 2 * ms])
def test_jitter_is_the_same_in_any_batch_and_connectivity(jitter: Quantity) -> None:
    """One of a hundredth of a step moves nothing."""
    graph = networks()["conv, flatten, dense"]
    images = np.random.default_rng(0).random((4, *graph.input_shape)).astype(np.float32)
    found = [
        simulate(
            graph, images,
            Simulation(
                neuron=integrate_and_fire(), encoder=Poisson(600 * Hz), duration=40 * ms, connectivity=c,
                delays=Delays(jitter=jitter), memory_limit=m,
            ),
        ).spike_counts
        for c, m in (("shared", 1e9), ("synapses", 1e9), ("shared", 1))
    ]  # fmt: skip
    for name, counts in found[0].items():
        assert counts.any()
        for other in found[1:]:
            np.testing.assert_array_equal(counts, other[name], err_msg=name)
    plain = Simulation(neuron=integrate_and_fire(), encoder=Poisson(600 * Hz), duration=40 * ms)
    same = all(
        np.array_equal(counts, found[0][name]) for name, counts in simulate(graph, images, plain).spike_counts.items()
    )
    assert same == (jitter < 1 * ms)


def test_negative_input_spikes_jitter_too() -> None:
    graph = sequential((2,), Dense(name="fc", inputs=(), weight=np.eye(2, dtype=np.float32)))
    images = np.array([[1.0, -1.0]] * 50, np.float32)
    simulation = Simulation(
        neuron=signed_integrate_and_fire(), encoder=OnOff(1000 * Hz), duration=60 * ms, delays=Delays(jitter=2 * ms)
    )
    counts = simulate(graph, images, simulation).spike_counts[INPUT]
    assert (counts[:, 0] > 50).all()
    assert (counts[:, 1] < -50).all()


@pytest.mark.parametrize("delays", [Delays(), Delays({}), Delays({"fc1": 0 * ms})])
def test_no_delay_is_the_plan_itself(delays: Delays) -> None:
    plan = make_plan(networks()["dense"])
    assert delay(plan, delays, 1 * ms) is plan


def test_a_synapse_and_a_delay_go_together() -> None:
    graph = networks()["conv, flatten, dense"]
    spikes, neuron = input_spikes(graph), exponential_current(integrate_and_fire(), 3 * ms)
    late, plain = (run(graph, spikes, neuron=neuron, delays=d) for d in (Delays(5 * ms), Delays()))
    assert plain.output_counts[-1].any()
    np.testing.assert_array_equal(late.output_counts, plain.output_counts)


@pytest.mark.parametrize(
    ("delays", "encoder", "reason"),
    [
        (Delays({"fc9": 2 * ms}), Poisson(), "delays name 'fc9'; layers that send spikes to others are input, fc1$"),
        (Delays({"fc2": 2 * ms}), Poisson(), "delays name 'fc2'; layers that send"),
        (Delays({INPUT: 2 * ms}), ConstantCurrent(), "delays name 'input'; layers that send spikes to others are fc1$"),
        (Delays(1.5 * ms), Poisson(), "the delay of 'input' is 1.5 ms; it must be whole steps of dt = 1. ms"),
        (Delays(jitter=1 * ms), ConstantCurrent(), "has no spikes to jitter; use Poisson, or no jitter"),
    ],
)
def test_delays_that_a_network_cannot_have_are_refused(delays: Delays, encoder, reason: str) -> None:
    graph = networks()["dense"]
    simulation = Simulation(neuron=integrate_and_fire(), encoder=encoder, duration=5 * ms, delays=delays)
    with pytest.raises(ConversionError, match=reason):
        simulate(graph, np.zeros((1, 7), np.float32), simulation)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mean": -1 * ms}, "the delay is -1. ms; it must be a time, 0 or more"),
        ({"mean": {"fc1": 3 * mV}}, "the delay of 'fc1' is 3. mV; it must be a time"),
        ({"sd": math.inf * ms}, "sd of the delays is inf"),
        ({"jitter": -1 * ms}, "the jitter is -1. ms"),
    ],
)
def test_delays_that_are_no_times_are_refused(fields: dict, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Delays(**fields)

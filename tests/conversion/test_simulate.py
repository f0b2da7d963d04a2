"""The engine against the papers' loop: spikes, not only rates."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, NeuronGroup, ms, mV

from conversion.plan.populations import ConversionError
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent, Poisson, SpikeTrains
from models.graph import INPUT, LINEAR, RELU, Activation, Dense, Graph, sequential
from models.neurons import Neuron, integrate_and_fire
from tests.conversion.networks import add, conv, dense, networks
from tests.conversion.zero_delay_loop import weighted_input, zero_delay_loop

STEPS, IMAGES = 25, 3


def input_spikes(graph, density=0.4, steps=STEPS, images=IMAGES):
    return np.random.default_rng(1).random((steps, images, *graph.input_shape)) < density


def run(graph, spikes, **settings):
    settings = {"neuron": integrate_and_fire(), "encoder": SpikeTrains(spikes), "duration": len(spikes) * ms} | settings
    return simulate(graph, np.zeros(spikes.shape[1:], np.float32), Simulation(**settings))


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("name", networks())
def test_every_neuron_spikes_as_in_the_zero_delay_loop(name, reset, connectivity):
    graph = networks()[name]
    spikes = input_spikes(graph)
    expected = zero_delay_loop(graph, spikes, reset)
    assert expected[graph.output.name].sum() > 0, "a silent network would prove nothing"
    recording = run(graph, spikes, neuron=integrate_and_fire(reset=reset), connectivity=connectivity)
    for layer, counts in expected.items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_two_paths_from_one_layer_to_one_junction(connectivity):
    layers = (
        conv("conv1", INPUT, 3, 2, 3, 3, padding=(1, 1, 1, 1)),
        conv("conv2", "conv1", 3, 3, 3, 3, padding=(1, 1, 1, 1), activation=LINEAR),
        add("add", "conv1", "conv2", "conv1", activation=RELU),
    )
    graph = Graph((2, 5, 5), layers)
    spikes = input_spikes(graph)
    recording = run(graph, spikes, connectivity=connectivity)
    expected = zero_delay_loop(graph, spikes)["add"]
    assert expected.sum() > 0
    np.testing.assert_array_equal(recording.spike_counts["add"], expected)


@pytest.mark.parametrize(("v_th", "v_init"), [(1.0, "half"), (0.5, "zero"), (2.0, "half")])
def test_threshold_and_initial_potential(v_th, v_init):
    graph = networks()["conv, flatten, dense"]
    spikes = input_spikes(graph)
    expected = zero_delay_loop(graph, spikes, v_th=v_th, v_init=v_th / 2 if v_init == "half" else 0.0)
    recording = run(graph, spikes, neuron=integrate_and_fire(v_th=v_th, v_init=v_init))
    np.testing.assert_array_equal(recording.spike_counts["fc"], expected["fc"])


@pytest.mark.parametrize("name", ["residual block", "max pooling", "concatenation of paths of unequal length"])
@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_batches_do_not_change_the_spikes_of_given_input(name, connectivity):
    graph = networks()[name]
    spikes = input_spikes(graph, images=5)
    together = run(graph, spikes, connectivity=connectivity)
    one_by_one = run(graph, spikes, connectivity=connectivity, memory_limit=1)
    np.testing.assert_array_equal(together.output_counts, one_by_one.output_counts)
    np.testing.assert_allclose(together.spikes, one_by_one.spikes)
    np.testing.assert_allclose(together.synops, one_by_one.synops)


@pytest.mark.parametrize("name", ["average pooling", "residual block", "max pooling"])
def test_the_settings_of_cao_2015_act_on_every_layer(name):
    """Threshold, hard reset and lower clamp, also of the neurons of pooling layers and junctions."""
    graph = networks()[name]
    spikes = input_spikes(graph)
    settings = {"reset": "zero", "v_th": 0.6, "v_min": 0.0}
    expected = zero_delay_loop(graph, spikes, **settings)
    recording = run(graph, spikes, neuron=integrate_and_fire(**settings))
    for layer, counts in expected.items():
        assert counts.sum() > 0
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)


def test_output_over_time_is_the_count_so_far():
    graph = networks()["strides, oblong kernels, borders"]
    spikes = input_spikes(graph)
    recording = run(graph, spikes, read_at=np.array([4, 11]) * ms)
    np.testing.assert_allclose(recording.times, [0.004, 0.011, 0.025])
    for readout, steps in enumerate((4, 11, STEPS)):
        expected = zero_delay_loop(graph, spikes[:steps])[graph.output.name]
        np.testing.assert_array_equal(recording.output_counts[readout], expected)


@pytest.mark.parametrize("memory_limit", [1e9, 1])
def test_times_of_the_k_th_output_spikes_are_those_of_the_loop(memory_limit):
    graph = networks()["strides, oblong kernels, borders"]
    spikes = input_spikes(graph, density=0.02)
    recording = run(graph, spikes, probe=Probe(output_spikes=(1, 3, 20)), memory_limit=memory_limit)
    so_far = np.array([zero_delay_loop(graph, spikes[: step + 1])[graph.output.name] for step in range(STEPS)])
    for k in (1, 3, 20):
        reached = so_far >= k
        expected = np.where(reached.any(axis=0), reached.argmax(axis=0) + 1, np.inf) / 1000
        np.testing.assert_allclose(recording.output_spike_times[k], expected)
    assert np.isfinite(recording.output_spike_times[1]).any()
    assert np.isinf(recording.output_spike_times[20]).any()


def test_potential_readout_is_the_weighted_sum_of_all_input():
    graph = sequential(
        (7,), dense("fc1", "", 9, 7), dense("fc2", "", 4, 9, activation=LINEAR, bias=np.ones(4, np.float32))
    )
    spikes = input_spikes(graph)
    recording = run(graph, spikes, output="accumulating")
    hidden = zero_delay_loop(graph, spikes)["fc1"]
    np.testing.assert_allclose(recording.output_potentials[-1], hidden @ graph["fc2"].weight.T + STEPS, rtol=1e-5)
    assert recording.output_counts.sum() == 0


def test_synaptic_operations_count_only_the_synapses_that_exist():
    graph = networks()["strides, oblong kernels, borders"]
    spikes = input_spikes(graph)
    recording = run(graph, spikes)
    ones = Graph(graph.input_shape, tuple(with_unit_weights(layer) for layer in graph))
    reached = sum(weighted_input(ones["conv1"], [step.astype(float)]).sum() for step in spikes) / IMAGES
    assert recording.synops[-1, 0] == pytest.approx(reached)
    assert recording.spikes[-1, 0] == pytest.approx(spikes.sum() / IMAGES)
    assert recording.synops[-1, -1] == 0


def with_unit_weights(layer):
    return replace(layer, weight=np.ones_like(layer.weight), bias=None)


def test_rasters_and_traces_are_those_of_the_loop():
    graph = networks()["conv, flatten, dense"]
    spikes = input_spikes(graph)
    recording = run(graph, spikes, probe=Probe(rasters=("conv1",), traces={"conv1": (0, 17)}), memory_limit=10_000)
    raster = recording.rasters["conv1"]
    counts = np.zeros((IMAGES, 36), int)
    np.add.at(counts, (raster["image"], raster["neuron"]), 1)
    np.testing.assert_array_equal(counts, zero_delay_loop(graph, spikes)["conv1"].reshape(IMAGES, -1))
    for step in (1, 2, 9):
        first = raster[raster["time_ms"] <= step + 1e-9].groupby(["image", "neuron"]).size()
        expected = zero_delay_loop(graph, spikes[:step])["conv1"].reshape(IMAGES, -1)
        assert first.sum() == expected.sum()
    total = sum(weighted_input(graph["conv1"], [step.astype(float)]) for step in spikes).reshape(IMAGES, -1)
    final = recording.traces["conv1"][-1]
    np.testing.assert_allclose(final, (total - counts)[:, [0, 17]], atol=1e-6)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_refractory_neurons_lose_their_input(connectivity):
    """One input that spikes in every step, weight 0.6: V crosses 1 in steps 1, 6, 11, ... with a silence of 3 steps."""
    graph = sequential((1,), Dense(name="fc", inputs=(), weight=np.array([[0.6]], np.float32)))
    spikes = np.ones((20, 1, 1), bool)
    neuron = integrate_and_fire(reset="zero", refractory=3 * ms)
    recording = run(graph, spikes, neuron=neuron, connectivity=connectivity, probe=Probe(rasters=("fc",)))
    expected, v, silent_until = [], 0.0, -1
    for step in range(20):
        if step > silent_until:
            v += 0.6
        if v >= 1:
            expected.append(step + 1.0)
            v, silent_until = 0.0, step + 3
    np.testing.assert_allclose(recording.rasters["fc"]["time_ms"], expected)


def test_lower_clamp_by_hand():
    """Weights -1 then +0.5 per step: unclamped V is back at 0 after three steps, clamped it spikes after two."""
    graph = sequential((2,), Dense(name="fc", inputs=(), weight=np.array([[-1.0, 0.5]], np.float32)))
    spikes = np.zeros((4, 1, 2), bool)
    spikes[0, 0, 0] = spikes[1:, 0, 1] = True
    probe = Probe(traces={"fc": (0,)})
    free = run(graph, spikes, neuron=integrate_and_fire(), probe=probe)
    clamped = run(graph, spikes, neuron=integrate_and_fire(v_min=0.0), probe=probe)
    np.testing.assert_allclose(free.traces["fc"].ravel(), [-1, -0.5, 0, 0.5])
    np.testing.assert_allclose(clamped.traces["fc"].ravel(), [0, 0.5, 0, 0.5])


def test_constant_current_equals_the_closed_form():
    """With reset by subtraction an IF neuron has spiked floor(T * drive) times after T steps."""
    weight = np.array([[0.25, 0.5], [1.0, -0.5]], np.float32)
    graph = sequential((2,), Dense(name="fc", inputs=(), weight=weight, bias=np.array([0.125, 0.0], np.float32)))
    images = np.array([[0.5, 0.25], [1.0, 1.0]], np.float32)
    recording = simulate(
        graph, images, Simulation(neuron=integrate_and_fire(), encoder=ConstantCurrent(1000 * Hz), duration=100 * ms)
    )
    drive = images @ weight.T + [0.125, 0.0]
    np.testing.assert_array_equal(recording.output_counts[-1], np.floor(100 * drive + 1e-9))
    assert INPUT not in recording.populations


@pytest.mark.parametrize("v_th", [1.0, 0.5])
def test_an_offset_of_half_a_threshold_rounds_the_rate_instead_of_rounding_it_down(v_th):
    """Deng and Gu 2021: with v_th / (2 T) more per step, T steps give floor(T * drive / v_th + 1/2) spikes."""
    drive, steps = np.arange(0, 64, 3, dtype=np.float32) / 128, 16
    graph = sequential((1,), Dense(name="fc", inputs=(), weight=drive[:, None]))
    settings = {"neuron": integrate_and_fire(v_th=v_th), "encoder": ConstantCurrent(1000 * Hz), "duration": steps * ms}
    for offset, share in ((True, 0.5), (False, 0.0)):
        recording = simulate(graph, np.ones((3, 1), np.float32), Simulation(half_threshold_offset=offset, **settings))
        expected = [np.floor(t * (drive / v_th + share / steps)) for t in range(1, steps + 1)]
        np.testing.assert_array_equal(recording.output_counts, np.repeat(np.array(expected)[:, None], 3, axis=1))


def test_an_offset_acts_on_each_layer_by_its_own_threshold_and_not_on_an_accumulating_output():
    graph = sequential((2,), *(Dense(name=n, inputs=(), weight=np.zeros((2, 2), np.float32)) for n in ("a", "b", "c")))
    recording = run(
        graph, np.zeros((8, 2, 2), bool), half_threshold_offset=True, thresholds={"b": 4.0}, output="accumulating",
        probe=Probe(traces={"a": (0,), "b": (1,)}), memory_limit=1,
    )  # fmt: skip
    for name, threshold in (("a", 1), ("b", 4)):
        expected = np.arange(1, 9) / 16 * threshold
        np.testing.assert_allclose(recording.traces[name][:, :, 0], np.stack([expected, expected], axis=1))
    assert not recording.output_potentials.any()


def test_an_offset_needs_a_threshold_and_a_drive():
    for equations, missing in (("v : 1", "drive"), ("dv/dt = drive : 1\ndrive : Hz (constant)", "v_th")):
        neuron = Neuron(equations=equations, threshold="v >= 1", reset="v -= 1", initial={"v": "0"}, source="")
        with pytest.raises(
            ConversionError, match=f"half a threshold needs neurons whose equations declare `{missing}`"
        ):
            run(networks()["dense"], np.zeros((5, 1, 7), bool), neuron=neuron, half_threshold_offset=True)


def test_halving_dt_leaves_rates_in_hertz_unchanged():
    graph = sequential((40,), dense("fc", "", 30, 40))
    images = np.full((60, 40), 0.5, np.float32)
    rates = {}
    for dt in (1.0, 0.5, 0.25):
        recording = simulate(
            graph,
            images,
            Simulation(neuron=integrate_and_fire(v_th=8.0), encoder=Poisson(200 * Hz), duration=400 * ms, dt=dt * ms),
        )
        rates[dt] = recording.spike_counts["fc"].mean(axis=0) / recording.duration
    spread = 3 * np.sqrt(rates[1.0] / (60 * 0.4)).max()
    np.testing.assert_allclose(rates[0.5], rates[1.0], atol=spread)
    np.testing.assert_allclose(rates[0.25], rates[1.0], atol=spread)


def test_poisson_input_has_the_rate_and_the_variance_of_a_bernoulli_process():
    graph = sequential((4,), dense("fc", "", 2, 4))
    images = np.tile(np.array([0.0, 0.1, 0.5, 1.0], np.float32), (250, 1))
    counts = simulate(
        graph, images, Simulation(neuron=integrate_and_fire(), encoder=Poisson(1000 * Hz), duration=200 * ms)
    ).spike_counts[INPUT]
    p = images[0]
    np.testing.assert_allclose(counts.mean(axis=0), 200 * p, atol=4 * np.sqrt(200 * p * (1 - p) / 250).max())
    np.testing.assert_allclose(counts.var(axis=0), 200 * p * (1 - p), atol=200 * 0.25 * 0.45)


def test_the_seed_decides_the_spikes():
    graph = sequential((20,), dense("fc", "", 8, 20))
    images = np.full((5, 20), 0.3, np.float32)
    settings = {"neuron": integrate_and_fire(v_init="uniform"), "encoder": Poisson(), "duration": 30 * ms}
    first, again, other = (
        simulate(graph, images, Simulation(seed=seed, **settings)).spike_counts["fc"] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_users_own_equations_in_volts():
    """A current-based neuron written by the user, in volts, spikes like the dimensionless one."""
    graph = networks()["dense with biases"]
    spikes = input_spikes(graph)
    neuron = Neuron(
        equations="dv/dt = drive : volt\ndrive : volt/second (constant)\nthreshold : volt (constant)",
        threshold="v >= threshold",
        reset="v -= threshold",
        input_unit=16 * mV,
        initial={"threshold": "16*mV", "v": "0*mV"},
        source="",
    )
    for connectivity in ("shared", "synapses"):
        recording = run(graph, spikes, neuron=neuron, connectivity=connectivity)
        expected = zero_delay_loop(graph, spikes)["fc2"]
        assert np.abs(recording.spike_counts["fc2"] - expected).max() <= 1  # 16 mV is no power of two: ties may round


def test_equations_without_drive_are_refused_where_there_is_a_bias():
    graph = networks()["dense with biases"]
    neuron = Neuron(equations="v : 1", threshold="v >= 1", reset="v -= 1", initial={"v": "0"}, source="")
    with pytest.raises(ConversionError, match="'fc1' has a bias"):
        run(graph, input_spikes(graph), neuron=neuron)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 6), np.float32)}, r"images have shape \(2, 6\)"),
        ({"images": np.full((2, 7), np.nan, np.float32)}, "finite"),
        ({"images": np.full((2, 7), -0.1, np.float32)}, r"-0\.1"),
        ({"encoder": Poisson(2000 * Hz)}, "at most once a step"),
        ({"encoder": SpikeTrains(np.zeros((3, 2, 7), bool))}, "spike trains have shape"),
        ({"duration": 0 * ms}, "shorter than a step"),
        ({"duration": -5 * ms}, "shorter than a step"),
        ({"duration": 0.1 * ms}, r"duration is 100\. us; it must be whole steps of dt = 1\. ms"),
        ({"duration": 10.5 * ms}, r"duration is 10\.5 ms; it must be whole steps of dt = 1\. ms"),
        ({"duration": 10}, "duration is 10; it must be finite, with a unit of time"),
        ({"duration": np.nan * ms}, "it must be finite, with a unit of time"),
        ({"dt": 0 * ms}, "dt is 0. s; a time step is positive"),
        ({"dt": -1 * ms}, r"dt is -1\. ms; a time step is positive"),
        ({"read_at": [2.5, 4] * ms}, "it must be whole steps of dt"),
        ({"read_at": [0] * ms}, "read_at is"),
        ({"read_at": np.array([50]) * ms}, "read_at is"),
        ({"connectivity": "dense"}, "connectivity is 'dense'; known are 'shared', 'synapses'"),
        ({"output": "rate"}, "output is 'rate'; known are 'spiking', 'accumulating'"),
        ({"probe": Probe(rasters=("fc3",))}, "the probe names 'fc3'; recorded are input, fc1, fc2"),
        ({"probe": Probe(traces={"fc3": (0,)})}, "the probe names 'fc3'; recorded are input, fc1, fc2"),
        ({"probe": Probe(traces={"fc1": (0, 9)})}, r"the probe traces neuron 9 of 'fc1', which has neurons 0 to 8"),
        ({"probe": Probe(traces={"fc1": (-1,)})}, "the probe traces neuron -1 of 'fc1'"),
        ({"probe": Probe(traces={"input": (0,)})}, "the probe traces 'input', whose spikes come from no potential"),
    ],
)
def test_bad_input_is_named(change, message):
    settings = {
        "images": np.zeros((2, 7), np.float32),
        "neuron": integrate_and_fire(),
        "encoder": Poisson(),
        "duration": 10 * ms,
    } | change
    with pytest.raises(ValueError, match=message):
        simulate(networks()["dense"], settings.pop("images"), Simulation(**settings))


@pytest.mark.parametrize("rate", [0 * Hz, -5 * Hz, np.nan * Hz, np.inf * Hz, 5 * ms, 100])
def test_a_rate_for_the_value_one_is_positive(rate):
    for encoder in (Poisson, ConstantCurrent, lambda rate: SpikeTrains(np.zeros((1, 1, 7), bool), rate)):
        with pytest.raises(ValueError, match=r"max_rate is .*; it must be a firing rate above 0, in Hz"):
            encoder(rate)


def test_a_probe_of_the_input_under_constant_current_is_refused():
    with pytest.raises(ValueError, match="the probe names 'input'; recorded are fc1, fc2"):
        simulate(
            networks()["dense"],
            np.zeros((1, 7), np.float32),
            Simulation(
                neuron=integrate_and_fire(), encoder=ConstantCurrent(), duration=5 * ms, probe=Probe(rasters=("input",))
            ),
        )


def test_negative_activity_between_layers_is_refused():
    leaky = dense("fc1", "", 5, 7, activation=Activation(0.1))
    with pytest.raises(ConversionError, match=r"'fc1' can be negative .* 'fc2' reads it"):
        run(sequential((7,), leaky, dense("fc2", "", 2, 5)), np.zeros((5, 1, 7), bool))


def test_nothing_of_a_network_is_left_behind():
    """Its objects hold each other, so that without the collector, switched off here, they stay."""
    graph = networks()["conv, flatten, dense"]

    def groups() -> int:
        return sum(isinstance(each, NeuronGroup) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = groups()
        run(graph, input_spikes(graph))
        assert groups() == before
    finally:
        gc.enable()

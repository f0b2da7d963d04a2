"""Input codes in the engine: phase coding against the loop with weights, bursts against Izhikevich's program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms, mV

from conversion.brian.encoding import check_encoder, max_rate
from conversion.plan.populations import ConversionError, make_plan
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import Burst, ConstantCurrent, Phase, Poisson
from models.graph import INPUT, LINEAR, Concat, Conv2d, Dense, Graph, MaxPool2d, sequential
from models.neurons import integrate_and_fire, phase_coded
from tests.conversion.networks import dense, networks
from tests.conversion.zero_delay_loop import zero_delay_loop

WEIGHTED = [name for name in networks() if name != "max pooling"]


def binary_digits(images, period):
    """The digits of round(x * (2**K - 1)), most significant first, by Python's own formatting: (K, *images.shape)."""
    numbers = np.rint(images.astype(float) * (2**period - 1)).astype(int)
    texts = [format(number, f"0{period}b") for number in numbers.ravel()]
    return np.array([[digit == "1" for digit in text] for text in texts]).T.reshape(period, *images.shape)


def phase_loop(graph, images, period, periods, **settings):
    """The oracle: every neuron's weighted count; a bias enters in equal parts, (1 - 2**-K) of it in each period."""
    spikes = np.tile(binary_digits(images, period), (periods, *(1,) * images.ndim))
    weights = np.tile(0.5 ** (1 + np.arange(period)), periods)
    return zero_delay_loop(with_biases_times(graph, (1 - 0.5**period) / period), spikes, weights=weights, **settings)


def with_biases_times(graph, factor):
    def scaled(layer):
        biased = isinstance(layer, Conv2d | Dense) and layer.bias is not None
        return replace(layer, bias=layer.bias * np.float32(factor)) if biased else layer

    return Graph(graph.input_shape, tuple(scaled(layer) for layer in graph))


def grey_images(graph, n=3):
    return (np.random.default_rng(2).integers(0, 256, (n, *graph.input_shape)) / 255).astype(np.float32)


def phase_run(graph, images, period=8, periods=4, **settings):
    settings = {"neuron": phase_coded(period)} | settings
    return simulate(graph, images, Simulation(encoder=Phase(period), duration=period * periods * ms, **settings))


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("name", WEIGHTED)
def test_phase_coded_networks_spike_as_the_loop_does(name, connectivity):
    graph = networks()[name]
    images = grey_images(graph)
    expected = phase_loop(graph, images, 8, 4)
    assert expected[graph.output.name].sum() > 0, "a silent network would prove nothing"
    recording = phase_run(graph, images, connectivity=connectivity)
    for layer, counts in expected.items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)


@pytest.mark.parametrize("period", [1, 3, 5])
def test_other_periods_thresholds_and_initial_potentials(period):
    graph = networks()["conv, flatten, dense"]
    images = grey_images(graph)
    for v_th, v_init, start in ((0.5, "zero", 0.0), (2.0, "half", 1.0)):
        expected = phase_loop(graph, images, period, 20, v_th=v_th, v_init=start)
        recording = phase_run(graph, images, period, 20, neuron=phase_coded(period, v_th=v_th, v_init=v_init))
        np.testing.assert_array_equal(recording.output_counts[-1], expected["fc"])


def test_another_time_step_is_the_same_phase_code():
    graph = networks()["dense with biases"]
    images = grey_images(graph)
    settings = {"neuron": phase_coded(), "encoder": Phase()}
    slow, fast = (
        simulate(graph, images, Simulation(duration=32 * dt * ms, dt=dt * ms, **settings)) for dt in (1.0, 0.25)
    )
    np.testing.assert_array_equal(slow.output_counts, fast.output_counts)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_phase_code_in_batches_starts_every_image_anew(connectivity):
    graph = networks()["residual block"]
    images = grey_images(graph, 5)
    together = phase_run(graph, images, connectivity=connectivity, periods=2)
    one_by_one = phase_run(graph, images, connectivity=connectivity, periods=2, memory_limit=1)
    np.testing.assert_array_equal(together.output_counts, one_by_one.output_counts)
    np.testing.assert_allclose(together.spikes, one_by_one.spikes)


def test_phase_input_is_the_binary_expansion_step_by_step():
    images = np.array([[0, 1 / 255, 77 / 255, 128 / 255, 1]], np.float32)
    recording = phase_run(sequential((5,), dense("fc", "", 2, 5)), images, periods=2, probe=Probe(rasters=(INPUT,)))
    raster = recording.rasters[INPUT]
    spikes = np.zeros((16, 5), bool)
    spikes[(raster["time_ms"] - 1).round().astype(int), raster["neuron"]] = True
    np.testing.assert_array_equal(spikes, np.tile(binary_digits(images, 8)[:, 0], (2, 1)))
    np.testing.assert_array_equal(recording.spike_counts[INPUT][0], [0, 2 / 256, 154 / 256, 1, 2 * 255 / 256])
    assert recording.spikes[-1, 0] == 2 * (0 + 1 + 4 + 1 + 8)


def test_a_phase_coded_layer_sends_its_activation():
    """After n periods the sent weights differ from n * (W x + b) by less than what a neuron holds back, 1 - 2**-K."""
    rng = np.random.default_rng(3)
    weight = rng.uniform(0, 0.12, (6, 7)).astype(np.float32)
    bias = rng.uniform(0, 0.1, 6).astype(np.float32)
    graph = sequential((7,), Dense(name="fc", inputs=("",), weight=weight, bias=bias))
    images = grey_images(graph)
    periods = 50
    recording = phase_run(graph, images, periods=periods)
    activation = recording.output_counts[-1] / (recording.duration * recording.max_rate)
    np.testing.assert_allclose(activation, images @ weight.T + bias, atol=1 / periods)
    assert recording.largest_count == pytest.approx(recording.duration * recording.max_rate)


def test_phase_coded_potential_is_the_weighted_sum_of_what_the_hidden_layer_sends():
    graph = sequential((7,), dense("fc1", "", 9, 7), dense("fc2", "", 4, 9, activation=LINEAR, bias=np.ones(4, "f4")))
    images = grey_images(graph)
    recording = phase_run(graph, images, output="accumulating")
    hidden = phase_loop(graph, images, 8, 4)["fc1"]
    expected = hidden @ graph["fc2"].weight.T + 4 * 255 / 256
    np.testing.assert_allclose(recording.output_potentials[-1], expected, rtol=1e-5)
    assert recording.output_counts.sum() == 0


@pytest.mark.parametrize(
    ("name", "encoder", "neuron", "dt", "message"),
    [
        (
            "dense",
            Phase(8),
            integrate_and_fire(),
            1,
            r"Phase\(period=8\) needs neurons of the same code; use phase_coded\(8\)",
        ),
        ("dense", Phase(4), phase_coded(8), 1, r"use phase_coded\(4\)"),
        ("dense", Poisson(), phase_coded(8), 1, r"read phase-coded input, and Poisson is none; use Phase\(8\)"),
        ("dense", ConstantCurrent(), phase_coded(8), 1, "ConstantCurrent is none"),
        ("dense", Burst(), integrate_and_fire(), 2, "dt is 2. ms; the steps of an Izhikevich neuron are at most 1. ms"),
        ("max pooling", Phase(8), phase_coded(8), 1, "'pool1' compares numbers of spikes"),
    ],
)
def test_codes_that_do_not_go_with_the_rest_are_refused(name, encoder, neuron, dt, message):
    with pytest.raises(ValueError, match=message):
        check_encoder(encoder, neuron, make_plan(networks()[name]), dt * ms)


def izhikevich(current, steps, dt=1.0):
    """Spike times in ms of the chattering neuron, as in the program of Izhikevich 2003, in mV and ms."""
    v, u, times = -65.0, 0.2 * -65.0, []
    for step in range(steps):
        for _ in range(2):
            v += dt / 2 * (0.04 * v**2 + 5 * v + 140 - u + current)
        u += dt * 0.02 * (0.2 * v - u)
        if v >= 30:
            times.append((step + 1) * dt)
            v, u = -50.0, u + 2.0
    return np.array(times)


def burst_run(x, duration_ms, dt=1.0, **settings):
    graph = sequential((len(x),), Dense(name="fc", inputs=("",), weight=np.full((1, len(x)), 0.125, np.float32)))
    return simulate(
        graph,
        np.tile(np.asarray(x, np.float32), (2, 1)),
        Simulation(
            neuron=integrate_and_fire(),
            encoder=Burst(),
            duration=duration_ms * ms,
            dt=dt * ms,
            probe=Probe(rasters=(INPUT,)),
            **settings,
        ),
    )


def spike_times(recording, neuron, image=1):
    raster = recording.rasters[INPUT]
    return raster["time_ms"][(raster["neuron"] == neuron) & (raster["image"] == image)].to_numpy()


@pytest.mark.parametrize("dt", [1.0, 0.5])
def test_f_i_curve_of_the_bursting_input(dt):
    x = np.linspace(0, 1, 11)
    recording = burst_run(x, 1000, dt)
    expected = np.array([len(izhikevich(20 * value, round(1000 / dt), dt)) for value in x])
    counts = recording.spike_counts[INPUT]
    np.testing.assert_allclose(counts, np.tile(expected, (2, 1)), rtol=0.12)  # 32 bits: later bursts drift apart
    assert expected[-1] > 80
    assert (counts[:, x < 0.15] == 0).all()


def test_the_first_spikes_of_a_burst_are_those_of_izhikevichs_program():
    x = np.linspace(0, 1, 11)
    recording = burst_run(x, 60)
    for neuron, value in enumerate(x):
        np.testing.assert_allclose(spike_times(recording, neuron), izhikevich(20 * value, 60))


def test_the_input_fires_in_bursts():
    intervals = np.diff(spike_times(burst_run([0.5], 1000), 0))
    within, between = intervals[intervals <= 15], intervals[intervals > 15]
    assert within.max() <= 10
    assert between.min() >= 40
    assert len(within) >= 10
    assert len(between) >= 10


def test_the_network_receives_the_bursts_and_batches_begin_anew():
    together = burst_run([0.5, 1.0], 100)
    one_by_one = burst_run([0.5, 1.0], 100, memory_limit=1)
    sent = together.spike_counts[INPUT].sum(axis=1)
    np.testing.assert_array_equal(together.output_counts[-1, :, 0], np.floor(sent * 0.125))
    np.testing.assert_array_equal(together.output_counts, one_by_one.output_counts)
    np.testing.assert_array_equal(
        together.output_counts, burst_run([0.5, 1.0], 100, connectivity="synapses").output_counts
    )


def test_max_rate_of_every_code():
    assert max_rate(Poisson(200 * Hz), 1 * ms) == 200 * Hz
    assert float(max_rate(Phase(8), 0.5 * ms)) == pytest.approx(255 / 256 / 0.004)
    for dt in (1.0, 0.5):
        expected = len(izhikevich(20.0, round(4000 / dt), dt)) / 4
        assert float(max_rate(Burst(), dt * ms)) == pytest.approx(expected, rel=0.02)


def test_a_current_too_small_to_spike_is_refused():
    with pytest.raises(ValueError, match="Burst: an input of value 1 never spikes; raise its current"):
        max_rate(Burst(1 * mV / ms), 1 * ms)


@pytest.mark.parametrize("kind", ["max pooling", "concatenation"])
def test_relays_of_the_input_need_spikes_to_relay(kind):
    relay = {
        "max pooling": MaxPool2d(name="relay", inputs=(INPUT,), kernel=(2, 2), stride=(1, 1)),
        "concatenation": Concat(name="relay", inputs=(INPUT, INPUT)),
    }[kind]
    plan = make_plan(Graph((1, 3, 3), (relay,)))
    check_encoder(Poisson(), integrate_and_fire(), plan, 1 * ms)
    with pytest.raises(ConversionError, match="'relay' relays spikes, and a constant-current input has none; use Poi"):
        check_encoder(ConstantCurrent(), integrate_and_fire(), plan, 1 * ms)

"""Signed input: ON and OFF neurons against the papers' loop, the binomial law and the ANN; negative currents too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.normalize.schemes import normalize
from conversion.plan.populations import ConversionError, make_plan
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import Burst, ConstantCurrent, OnOff, Phase, Poisson
from models.graph import INPUT, LINEAR, AvgPool2d, Dense, Graph, sequential
from models.neurons import integrate_and_fire, phase_coded, signed_integrate_and_fire
from tests.conversion.forward import forward
from tests.conversion.networks import conv, dense, networks, pool
from tests.conversion.zero_delay_loop import zero_delay_loop

STEPS, IMAGES = 30, 3
NETWORKS = {
    name: networks()[name]
    for name in ("dense with biases", "dilation and groups", "strides, oblong kernels, borders", "residual block")
}
RELAYED = networks()["concatenation of paths of unequal length"]
POOLED = sequential((2, 4, 4), pool(AvgPool2d, "pool", "", (2, 2), (2, 2)), conv("conv", "", 3, 2, 2, 2))


def images_for(graph, n=IMAGES):
    return np.random.default_rng(4).uniform(-1, 1, (n, *graph.input_shape)).astype(np.float32)


def run(graph, images, steps=STEPS, **settings):
    settings = {"neuron": integrate_and_fire(), "encoder": OnOff(1000 * Hz)} | settings
    return simulate(graph, images, Simulation(duration=steps * ms, probe=Probe(rasters=(INPUT,)), **settings))


def sent(recording, graph, steps=STEPS):
    """The input's raster as 1, 0 and -1, (steps, images, *input_shape)."""
    raster = recording.rasters[INPUT]
    flat = np.zeros((steps, len(recording.output_potentials[0]), int(np.prod(graph.input_shape))), int)
    np.add.at(flat, (raster["time_ms"].round().astype(int) - 1, raster["image"], raster["neuron"]), raster["sign"])
    return flat.reshape(*flat.shape[:2], *graph.input_shape)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("name", NETWORKS)
def test_off_spikes_reach_every_reader_through_the_negated_weights(name, connectivity):
    """Several layers read the input of the residual networks; the loop adds W @ (ON - OFF)."""
    graph = NETWORKS[name]
    recording = run(graph, images_for(graph), connectivity=connectivity)
    spikes = sent(recording, graph)
    assert set(np.unique(spikes)) == {-1, 0, 1}
    expected = zero_delay_loop(graph, spikes)
    assert expected[graph.output.name].sum() > 0, "a silent network would prove nothing"
    for layer, counts in expected.items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("graph", [POOLED, RELAYED], ids=["pooled", "relayed"])
def test_pooling_and_relays_of_signed_input_need_signed_neurons(graph, connectivity):
    images = images_for(graph)
    with pytest.raises(ConversionError, match=r"can be negative .* its neurons only send positive spikes"):
        run(graph, images)
    recording = run(graph, images, neuron=signed_integrate_and_fire(), connectivity=connectivity)
    expected = zero_delay_loop(graph, sent(recording, graph), signed=True)
    assert min(counts.min() for counts in expected.values()) < 0
    for layer, counts in expected.items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)


def test_both_connectivities_get_the_same_spikes_from_the_same_seed():
    graph = NETWORKS["residual block"]
    one, other = (run(graph, images_for(graph), connectivity=c, seed=5) for c in ("shared", "synapses"))
    for name, counts in one.spike_counts.items():
        np.testing.assert_array_equal(counts, other.spike_counts[name], err_msg=name)


@pytest.mark.parametrize("rate", [1000, 250])
def test_spikes_follow_the_binomial_law_and_have_the_sign_of_their_value(rate):
    x = np.linspace(-1, 1, 41, dtype=np.float32)
    steps = 2000
    graph = sequential((41,), dense("fc", "", 2, 41))
    recording = run(graph, x[None], steps, encoder=OnOff(rate * Hz))
    p = np.abs(x) * rate / 1000
    counts = recording.spike_counts[INPUT][0]
    np.testing.assert_array_less(np.abs(counts - np.sign(x) * steps * p), 5 * np.sqrt(steps * p * (1 - p)) + 1e-3)
    signs = recording.rasters[INPUT].groupby("neuron")["sign"].unique()
    assert all(list(signs[neuron]) == [np.sign(x[neuron])] for neuron in signs.index)
    if rate == 1000:
        np.testing.assert_array_equal(counts[[0, -1]], [-steps, steps])


def test_both_neurons_of_a_pair_count_in_spikes_and_synaptic_operations():
    graph = sequential((3, 4, 4), conv("conv", "", 2, 3, 3, 3))  # a corner has one window, the middle four
    recording = run(graph, images_for(graph))
    spikes = np.abs(sent(recording, graph)).sum(axis=(0, 1, 2))
    fan_out = 2 * np.outer([1, 2, 2, 1], [1, 2, 2, 1])
    assert recording.spikes[-1, 0] == pytest.approx(spikes.sum() / IMAGES)
    assert recording.synops[-1, 0] == pytest.approx((spikes * fan_out).sum() / IMAGES)
    assert recording.signed == (INPUT,)


def test_what_the_first_layer_receives_is_its_pre_activation():
    """With 1000 Hz and 1 ms the mean input of a step is W x, to the standard error of the binomial law."""
    graph = sequential((2, 4, 4), conv("conv", "", 3, 2, 3, 3, activation=LINEAR))
    images, steps = images_for(graph), 4000
    recording = run(graph, images, steps, output="accumulating")
    wanted = forward(graph, images)["conv"]
    variance = forward(squared(graph), np.abs(images) * (1 - np.abs(images)))["conv"]
    error = recording.output_potentials[-1] / steps - wanted
    assert np.abs(wanted).max() > 1
    np.testing.assert_array_less(np.abs(error), 5 * np.sqrt(variance / steps))


def squared(graph: Graph) -> Graph:
    return Graph(graph.input_shape, tuple(replace(layer, weight=layer.weight**2) for layer in graph))


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_a_negative_constant_current_is_the_exact_pre_activation(connectivity):
    graph = sequential((2, 4, 4), conv("conv", "", 3, 2, 3, 3, padding=(1, 1, 1, 1), activation=LINEAR))
    images = images_for(graph)
    recording = simulate(
        graph,
        images,
        Simulation(
            neuron=integrate_and_fire(),
            encoder=ConstantCurrent(),
            duration=STEPS * ms,
            output="accumulating",
            connectivity=connectivity,
        ),
    )
    wanted = STEPS * forward(graph, images)["conv"]
    assert wanted.min() < 0
    np.testing.assert_allclose(recording.output_potentials[-1], wanted, atol=1e-4)


def test_a_spiking_pool_of_negative_currents_is_refused_too():
    images = images_for(POOLED)
    with pytest.raises(ConversionError, match="'pool' can be negative"):
        run_constant(POOLED, images)
    run_constant(POOLED, np.abs(images))


def run_constant(graph, images):
    settings = {"neuron": integrate_and_fire(), "encoder": ConstantCurrent(), "duration": 2 * ms}
    return simulate(graph, images, Simulation(**settings))


@pytest.mark.parametrize(
    ("encoder", "neuron", "value", "message"),
    [
        (OnOff(), integrate_and_fire(), -1.5, r"reach from -1.5 to 0.0; firing rates of OnOff need .* in \[-1, 1\]$"),
        (OnOff(), integrate_and_fire(), 1.5, r"reach from 0.0 to 1.5; firing rates of OnOff need .* in \[-1, 1\]$"),
        (OnOff(), integrate_and_fire(), np.nan, r"finite values in \[-1, 1\]$"),
        (ConstantCurrent(), integrate_and_fire(), -2, r"ConstantCurrent need finite values in \[-1, 1\]$"),
        (
            Poisson(),
            integrate_and_fire(),
            -0.5,
            r"Poisson need .* in \[0, 1\]; OnOff and ConstantCurrent also take",
        ),
        (Phase(), phase_coded(), -0.5, r"firing rates of Phase need finite values in \[0, 1\]"),
        (Burst(), integrate_and_fire(), -0.5, r"firing rates of Burst need finite values in \[0, 1\]"),
    ],
)
def test_values_that_a_code_cannot_carry_are_refused(encoder, neuron, value, message):
    graph = sequential((2,), dense("fc", "", 2, 2))
    with pytest.raises(ValueError, match=message):
        simulate(graph, np.array([[0, value]], np.float32), Simulation(neuron=neuron, encoder=encoder, duration=4 * ms))


def test_on_off_spikes_at_most_once_a_step():
    graph = sequential((2,), dense("fc", "", 2, 2))
    with pytest.raises(ValueError, match="an input spikes at most once a step"):
        run(graph, images_for(graph), encoder=OnOff(1001 * Hz))


def test_model_based_normalisation_bounds_signed_images():
    """The worst image in [-1, 1] is the sign of the weights: its activation is the sum of their magnitudes."""
    weight = np.array([[0.5, -2.0, 1.0], [3.0, 0.25, 0.0]], np.float32)
    graph = sequential((3,), Dense(name="fc", inputs=(), weight=weight))
    worst = np.sign(weight[:1])
    np.testing.assert_allclose(forward(normalize(graph, worst, "model"), worst)["fc"].max(), 1)
    np.testing.assert_allclose(normalize(graph, np.abs(worst), "model")["fc"].weight, weight / 3.25)


def test_without_negative_values_the_plan_is_as_ever():
    assert INPUT not in make_plan(POOLED).slopes
    assert INPUT in make_plan(networks()["dense"], signed_input=True).slopes

"""Bias calibration against the formula of Li 2021 on the loop in plain NumPy, which takes constant current as well."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.normalize.bias_calibration import calibrate_biases
from conversion.settings import Simulation
from models.encoders import ConstantCurrent
from models.graph import INPUT, LINEAR, RELU, Graph, sequential
from models.neurons import integrate_and_fire
from tests.conversion.forward import forward
from tests.conversion.networks import add, conv, dense, weights
from tests.conversion.zero_delay_loop import zero_delay_loop

STEPS = 10
SAME = {"padding": (1, 1, 1, 1)}
SETTINGS = {"neuron": integrate_and_fire(), "encoder": ConstantCurrent(1000 * Hz), "duration": STEPS * ms}


def images_for(graph, n=5):
    return np.random.default_rng(0).random((n, *graph.input_shape)).astype(np.float32)


def damped(graph, factor):
    """Weights that keep rates below one spike a step, whatever other tests have drawn."""
    rng = np.random.default_rng(7)
    layers = (
        replace(layer, weight=weights(*layer.weight.shape, rng=rng) * factor) if hasattr(layer, "weight") else layer
        for layer in graph
    )
    return Graph(graph.input_shape, tuple(layers))


def with_bias(graph, name, bias):
    layers = (replace(n, bias=bias.astype(np.float32)) if n.name == name else n for n in graph)
    return Graph(graph.input_shape, tuple(layers))


def rates(graph, images):
    return {name: c / STEPS for name, c in zero_delay_loop(graph, np.repeat(images[None], STEPS, axis=0)).items()}


def test_dense_layers_one_after_the_other_and_the_output_by_its_potential():
    bias = np.full(6, 0.03125, np.float32)
    graph = damped(sequential((5,), dense("a", "", 6, 5, bias=bias), dense("b", "", 3, 6, activation=LINEAR)), 0.25)
    images = images_for(graph)
    wanted = forward(graph, images)
    error = (rates(graph, images)["a"] - wanted["a"]).mean(axis=0)
    assert np.abs(error).max() > 0.01
    first = with_bias(graph, "a", bias - error)
    accumulated = rates(first, images)["a"] @ graph["b"].weight.T
    got = calibrate_biases(graph, images, Simulation(**SETTINGS))
    np.testing.assert_allclose(got["a"].bias, bias - error, atol=1e-5)
    np.testing.assert_allclose(got["b"].bias, -(accumulated - wanted["b"]).mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_maps_per_channel_and_a_junction_through_the_linear_layer_before_it(gain):
    layers = (
        conv("conv1", INPUT, 3, 2, 3, 3, **SAME),
        conv("conv2", "conv1", 3, 3, 3, 3, **SAME, activation=LINEAR),
        add("add", "conv1", "conv2", activation=RELU, gain=gain),
    )
    graph = damped(Graph((2, 4, 4), layers), 0.125)
    images = images_for(graph)
    wanted, got = forward(graph, images), calibrate_biases(graph, images, Simulation(**SETTINGS))
    error = (rates(graph, images)["conv1"] - wanted["conv1"]).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(got["conv1"].bias, -error, atol=1e-5)
    behind = rates(with_bias(graph, "conv1", -error), images)["add"]
    error = (behind - wanted["add"]).mean(axis=(0, 2, 3))
    assert np.abs(error).max() > 0.01
    np.testing.assert_allclose(got["conv2"].bias, -error / gain, atol=1e-5)


def test_a_bias_per_pixel_stays_one_and_a_pure_junction_of_spikes_has_none():
    layers = (
        conv("conv1", INPUT, 2, 1, 1, 1, bias=np.linspace(0, 0.2, 8, dtype=np.float32).reshape(2, 2, 2)),
        conv("conv2", INPUT, 2, 1, 1, 1),
        add("add", "conv1", "conv2"),
    )
    graph = damped(Graph((1, 2, 2), layers), 0.25)
    got = calibrate_biases(graph, images_for(graph), Simulation(**SETTINGS))
    shift = got["conv1"].bias - graph["conv1"].bias
    np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1, :1], (2, 2, 2)), atol=1e-6)
    assert got["conv2"].bias.shape == (2,)
    assert got["add"] is graph["add"]


def test_backgrounds_and_gains_of_layers_are_those_of_the_biases_and_weights_that_they_equal():
    """A background of a quarter of activation 1 is a bias of 1/4, and a gain of 1/2 halves weights and bias."""
    graph = damped(sequential((5,), dense("a", "", 6, 5), dense("b", "", 3, 6, activation=LINEAR)), 0.25)
    images, first = images_for(graph), graph["a"]
    other = Graph(graph.input_shape, (replace(first, weight=first.weight / 2), graph["b"]))
    other = with_bias(other, "a", np.full(6, 0.25))
    got = calibrate_biases(graph, images, Simulation(**SETTINGS, backgrounds={"a": 250.0}, gains={"a": 0.5, "b": 1.0}))
    carried = rates(other, images)["a"] - forward(graph, images)["a"]
    np.testing.assert_allclose(got["a"].bias, -carried.mean(axis=0), atol=1e-5)
    assert np.abs(carried).max() > 0.01

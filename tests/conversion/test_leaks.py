"""Networks without their leaks: ReLU of the same weighted sums, and all else as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conversion.reduce import drop_negative_slopes
from models.graph import LINEAR, RELU, Activation, Dense, Graph, sequential
from tests.conversion.forward import forward
from tests.conversion.networks import networks

SLOPES = {"leaky": 0.1, "PReLU": np.array([0.25, 1.0, 0.0, 0.5, 2.0])}


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("name", networks())
def test_a_network_with_leaks_added_and_dropped_is_the_one_before(name, slope):
    graph = networks()[name]
    images = np.random.default_rng(0).random((5, *graph.input_shape)).astype(np.float32)
    before, after = (forward(g, images) for g in (graph, drop_negative_slopes(with_leaks(graph, SLOPES[slope]))))
    for layer in graph:
        np.testing.assert_array_equal(after[layer.name], before[layer.name])


def with_leaks(graph, slope):
    """A slope, or the first of several for the channels of each layer, below zero of every ReLU."""

    def changed(layer):
        if layer.activation is not RELU:
            return layer
        slopes = slope if isinstance(slope, float) else np.resize(slope, graph.shapes[layer.name][0])
        return replace(layer, activation=Activation(slopes))

    return Graph(graph.input_shape, tuple(map(changed, graph)))


def test_linear_layers_and_ceilings_stay():
    activations = (LINEAR, Activation(0.1, ceiling=6.0), RELU)
    layers = (
        Dense(name=str(i), inputs=(), weight=np.eye(2, dtype=np.float32), activation=activation)
        for i, activation in enumerate(activations)
    )
    result = [layer.activation for layer in drop_negative_slopes(sequential((2,), *layers))]
    assert [(a.negative_slope, a.ceiling) for a in result] == [(1.0, np.inf), (0.0, 6.0), (0.0, np.inf)]

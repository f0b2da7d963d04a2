"""Reduced networks: folded pooling is the same function or refused; without leaks the same sums go into ReLU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conversion.plan.populations import ConversionError
from conversion.reduce import drop_negative_slopes, fold_average_pooling
from models.graph import LINEAR, RELU, Activation, AvgPool2d, Dense, Flatten, Graph, sequential
from tests.conversion.forward import forward
from tests.conversion.networks import conv, dense, networks, pool

SLOPES = {"leaky": 0.1, "PReLU": np.array([0.25, 1.0, 0.0, 0.5, 2.0])}


@pytest.mark.parametrize(
    ("pooling", "convolution"),
    [
        ({"kernel": (2, 2), "stride": (2, 2)}, {}),
        ({"kernel": (2, 3), "stride": (2, 3)}, {"padding": (1, 0, 2, 1)}),
        ({"kernel": (3, 2), "stride": (1, 2)}, {"stride": (2, 1)}),
        ({"kernel": (2, 2), "stride": (2, 2)}, {"dilation": (2, 1), "stride": (1, 2)}),
        ({"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1)}, {}),
    ],
)
def test_into_a_convolution(pooling, convolution):
    graph = sequential(
        (2, 12, 12),
        conv("c1", "", 3, 2, 1, 1),
        pool(AvgPool2d, "p", "", **pooling),
        conv("c2", "", 4, 3, 2, 2, **convolution),
    )
    folded = fold_average_pooling(graph)
    assert [layer.name for layer in folded] == ["c1", "c2"]
    same_function(graph, folded, "c2")


def test_into_a_dense_layer_behind_flattening():
    graph = sequential(
        (3, 6, 7),
        conv("c1", "", 2, 3, 2, 2),
        pool(AvgPool2d, "p", "", (2, 2), (2, 2), padding=(1, 1, 0, 0), count_padding=False),
        Flatten(name="flat", inputs=()),
        dense("fc", "", 5, 2 * 3 * 3),
    )
    same_function(graph, fold_average_pooling(graph), "fc")


@pytest.mark.parametrize(
    ("pooling", "why"),
    [
        ({"kernel": (3, 3), "stride": (2, 2)}, "padding of the convolution"),
        ({"kernel": (5, 5), "stride": (5, 5)}, "padding of the convolution"),
        ({"kernel": (2, 2), "stride": (2, 2), "padding": (1, 1, 1, 1), "count_padding": False}, "fewer pixels"),
    ],
)
def test_what_is_no_convolution_is_refused(pooling, why):
    graph = sequential(
        (2, 12, 12), pool(AvgPool2d, "p", "", **pooling), conv("c2", "", 4, 2, 2, 2, padding=(1, 1, 1, 1))
    )
    with pytest.raises(ConversionError, match=f"'p' cannot be folded into 'c2': .*{why}"):
        fold_average_pooling(graph)


def same_function(graph, folded, name):
    images = np.random.default_rng(0).random((4, *graph.input_shape)).astype(np.float32)
    np.testing.assert_allclose(forward(folded, images)[name], forward(graph, images)[name], rtol=1e-4, atol=1e-5)


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

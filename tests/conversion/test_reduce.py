"""Folding average pooling leaves the function unchanged, or is refused."""

from __future__ import annotations

import numpy as np
import pytest

from conversion.plan.populations import ConversionError
from conversion.reduce import fold_average_pooling
from models.graph import AvgPool2d, Flatten, sequential
from tests.conversion.forward import forward
from tests.conversion.networks import conv, dense, pool


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

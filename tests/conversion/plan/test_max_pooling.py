"""Max pooling over many steps: the spikes passed on so far are the largest count of each region, by onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conversion.plan.geometry import neuron_order
from conversion.plan.populations import make_plan
from models.graph import INPUT, Graph, MaxPool2d
from tests.conversion.plan.onnx_operator import FEW, geometry, onnx_apply, pool_fits

IMAGES, STEPS = 3, 6
SOURCE_START, TARGET_START = 5, 2


def check(layer, shape, seed, density, signed, kind=np.int8):
    """Spikes of random sign in several images: after every step, and with nothing beside the targets touched."""
    graph = Graph(shape, (layer,))
    connection = make_plan(graph).projections[0].connection
    source, target = neuron_order(shape), neuron_order(graph.shapes[layer.name])
    received = np.zeros(TARGET_START + IMAGES * len(target) + 1, np.float32)
    counts, best = np.zeros(IMAGES * len(source), kind), np.zeros(IMAGES * len(target), kind)
    wanted = np.zeros((IMAGES, len(source)), np.float32)
    rng = np.random.default_rng(seed)
    for _ in range(STEPS):
        spikes = rng.choice([-1, 0, 1] if signed else [0, 1], wanted.shape, p=density)
        wanted += spikes
        positive, negative = (np.flatnonzero(spikes == s).astype(np.int32) + SOURCE_START for s in (1, -1))
        ends = SOURCE_START, received, TARGET_START
        if signed:
            connection.deliver_signed(positive, negative, ends, counts, best)
        else:
            connection.deliver(positive, ends, counts, best)
        images = wanted[:, source].reshape(IMAGES, *shape)
        expected = onnx_apply(
            "MaxPool", images, kernel_shape=layer.kernel, strides=layer.stride, pads=layer.padding,
            ceil_mode=int(layer.ceil_mode),
        )  # fmt: skip
        passed_on = received[TARGET_START:-1].reshape(IMAGES, -1)
        np.testing.assert_array_equal(passed_on[:, target], expected.reshape(IMAGES, -1))
    assert not received[:TARGET_START].any()
    assert received[-1] == 0


def pooling(g, **fields):
    return MaxPool2d(
        name="pool", inputs=(INPUT,), kernel=g["kernel"], stride=g["stride"], padding=g["padding"], **fields
    )


@FEW
@given(geometry(), st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0.02, 0.3, 0.9]))
def test_the_largest_count_of_each_region_has_been_passed_on(g, seed, signed, rate):
    assume(pool_fits(g))
    density = [rate / 2, 1 - rate, rate / 2] if signed else [1 - rate, rate]
    check(pooling(g), g["shape"], seed, density, signed)


@pytest.mark.parametrize("size", [5, 6, 7])
def test_regions_that_hang_over_the_end(size):
    layer = MaxPool2d(name="pool", inputs=(INPUT,), kernel=(3, 3), stride=(2, 2), ceil_mode=True)
    check(layer, (2, size, size + 1), 0, [0.2, 0.6, 0.2], signed=True)


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_counts_of_every_width(kind):
    layer = MaxPool2d(name="pool", inputs=(INPUT,), kernel=(2, 2), stride=(2, 2))
    check(layer, (3, 6, 4), 0, [0.2, 0.6, 0.2], signed=True, kind=kind)

"""Geometry: what one spike delivers is what onnxruntime computes for the image with that one pixel set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conversion.plan import connections
from conversion.plan.connections import neuron_order
from conversion.plan.populations import make_plan
from models.graph import INPUT, AvgPool2d, Conv2d, Graph, MaxPool2d
from tests.conversion.plan.onnx_operator import FEW, geometry, onnx_apply, onnx_map, pool_fits


def delivered(connection, source_shape, target_shape):
    """What each source element's spike adds to each target element, in both connectivity forms, in ONNX's order."""
    source, target = neuron_order(source_shape), neuron_order(target_shape)
    shared = np.zeros((len(source), len(target)), np.float32)
    for neuron, row in enumerate(shared):
        connection.deliver(np.array([neuron], np.int32), (0, row, 0))
    unrolled = connection.unrolled().toarray()
    return shared[source][:, target], unrolled[source][:, target]


def check(layer, shape, expected):
    graph = Graph(shape, (layer,))
    connection = make_plan(graph).projections[0].connection
    for form in delivered(connection, shape, graph.shapes[layer.name]):
        np.testing.assert_allclose(form, expected.reshape(len(form), -1), atol=1e-6)
    return connection


@FEW
@given(geometry(), st.integers(0, 2**32 - 1))
def test_convolution_of_any_geometry(g, seed):
    channels, *size = g["shape"]
    reach = [d * (k - 1) + 1 for d, k in zip(g["dilation"], g["kernel"], strict=True)]
    assume(all(s + g["padding"][a] + g["padding"][a + 2] >= reach[a] for a, s in enumerate(size)))
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(4, channels // g["groups"], *g["kernel"])).astype(np.float32)
    fields = {"stride": g["stride"], "padding": g["padding"], "dilation": g["dilation"], "groups": g["groups"]}
    expected = onnx_map(
        "Conv", g["shape"], weight, strides=g["stride"], pads=g["padding"], dilations=g["dilation"], group=g["groups"]
    )
    layer = Conv2d(name="conv", inputs=(INPUT,), weight=weight, **fields)
    connection = check(layer, g["shape"], expected)
    ones = onnx_map(
        "Conv", g["shape"], np.ones_like(weight), strides=g["stride"], pads=g["padding"], dilations=g["dilation"],
        group=g["groups"],
    )  # fmt: skip
    synapses = ones.reshape(len(ones), -1).sum(axis=1)
    np.testing.assert_array_equal(connection.fan_out()[neuron_order(g["shape"])], synapses)


def check_batch(connection, spikes, expected):
    """Spikes (images, n_source) at once: the sums wanted, and exactly those of one spike after another."""
    neurons = (np.flatnonzero(spikes) + 7).astype(np.int32)
    at_once, one_by_one = np.zeros((2, 3 + expected.size + 1), np.float32)
    connection.deliver(neurons, (7, at_once, 3))
    for neuron in neurons:
        connection.deliver(np.array([neuron]), (7, one_by_one, 3))
    np.testing.assert_array_equal(at_once, one_by_one)
    np.testing.assert_allclose(at_once[3:-1].reshape(expected.shape), expected, atol=1e-4)
    assert not at_once[:3].any()
    assert at_once[-1] == 0


@FEW
@given(geometry(), st.integers(1, 5), st.sampled_from([0.05, 0.5, 1.0]), st.integers(0, 2**32 - 1))
def test_many_spikes_of_a_batch_through_a_convolution(g, channels_per_group, rate, seed):
    _, *size = g["shape"]
    reach = [d * (k - 1) + 1 for d, k in zip(g["dilation"], g["kernel"], strict=True)]
    assume(all(s + g["padding"][a] + g["padding"][a + 2] >= reach[a] for a, s in enumerate(size)))
    rng = np.random.default_rng(seed)
    shape = (channels_per_group * g["groups"], *size)
    weight = rng.normal(size=(6, channels_per_group, *g["kernel"])).astype(np.float32)
    fields = {"stride": g["stride"], "padding": g["padding"], "dilation": g["dilation"], "groups": g["groups"]}
    graph = Graph(shape, (Conv2d(name="conv", inputs=(INPUT,), weight=weight, **fields),))
    spikes = rng.random((3, np.prod(shape))) < rate
    images = spikes[:, neuron_order(shape)].reshape(3, *shape).astype(np.float32)
    expected = onnx_apply(
        "Conv", images, weight, strides=g["stride"], pads=g["padding"], dilations=g["dilation"], group=g["groups"]
    )
    in_order = np.argsort(neuron_order(expected.shape[1:]))
    check_batch(make_plan(graph).projections[0].connection, spikes, expected.reshape(3, -1)[:, in_order])


@pytest.mark.parametrize("rate", [0.05, 0.5, 1.0])
def test_many_spikes_of_a_batch_through_a_dense_layer(rate):
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(5, 23)).astype(np.float32)
    spikes = rng.random((4, 23)) < rate
    check_batch(connections.dense(weight, (23,)), spikes, spikes @ weight.T)


@FEW
@given(geometry(), st.booleans())
def test_average_pooling_of_any_geometry(g, count_padding):
    assume(pool_fits(g))
    fields = {"kernel": g["kernel"], "stride": g["stride"], "padding": g["padding"]}
    expected = onnx_map(
        "AveragePool", g["shape"], kernel_shape=g["kernel"], strides=g["stride"], pads=g["padding"],
        count_include_pad=int(count_padding),
    )  # fmt: skip
    layer = AvgPool2d(name="pool", inputs=(INPUT,), count_padding=count_padding, **fields)
    connection = check(layer, g["shape"], expected)
    spikes = np.random.default_rng(0).random((3, len(expected))) < 0.3
    source, target = neuron_order(g["shape"]), neuron_order(expected.shape[1:])
    sums = spikes[:, source] @ expected.reshape(len(expected), -1)
    check_batch(connection, spikes, sums[:, np.argsort(target)])
    reached = (expected.reshape(len(expected), -1) > 0).sum(axis=1)
    np.testing.assert_array_equal(connection.fan_out()[neuron_order(g["shape"])], reached)


@FEW
@given(geometry())
def test_the_first_spike_of_a_window_passes_max_pooling(g):
    assume(pool_fits(g))
    expected = onnx_map("MaxPool", g["shape"], kernel_shape=g["kernel"], strides=g["stride"], pads=g["padding"])
    layer = MaxPool2d(name="pool", inputs=(INPUT,), kernel=g["kernel"], stride=g["stride"], padding=g["padding"])
    graph = Graph(g["shape"], (layer,))
    connection = make_plan(graph).projections[0].connection
    source, target = neuron_order(g["shape"]), neuron_order(graph.shapes["pool"])
    for element in range(len(source)):
        received = np.zeros(len(target), np.float32)
        counts, best = np.zeros(len(source), np.int32), np.zeros(len(target), np.int32)
        connection.deliver(np.array([source[element]], np.int32), (0, received, 0), counts, best)
        np.testing.assert_array_equal(received[target], expected[element].ravel() > 0)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("size", [5, 6, 7])
def test_windows_that_hang_over_the_end(size, ceil_mode):
    fields = {"kernel": (3, 3), "stride": (2, 2), "ceil_mode": ceil_mode}
    attributes = {"kernel_shape": (3, 3), "strides": (2, 2), "ceil_mode": int(ceil_mode)}
    shape = (1, size, size + 1)
    check(
        AvgPool2d(name="pool", inputs=(INPUT,), count_padding=False, **fields),
        shape,
        onnx_map("AveragePool", shape, **attributes),
    )


def test_a_dense_layer_reads_a_flattened_map_in_onnx_order():
    shape = (3, 4, 2)
    weight = np.random.default_rng(0).normal(size=(5, 24)).astype(np.float32)
    shared, unrolled = delivered(connections.dense(weight, shape), shape, (5,))
    np.testing.assert_array_equal(shared, weight.T)
    np.testing.assert_array_equal(unrolled, weight.T)


def test_a_spike_of_the_second_image_reaches_only_the_second_image():
    shape = (2, 4, 4)
    layer = Conv2d(name="conv", inputs=(INPUT,), weight=np.ones((3, 2, 3, 3), np.float32))
    connection = make_plan(Graph(shape, (layer,))).projections[0].connection
    received = np.zeros(5 + 2 * 12, np.float32)
    connection.deliver(np.array([7 + 32 + 10], np.int32), (7, received, 5))
    assert received[: 5 + 12].sum() == 0
    assert received[5 + 12 :].sum() == connection.fan_out()[10]


@pytest.mark.parametrize("kind", [AvgPool2d, MaxPool2d])
def test_regions_of_padding_alone_receive_nothing(kind):
    """A map of one pixel under a kernel of one, with padding around it: nine regions, one of which holds it."""
    fields = {"count_padding": False} if kind is AvgPool2d else {}
    layer = kind(name="pool", inputs=(INPUT,), kernel=(1, 1), stride=(1, 1), padding=(1, 1, 1, 1), **fields)
    connection = make_plan(Graph((2, 1, 1), (layer,))).projections[0].connection
    state = (np.zeros(2, np.int8), np.zeros(18, np.int8)) if kind is MaxPool2d else ()
    received = np.zeros(18, np.float32)
    connection.deliver(np.array([0, 1], np.int32), (0, received, 0), *state)
    np.testing.assert_array_equal(received.reshape(9, 2).T, np.tile(np.arange(9) == 4, (2, 1)))
    np.testing.assert_array_equal(connection.fan_out(), [1, 1])

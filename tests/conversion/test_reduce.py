"""Reduced networks: folded pooling is the same function or refused; without leaks the same sums go into ReLU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper

from conversion.plan.connections import neuron_order
from conversion.plan.populations import ConversionError, make_plan
from conversion.reduce import drop_negative_slopes, fold_average_pooling
from models.graph import LINEAR, RELU, Activation, AvgPool2d, Dense, Flatten, Graph, sequential
from models.onnx_io import load, predict
from tests.conversion.forward import forward
from tests.conversion.networks import conv, dense, networks, pool
from tests.models.onnx_files import network, written

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


pair = st.tuples(st.integers(1, 4), st.integers(1, 4))


@given(
    kernel=pair,
    stride=pair,
    padding=st.tuples(*4 * [st.integers(0, 3)]),
    opset=st.sampled_from([11, 17, 19, 22]),
    counted=st.booleans(),
    ceil=st.booleans(),
    reader=st.sampled_from(["Gemm", "Conv", "Conv with padding"]),
)
@settings(max_examples=150, deadline=None)
def test_pooling_over_the_border_divides_as_onnxruntime_does(
    tmp_path_factory, kernel, stride, padding, opset, counted, ceil, reader
):
    """The original file, the network that is read from it, its spiking pooling layer, and what folding makes of it."""
    assume(all(padding[side] < kernel[side % 2] for side in range(4)))
    images = np.random.default_rng(0).random((3, 2, 5, 6)).astype(np.float32)
    attributes = {"kernel_shape": kernel, "strides": stride, "pads": padding, "ceil_mode": int(ceil)}
    nodes = [helper.make_node("AveragePool", ["x"], ["y"], **attributes, count_include_pad=int(counted))]
    model = network(nodes, {}, (None, 2, 5, 6), opset, axes=4)
    wanted = run(model, images)
    graph = load(written(tmp_path_factory.mktemp("pool") / "x.onnx", model))
    np.testing.assert_allclose(predict(graph, images), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(spiking(graph, images), wanted, rtol=1e-5, atol=1e-6)
    shape = wanted.shape[1:]
    readers = {
        "Gemm": [Flatten(name="flat", inputs=()), dense("fc", "", 3, wanted[0].size)],
        "Conv": [conv("c", "", 3, 2, min(2, shape[1]), 1)],
        "Conv with padding": [conv("c", "", 3, 2, 2, 2, padding=(1, 1, 1, 1))],
    }
    try:
        folded = fold_average_pooling(sequential(graph.input_shape, *graph, *readers[reader]))
    except ConversionError:
        assert reader != "Gemm"  # a matrix holds every average
        return
    assert not any(isinstance(layer, AvgPool2d) for layer in folded)
    after_pooling = sequential(shape, *readers[reader])
    np.testing.assert_allclose(predict(folded, images), predict(after_pooling, wanted), rtol=1e-4, atol=1e-5)


def test_a_region_over_the_border_is_refused_before_a_convolution():
    graph = sequential((1, 7, 7), pool(AvgPool2d, "p", "", (2, 2), (2, 2), ceil_mode=True), conv("c", "", 2, 1, 2, 2))
    with pytest.raises(ConversionError, match=r"'p' cannot be folded into 'c': .*fewer pixels; let the pooling layer"):
        fold_average_pooling(graph)
    even = sequential((1, 8, 8), *graph)
    same_function(even, fold_average_pooling(even), "c")


def run(model, images):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": images})[0]


def spiking(graph, images):
    """What the synapses of a pooling population deliver for input spikes of the size of the pixels."""
    weight = make_plan(graph).projections[0].connection.unrolled()
    source, target = neuron_order(graph.input_shape), neuron_order(graph.shapes[graph.output.name])
    by_neuron = np.empty((len(images), len(source)))
    by_neuron[:, source] = images.reshape(len(images), -1)
    return (by_neuron @ weight.toarray())[:, target].reshape(-1, *graph.shapes[graph.output.name])


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

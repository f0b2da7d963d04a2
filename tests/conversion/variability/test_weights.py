"""Noisy weights and weights of few bits, against their definitions and the rounding of onnxruntime."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from scipy import stats

from conversion.variability import weight_bits, weight_noise
from models.graph import INPUT, AvgPool2d, Dense, Graph, sequential
from tests.conversion.networks import conv, networks, pool, weights
from tests.conversion.variability.replay import generator

GRAPH = Graph(
    (2, 6, 6),
    (
        conv("conv1", INPUT, 4, 2, 3, 3, bias=weights(4)),
        pool(AvgPool2d, "pool1", "conv1", (2, 2), (2, 2)),
        conv("conv2", "pool1", 3, 4, 2, 2),
    ),
)


def dequantised(weight, bits=8):
    """What onnxruntime makes of QuantizeLinear and DequantizeLinear with a scale per output channel."""
    scale = np.abs(weight).max(axis=tuple(range(1, weight.ndim))) / (2 ** (bits - 1) - 1)
    shape = [list(weight.shape), [len(scale)]]
    nodes = [
        helper.make_node("QuantizeLinear", ["w", "s", "zero"], ["q"], axis=0),
        helper.make_node("DequantizeLinear", ["q", "s", "zero"], ["y"], axis=0),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in zip("ws", shape, strict=True)
    ]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape[0])]
    zero = helper.make_tensor("zero", TensorProto.INT8, scale.shape, [0] * len(scale))
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends, out, [zero]), opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"w": weight, "s": scale.astype(np.float32)})[0]


@pytest.mark.parametrize("shape", [(5, 7), (6, 3, 3, 2)])
@pytest.mark.parametrize("bits", [4, 8])
def test_bits_are_those_of_dequantize_linear(shape, bits):
    weight = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    if len(shape) == 2:
        graph = sequential((7,), Dense(name="fc", inputs=("",), weight=weight))
    else:
        graph = sequential((3, 5, 5), replace(conv("fc", "", *shape), weight=weight))
    found = weight_bits(graph, bits)["fc"].weight
    np.testing.assert_allclose(found, dequantised(weight, bits), rtol=1e-6)
    assert all(len(np.unique(channel)) <= 2**bits - 1 for channel in found)


def test_two_bits_are_three_values_by_hand():
    weight = np.array([[1.0, 0.4, -0.6, -2.0], [0.3, -0.1, 0.16, 0.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
    found = weight_bits(sequential((4,), Dense(name="fc", inputs=("",), weight=weight)), 2)["fc"].weight
    np.testing.assert_allclose(found, [[0.0, 0.0, 0.0, -2.0], [0.3, 0.0, 0.3, 0.0], [0, 0, 0, 0]], rtol=1e-6)


def test_rounding_twice_is_rounding_once():
    once = weight_bits(GRAPH, 5)
    np.testing.assert_allclose(weight_bits(once, 5)["conv2"].weight, once["conv2"].weight, rtol=1e-6)


def test_noise_is_relative_normal_and_of_each_weight_its_own():
    weight = np.full((200, 300), 0.25, np.float32)
    graph = sequential((300,), Dense(name="fc", inputs=("",), weight=weight))
    noise = weight_noise(graph, 0.3, 0)["fc"].weight / 0.25 - 1.0
    assert stats.kstest(noise.ravel(), "norm", (0, 0.3)).pvalue > 1e-3
    other = weight_noise(graph, 0.3, 1)["fc"].weight / 0.25 - 1.0
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(noise.size)


def test_noise_is_drawn_by_the_name_of_the_layer():
    noisy = weight_noise(GRAPH, 0.1, 7)
    for name in ("conv1", "conv2"):
        weight = GRAPH[name].weight
        normal = generator(7, name, "weight_noise").standard_normal(weight.shape)
        np.testing.assert_allclose(noisy[name].weight, weight * (1 + 0.1 * normal), rtol=1e-6)


@pytest.mark.parametrize("damaged", [lambda g: weight_noise(g, 0.0, 3), lambda g: weight_bits(g, 32)])
def test_neutral_values_leave_all_bits(damaged):
    for graph in networks().values():
        for layer, other in zip(graph, damaged(graph), strict=True):
            for name in ("weight", "bias"):
                one, two = getattr(layer, name, None), getattr(other, name, None)
                assert (one is None and two is None) or (np.array_equal(one, two) and one.dtype == two.dtype)


@pytest.mark.parametrize("damaged", [lambda g: weight_noise(g, 0.5, 3), lambda g: weight_bits(g, 2)])
def test_biases_stay_and_weights_change(damaged):
    other = damaged(GRAPH)
    np.testing.assert_array_equal(other["conv1"].bias, GRAPH["conv1"].bias)
    assert not np.array_equal(other["conv1"].weight, GRAPH["conv1"].weight)
    assert other["conv1"].weight.dtype == np.float32


@pytest.mark.parametrize("bits", [1, 0, -3, 17, 4.5])
def test_no_such_bits(bits):
    with pytest.raises(ValueError, match=f"weight_bits is {bits}; known are 2 to 16, and 32"):
        weight_bits(GRAPH, bits)


@pytest.mark.parametrize("sd", [-0.1, np.inf, np.nan])
def test_no_such_noise(sd):
    with pytest.raises(ValueError, match=f"weight_noise is {sd}"):
        weight_noise(GRAPH, sd, 0)

"""Operators in the forms that exporters write, one small network each, against onnxruntime on the same network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from conversion.plan import make_plan
from models.graph import AvgPool2d, Conv2d, MaxPool2d
from tests.models.onnx_files import MAPS, floats, network, node, refused, same

CONV = {"w": floats(4, 2, 3, 3), "b": floats(4)}
CONV_A = helper.make_node("Conv", ["x", "w", "b"], ["a"], name="conv")
NORM = {"gamma": 1 + 0.1 * floats(2), "beta": floats(2), "mean": floats(2), "var": 1 + np.abs(floats(2))}
KEEP = {"k": np.array([[[2.0]], [[0.5]]], np.float32), "v": floats(3, 2, 2, 2)}


@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    mode=st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]),
    operator=st.sampled_from(["Conv", "AveragePool", "MaxPool"]),
)
@settings(max_examples=60, deadline=None)
def test_automatic_padding(
    tmp_path_factory: pytest.TempPathFactory, kernel: tuple, stride: tuple, mode: str, operator: str
) -> None:
    # onnxruntime refuses to pool with gaps between the windows: its own rule makes the padding negative.
    assume(operator == "Conv" or mode == "VALID" or all(k >= s for k, s in zip(kernel, stride, strict=True)))
    weights = {"w": floats(2, 2, *kernel)} if operator == "Conv" else {}
    inputs = "x w" if operator == "Conv" else "x"
    operation = node(operator, inputs, auto_pad=mode, strides=stride, kernel_shape=kernel)
    same(tmp_path_factory.mktemp("auto"), network([operation], weights, MAPS, axes=4))


@pytest.mark.parametrize("opset", [9, 17])
def test_clip_with_its_bounds_as_attributes_or_as_inputs(tmp_path: Path, opset: int) -> None:
    bounds = {} if opset == 9 else {"low": np.float32(0), "high": np.float32(1.5)}
    clip = node("Clip", "a", min=0.0, max=1.5) if opset == 9 else node("Clip", "a low high")
    graph = same(tmp_path, network([CONV_A, clip], {**CONV, **bounds}, MAPS, opset, axes=4))
    assert graph["conv"].activation.ceiling == 1.5
    assert len(graph.layers) == 1


@pytest.mark.parametrize(
    ("first", "second", "layers"),
    [
        ("Relu", "Clip", 1), ("Clip", "Relu", 1), ("LeakyRelu", "Clip", 2), ("LeakyRelu", "Relu", 2),
        ("Relu", "LeakyRelu", 1), ("Relu", "Relu", 1),
    ],
)  # fmt: skip
def test_two_activations_become_one_where_one_can_do_it(tmp_path: Path, first: str, second: str, layers: int) -> None:
    bounds = {"low": np.float32(0), "high": np.float32(1.0)}
    nodes = [
        node(name, f"{a} low high" if name == "Clip" else a, b)
        for name, a, b in ((first, "a", "h"), (second, "h", "y"))
    ]
    graph = same(tmp_path, network([CONV_A, *nodes], {**CONV, **bounds}, MAPS, axes=4))
    assert len(graph.layers) == layers


def test_a_prelu_with_one_slope_per_channel_and_one_for_all(tmp_path: Path) -> None:
    for slope in (np.abs(floats(4, 1, 1)), np.abs(floats(1))):
        model = network([CONV_A, node("PRelu", "a slope")], {**CONV, "slope": slope}, MAPS, axes=4)
        assert len(same(tmp_path, model).layers) == 1


@pytest.mark.parametrize(
    ("nodes", "kinds"),
    [
        ([node("Relu", "x")], ["Conv2d"]),
        ([node("AveragePool", "x", "a", kernel_shape=[2, 2]), node("Relu", "a")], ["AvgPool2d", "Conv2d"]),
        (
            [node("Relu", "x", "a"), node("AveragePool", "a", "b", kernel_shape=[2, 2]), node("Relu", "b")],
            ["Conv2d", "AvgPool2d"],
        ),
        ([node("Add", "x x", "a"), node("Relu", "a")], ["Add"]),
        (
            [
                node("Relu", "x", "a"),
                node("Add", "a a", "b"),
                node("MaxPool", "b", "c", kernel_shape=[2, 2]),
                node("Relu", "c"),
            ],
            ["Conv2d", "Add", "MaxPool2d"],
        ),
        ([node("Concat", "x x", "a", axis=1), node("Relu", "a")], ["Concat", "Conv2d"]),
        ([node("Sum", "x x x", "a"), node("Relu", "a")], ["Add"]),
    ],
)  # fmt: skip
def test_relu_joins_the_layer_before_it_or_becomes_one(tmp_path: Path, nodes: list, kinds: list[str]) -> None:
    graph = same(tmp_path, network(nodes, {}, MAPS, axes=4))
    assert [type(layer).__name__ for layer in graph] == kinds


def test_relu_moves_before_max_pooling_and_flattening(tmp_path: Path) -> None:
    nodes = [CONV_A, node("MaxPool", "a", "p", kernel_shape=[2, 2]), node("Flatten", "p", "f"), node("Relu", "f")]
    graph = same(tmp_path, network(nodes, CONV, MAPS))
    assert [type(layer).__name__ for layer in graph] == ["Conv2d", "MaxPool2d", "Flatten"]
    assert not graph["conv"].activation.is_signed


def test_a_convolution_that_others_read_keeps_its_sign(tmp_path: Path) -> None:
    nodes = [CONV_A, node("Identity", "a", "i"), node("Relu", "i", "r"), node("Add", "i r")]
    graph = same(tmp_path, network(nodes, CONV, MAPS, axes=4))
    assert graph["conv"].activation.is_linear
    assert [type(layer).__name__ for layer in graph] == ["Conv2d", "Conv2d", "Add"]


def test_a_batch_norm_between_branches_leaves_the_other_branch_alone(tmp_path: Path) -> None:
    names = {"w": floats(2, 2, 1, 1), **NORM}
    nodes = [node("Conv", "x w", "a"), node("BatchNormalization", "a gamma beta mean var", "b"), node("Add", "a b")]
    assert len(same(tmp_path, network(nodes, names, MAPS, axes=4)).layers) == 3


@pytest.mark.parametrize(
    "nodes",
    [
        [
            node("BatchNormalization", "x gamma beta mean var", "a", epsilon=0.01),
            node("Conv", "a w", pads=[1, 0, 2, 1]),
        ],
        [node("BatchNormalization", "x gamma beta mean var", "a"), node("Relu", "a")],
        [node("BatchNormalization", "x gamma beta mean var", "a"), node("MaxPool", "a", kernel_shape=[2, 2])],
        [node("BatchNormalization", "x gamma beta mean var", "a"), node("BatchNormalization", "a beta gamma mean var")],
        [node("Conv", "x g", "a", group=2, pads=[1, 1, 1, 1]), node("BatchNormalization", "a gamma beta mean var")],
        [node("BatchNormalization", "x gamma beta mean var", "a"), node("Conv", "a g", group=2, pads=[1, 1, 1, 1])],
        [node("Add", "x x", "a"), node("BatchNormalization", "a gamma beta mean var", "b"), node("Relu", "b")],
    ],
)  # fmt: skip
def test_batch_norm_anywhere(tmp_path: Path, nodes: list) -> None:
    same(tmp_path, network(nodes, {**NORM, "w": floats(3, 2, 2, 2), "g": floats(2, 1, 3, 3)}, MAPS, axes=4))


POOLS: dict[str, dict[str, Any]] = {
    "MaxPool": {"pads": [1, 0, 1, 1]}, "AveragePool": {"pads": [1, 0, 1, 1], "count_include_pad": 1},
    "AveragePool of what is there": {"pads": [1, 0, 1, 1]}, "AveragePool over the end": {"ceil_mode": 1},
    "GlobalAveragePool": {}, "GlobalMaxPool": {},
}  # fmt: skip


@pytest.mark.parametrize("pool", POOLS)
def test_batch_norm_behind_a_relu_goes_past_pooling(tmp_path: Path, pool: str) -> None:
    """As in many networks of Keras: into the next weights, without a layer of its own that could be negative."""
    window = {} if pool.startswith("Global") else {"kernel_shape": [3, 2], "strides": [2, 2]}
    nodes = [
        node("Conv", "x w b", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "r"),
        node("BatchNormalization", "r gamma beta mean var", "n"),
        node(pool.split()[0], "n", "p", **window, **POOLS[pool]), node("Conv", "p k", "c", pads=[1, 1, 1, 1]),
    ]  # fmt: skip
    weights = {"w": floats(2, 2, 3, 3), "b": floats(2), "k": floats(3, 2, 3, 3), **NORM}
    graph = same(tmp_path, network([*nodes, node("Relu", "c")], weights, MAPS, axes=4))
    assert [type(layer) for layer in graph][::2] == [Conv2d, Conv2d]
    make_plan(graph)


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("kernel", [2, 3])
def test_regions_over_the_end_whose_shape_onnxruntime_infers_wrongly(
    tmp_path: Path, operator: str, counted: int, kernel: int
) -> None:
    """A region that would begin in the padding behind the map is none; the next layer has a bias map of that size."""
    settings = {"count_include_pad": counted} if operator == "AveragePool" else {}
    nodes = [
        node("Relu", "x", "r"), node("BatchNormalization", "r gamma beta mean var", "n"),
        node(operator, "n", "p", kernel_shape=[kernel] * 2, strides=[2, 2], pads=[1] * 4, ceil_mode=1, **settings),
        node("Conv", "p k", pads=[1] * 4),
    ]  # fmt: skip
    model = network(nodes, {**NORM, "k": floats(3, 2, 3, 3)}, ("batch", 2, 9, 6), axes=4)
    layer = same(tmp_path, model).layers[-2]
    assert isinstance(layer, AvgPool2d | MaxPool2d)


@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
def test_a_negative_scale_goes_past_a_mean_but_not_past_a_maximum(tmp_path: Path, pool: str) -> None:
    nodes = [
        node("Conv", "x w", "a"), node("Relu", "a", "r"), node("BatchNormalization", "r gamma beta mean var", "n"),
        node(pool, "n", "p", kernel_shape=[2, 2]), node("Conv", "p w"),
    ]  # fmt: skip
    weights = {"w": floats(2, 2, 2, 2), **NORM, "gamma": np.array([1, -1], np.float32)}
    graph = same(tmp_path, network(nodes, weights, MAPS, axes=4))
    assert len(graph.layers) == (4 if pool == "MaxPool" else 3)


@pytest.mark.parametrize("shape", [(), (1,), (2, 1, 1), (1, 2, 1, 1), (1, 1, 1, 1), (6, 5), (1, 2, 6, 5)])
@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("constant_first", [False, True])
def test_constants_before_a_padded_convolution(
    tmp_path: Path, operator: str, shape: tuple, constant_first: bool
) -> None:
    operation = node(operator, "c x" if constant_first else "x c", "a")
    weights = {"c": 0.5 + np.abs(floats(*shape)), "w": floats(3, 2, 3, 2), "b": floats(3)}
    model = network([operation, node("Conv", "a w b", pads=[1, 1, 0, 2], strides=[2, 1])], weights, MAPS, axes=4)
    if operator == "Div" and constant_first:
        refused(tmp_path, model, "divides a constant by a signal")
    elif operator in ("Mul", "Div") and shape[-1:] == (5,):
        refused(tmp_path, model, r"node 'y' \(Conv\): .*factor")
    else:
        assert len(same(tmp_path, model).layers) == 1


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(), (4, 1, 1), (4, 4, 3)])
def test_constants_after_a_convolution(tmp_path: Path, operator: str, shape: tuple) -> None:
    weights = {**CONV, "c": 0.5 + np.abs(floats(*shape))}
    model = network([CONV_A, node(operator, "a c", "h"), node("Relu", "h")], weights, MAPS, axes=4)
    if operator in ("Mul", "Div") and len(shape) == 3 and shape[1] > 1:
        refused(tmp_path, model, "factor")
    else:
        assert len(same(tmp_path, model).layers) == 1


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
def test_constants_around_a_fully_connected_layer(tmp_path: Path, operator: str) -> None:
    weights = {"c": 0.5 + np.abs(floats(4)), "w": floats(4, 3), "d": 0.5 + np.abs(floats(1, 3))}
    nodes = [node(operator, "x c", "a"), node("MatMul", "a w", "h"), node(operator, "h d")]
    assert len(same(tmp_path, network(nodes, weights)).layers) == 1


def test_an_image_that_is_scaled_pixel_by_pixel_before_a_fully_connected_layer(tmp_path: Path) -> None:
    nodes = [node("Mul", "x c", "a"), node("Sub", "a c", "b"), node("Flatten", "b", "f"), node("Gemm", "f w v")]
    weights = {"c": floats(2, 6, 5), "w": floats(60, 3), "v": floats(3)}
    graph = same(tmp_path, network(nodes, weights, MAPS))
    assert [type(layer).__name__ for layer in graph] == ["Flatten", "Dense"]


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_with_all_its_factors(tmp_path: Path, transposed: int) -> None:
    weights = {"w": floats(3, 4) if transposed else floats(4, 3), "b": floats(1)}
    same(tmp_path, network([node("Gemm", "x w b", alpha=0.5, beta=2.0, transB=transposed)], weights))


@pytest.mark.parametrize(
    ("operator", "nodes"),
    [
        ("Conv", [node("Conv", "p v")]),
        ("AveragePool", [node("AveragePool", "p", kernel_shape=[3, 2])]),
        ("AveragePool", [node("AveragePool", "p", kernel_shape=[3, 3], pads=[1, 0, 0, 0], count_include_pad=1)]),
        ("AveragePool", [node("AveragePool", "p", kernel_shape=[3, 3], pads=[1, 0, 0, 0])]),
        ("MaxPool", [node("MaxPool", "p", kernel_shape=[3, 2], strides=[2, 2])]),
        ("MaxPool", [node("MaxPool", "p", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)]),
        ("Relu", [node("Relu", "p")]),
        ("Mul", [node("Mul", "p k", "q"), node("Add", "q k")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("amounts", [[0, 0, 1, 0, 0, 0, 0, 1], [0, 0, 3, 0, 0, 0, 2, 0]])
def test_zero_padding_in_front_of(tmp_path: Path, operator: str, nodes: list, positive: bool, amounts: list) -> None:
    start = node("Relu", "x", "r") if positive else node("Identity", "x", "r")
    weights = {**KEEP, "pads": np.array(amounts, np.int64)}
    same(tmp_path, network([start, node("Pad", "r pads", "p"), *nodes], weights, MAPS, axes=4))


def test_padding_by_nothing_between_a_flattening_and_a_concatenation(tmp_path: Path) -> None:
    nodes = [
        node("Relu", "x", "r"),
        node("Flatten", "r", "f"),
        node("Pad", "f pads", "p"),
        node("Concat", "p p", axis=1),
    ]
    same(tmp_path, network(nodes, {"pads": np.zeros(4, np.int64)}, MAPS))


def test_zero_padding_joins_the_pooling_where_it_cannot_win(tmp_path: Path) -> None:
    weights = {"pads": np.array([0, 0, 1, 0, 0, 0, 0, 1], np.int64)}
    for operator in ("MaxPool", "AveragePool"):
        nodes = [node("Relu", "x", "r"), node("Pad", "r pads", "p"), node(operator, "p", kernel_shape=[2, 2])]
        last = same(tmp_path, network(nodes, weights, MAPS, axes=4)).output
        assert isinstance(last, MaxPool2d | AvgPool2d)
        assert last.padding == (1, 0, 0, 1)


@pytest.mark.parametrize("opset", [11, 18])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2]])
@pytest.mark.parametrize("keep", [0, 1])
def test_the_mean_over_a_map(tmp_path: Path, opset: int, axes: list[int], keep: int) -> None:
    if opset == 11:
        mean, weights = node("ReduceMean", "x", axes=axes, keepdims=keep), {}
    else:
        mean, weights = node("ReduceMean", "x axes", keepdims=keep), {"axes": np.array(axes, np.int64)}
    same(tmp_path, network([mean], weights, MAPS, opset, axes=4 if keep else 2))


def test_layers_that_lead_nowhere_fall_away(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a"), node("MatMul", "x w", "b"), node("Relu", "b", "c"), node("Relu", "a")]
    assert len(same(tmp_path, network(nodes, {"w": floats(4, 3)})).layers) == 1


def test_double_precision_weights(tmp_path: Path) -> None:
    weights = {"w": np.arange(12.0).reshape(4, 3), "b": np.ones(3)}
    nodes = [
        node("Cast", "w", "v", to=TensorProto.FLOAT),
        node("Cast", "b", "c", to=TensorProto.FLOAT),
        node("Gemm", "x v c"),
    ]
    assert same(tmp_path, network(nodes, weights)).output.weight.dtype == np.float32


def test_a_convolution_without_a_bias_has_none(tmp_path: Path) -> None:
    weights = {"w": CONV["w"], "b": np.zeros(4, np.float32)}
    layer = same(tmp_path, network([node("Conv", "x w b")], weights, MAPS, axes=4)).output
    assert isinstance(layer, Conv2d)
    assert layer.bias is None


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Conv", "x x")], "the weight depends on the images; it must be a constant"),
        ([node("Conv", "x line")], r"the weight has shape \(4, 2, 3\); only 2-d convolutions are possible"),
        ([node("Gemm", "x square")], r"reads values of shape \(2, 6, 5\); flatten them first"),
        ([node("Flatten", "x", "f"), node("Gemm", "f square", transA=1)], "transA=1 is not supported"),
        ([node("Flatten", "x", "f"), node("Conv", "f w")], r"reads a vector \(60,\); it needs maps"),
        ([node("Mul", "x x")], "combines two signals, which spikes can only add"),
        ([node("Sub", "x x")], "combines two signals, which spikes can only add"),
        ([node("Div", "x zero")], "divides by 0"),
        ([node("Mul", "x wide")], r"shape \(2, 6, 7\) does not spread over a signal of shape \(2, 6, 5\)"),
        ([node("Clip", "x one")], "the lower bound is 1.0; only 0"),
        ([node("Clip", "x zero zero")], "the upper bound is 0.0; it must be positive"),
        ([node("PRelu", "x pixels")], "differs between pixels|one value per channel"),
        ([node("Concat", "x x", axis=2)], r"output 'y': the values of 'concat_1' come in another order"),
        ([node("Concat", "x x", axis=0)], "puts images behind each other"),
        ([node("Concat", "x wide", axis=1)], "input 2 is a constant; it must depend on the images, or hold nothing"),
        ([node("Flatten", "x", axis=2)], "axis 2 is not supported"),
        ([node("Reshape", "x batch")], r"makes shape \[2, 6, 5\] of \[1, 2, 6, 5\]; only the shape of each image"),
        ([node("Reshape", "x shape", "r"), node("Conv", "r w")], r"weight .* reads 2 channels"),
        ([node("Transpose", "x", perm=[1, 0, 2, 3])], r"reorders the axes to \[1, 0, 2, 3\]; only those behind the"),
        ([node("Transpose", "x", perm=[0, 1, 3, 2])], r"output 'y': the values of 'input' come in another order"),
        ([node("Unsqueeze", "x zeros")], "puts an axis in front of the batch"),
        ([node("Gather", "x zeros", axis=0)], "takes some images out of the batch"),
        ([node("Squeeze", "x")], "names no axes"),
        ([node("ReduceMean", "x", axes=[1])], r"goes over axes \[1\] of 4; only all pixels of each channel"),
        ([node("Pad", "x rows one")], "only padding with zeros is possible"),
        ([node("Pad", "x rows", mode="reflect")], "only padding with zeros is possible"),
        ([node("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2])], "dilated pooling is not supported"),
        ([node("MaxPool", "x", kernel_shape=[2, 2], ceil_mode=3)], "ceil_mode is 3; 0 and 1 are possible"),
        ([node("MaxPool", "x", kernel_shape=[2])], r"kernel_shape is \[2\]; two positive numbers"),
        ([node("MaxPool", "x", kernel_shape=[9, 9])], "a kernel of 9 is larger than the padded map of 6"),
        ([node("Cast", "x", to=TensorProto.INT64)], "casts a signal to INT64; only"),
        ([node("Dropout", "one")], "output 'y' does not depend on the input"),
        ([node("Relu", "x", "a"), node("CumSum", "a one")], r"\(CumSum\): this operator cannot become spikes"),
        ([node("Conv", "x w zeros")], r"the bias has shape \(1,\), but the weight \(4, 2, 3, 3\) makes 4 channels"),
        ([node("BatchNormalization", "x two two two below")], "has a variance of -1; with epsilon it must be above 0"),
        ([node("BatchNormalization", "x two two one two")], r"has statistics of shape \(2,\) for 2 channels|shape"),
        ([node("LSTM", "x w w")], "only feed-forward networks are possible"),
        ([node("Reshape", "one shape")], "cannot be evaluated"),
    ],
)  # fmt: skip
def test_what_is_refused_names_the_node_and_the_reason(tmp_path: Path, nodes: list, words: str) -> None:
    weights = {
        "w": CONV["w"], "line": floats(4, 2, 3), "square": floats(60, 3), "wide": floats(2, 6, 7), "one": np.float32(1),
        "zero": np.float32(0), "pixels": np.abs(floats(2, 6, 5)), "shape": np.array([0, 6, 2, 5], np.int64),
        "rows": np.array([0, 0, 1, 0, 0, 0, 0, 0], np.int64),
        "two": np.ones(2, np.float32), "below": np.array([1, -1], np.float32), "batch": np.array([2, 6, 5], np.int64),
        "zeros": np.array([0], np.int64),
    }  # fmt: skip
    refused(tmp_path, network(nodes, weights, MAPS, axes=4), words)


def test_a_large_vector_gets_no_layer_of_its_own(tmp_path: Path) -> None:
    refused(tmp_path, network([node("Relu", "x")], {}, ("batch", 5000)), "a layer of its own for 5000 features")

"""Shapes against ONNX's own shape inference and against counting windows; what a graph that is not one says."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.graph import (
    INPUT,
    LINEAR,
    RELU,
    Activation,
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    GraphError,
    Layer,
    MaxPool2d,
    sequential,
)
from models.graph.layers import kernel_positions
from models.onnx_io.writing import to_onnx


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def conv(name: str, source: str, *shape: int, **fields) -> Conv2d:
    return Conv2d(name=name, inputs=(source,), weight=ones(*shape), **fields)


def dense(name: str, source: str, *shape: int, **fields) -> Dense:
    return Dense(name=name, inputs=(source,), weight=ones(*shape), **fields)


def two_paths() -> Graph:
    """Every kind of layer, with oblong kernels, strides, borders, dilation and groups."""
    return Graph(
        (4, 17, 13),
        (
            conv("conv1", INPUT, 6, 2, 3, 2, stride=(2, 1), padding=(1, 0, 2, 1), groups=2),
            conv("conv2", "conv1", 6, 6, 3, 3, padding=(2, 1, 2, 1), dilation=(2, 1)),
            Add(name="add", inputs=("conv2", "conv1"), activation=RELU),
            MaxPool2d(name="max", inputs=("add",), kernel=(3, 2), stride=(2, 2), padding=(1, 0, 1, 0)),
            AvgPool2d(name="mean", inputs=("add",), kernel=(3, 2), stride=(2, 2), padding=(1, 0, 1, 0)),
            Concat(name="concat", inputs=("max", "mean", "max")),
            Flatten(name="flat", inputs=("concat",)),
            dense("fc", "flat", 3, 18 * 5 * 6, activation=LINEAR),
        ),
    )


def inferred_shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """What ONNX's shape inference says that every tensor has, without the batch."""
    values = onnx.shape_inference.infer_shapes(to_onnx(graph), strict_mode=True, data_prop=True).graph.value_info
    return {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim[1:]) for v in values}


def test_every_shape_is_the_one_that_onnx_infers() -> None:
    graph = two_paths()
    inferred = inferred_shapes(graph) | {"fc": (3,)}
    assert {layer.name: graph.shapes[layer.name] for layer in graph} == {
        layer.name: inferred[layer.name] for layer in graph
    }
    assert graph.shapes[INPUT] == (4, 17, 13)
    assert graph.shapes["add"] == (6, 9, 13)
    assert graph.shapes["flat"] == (18 * 5 * 6,)


NUMBERS = {"size": st.integers(1, 12), "kernel": st.integers(1, 4), "stride": st.integers(1, 3)}


def positions(size: int, kernel: int, stride: int, dilation: int, before: int, after: int, ceil_mode: bool) -> int:
    """The same along both axes."""
    padding = (before, before, after, after)
    rows, columns = kernel_positions(
        (size, size), (kernel, kernel), (stride, stride), padding, (dilation, dilation), ceil_mode
    )
    assert rows == columns
    return rows


@given(**NUMBERS, dilation=st.integers(1, 3), before=st.integers(0, 3), after=st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_kernel_positions_are_those_where_the_kernel_fits(size, kernel, stride, dilation, before, after) -> None:
    reach, end = dilation * (kernel - 1) + 1, before + size + after
    if reach > end:
        with pytest.raises(GraphError, match=f"a kernel of {reach} is larger than the padded map of {end}"):
            positions(size, kernel, stride, dilation, before, after, ceil_mode=False)
    else:
        fitting = [start for start in range(0, end, stride) if start + reach <= end]
        assert positions(size, kernel, stride, dilation, before, after, ceil_mode=False) == len(fitting)


@given(**NUMBERS, data=st.data())
@settings(max_examples=300, deadline=None)
def test_with_ceil_mode_a_last_window_may_hang_over(size, kernel, stride, data) -> None:
    """As long as the one before did not reach the end, and it starts in the map or in the padding before it."""
    before, after = (data.draw(st.integers(0, kernel - 1)) for _ in range(2))
    end = before + size + after
    assume(kernel <= end)
    starts = [s for s in range(0, before + size, stride) if s == 0 or s - stride + kernel < end]
    assert positions(size, kernel, stride, 1, before, after, ceil_mode=True) == len(starts)


def test_rows_and_columns_are_counted_on_their_own() -> None:
    assert kernel_positions((10, 7), (3, 2), (2, 1), (1, 0, 0, 3), (1, 2), False) == (5, 8)


# What is not a graph


def refused(layers: tuple[Layer, ...], *words: str, shape: tuple[int, ...] = (2, 6, 6)) -> None:
    """Refused in one line that holds all the words."""
    with pytest.raises(GraphError) as caught:
        Graph(shape, layers)
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == [], message


def test_no_layers() -> None:
    refused((), "a graph needs at least one layer")


def test_a_layer_that_reads_an_unknown_one() -> None:
    refused((conv("b", "a", 1, 2, 1, 1),), "'b' reads 'a', which no earlier layer is called")


def test_a_layer_that_reads_a_later_one_or_itself() -> None:
    refused((conv("b", "c", 2, 2, 1, 1), conv("c", "b", 2, 2, 1, 1)), "'b' reads 'c'")
    refused((conv("b", "b", 2, 2, 1, 1),), "'b' reads 'b'")


@pytest.mark.parametrize("name", ["a", INPUT])
def test_two_layers_of_one_name(name: str) -> None:
    refused((conv("a", INPUT, 2, 2, 1, 1), conv(name, "a", 2, 2, 1, 1)), f"two layers are called {name!r}")


def test_an_output_that_nobody_reads() -> None:
    layers = (conv("a", INPUT, 2, 2, 1, 1), conv("b", INPUT, 2, 2, 1, 1), conv("c", INPUT, 2, 2, 1, 1))
    refused(layers, "nothing reads 'a', 'b'")


BEFORE = conv("before", INPUT, 3, 2, 1, 1)  # puts out (3, 6, 6)
POOL = {"name": "after", "inputs": ("before",), "kernel": (2, 2), "stride": (1, 1)}


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (dense("after", "before", 4, 108), "weight (4, 108) reads 108 features"),
        (dense("after", "before", 4), "a dense layer has a weight (out, in), not (4,)"),
        (conv("after", "before", 4, 2, 1, 1), "weight (4, 2, 1, 1) with 1 groups reads 2 channels"),
        (conv("after", "before", 4, 3, 7, 1), "a kernel of 7 is larger than the padded map of 6"),
        (conv("after", "before", 4, 3, 1, 3, dilation=(1, 3)), "a kernel of 7 is larger"),
        (conv("after", "before", 4, 1, 1, 1, groups=3), "4 channels do not divide into 3 groups"),
        (conv("after", "before", 4, 3, 1, 1, bias=ones(3)), "bias (3,) is neither (4,) nor (4, 6, 6)"),
        (conv("after", "before", 4, 3, 1, 1, bias=ones(4, 1, 1)), "bias (4, 1, 1) is neither (4,) nor (4, 6, 6)"),
        (conv("after", "before", 4, 3, 1), "a convolution has a weight (out, in, rows, columns), not (4, 3, 1)"),
        (conv("after", "before", 3, 3, 1, 1, groups=0), "groups is 0"),
        (conv("after", "before", 3, 3, 1, 1, stride=(0, 1)), "stride is (0, 1)"),
        (conv("after", "before", 3, 3, 1, 1, dilation=(1, 0)), "dilation is (1, 0)"),
        (conv("after", "before", 3, 3, 1, 1, padding=(0, -1, 0, 0)), "padding is (0, -1, 0, 0)"),
        (MaxPool2d(**POOL | {"kernel": (7, 1)}), "a kernel of 7 is larger than the padded map of 6"),
        (AvgPool2d(**POOL | {"stride": (1, 0)}), "stride is (1, 0)"),
        (
            conv("after", "before", 4, 3, 1, 1, activation=Activation(negative_slope=ones(3))),
            "3 values of negative_slope for 4 channels",
        ),
        (
            conv("after", "before", 4, 3, 1, 1, activation=Activation(ceiling=ones(5))),
            "5 values of ceiling for 4 channels",
        ),
    ],
)
def test_what_does_not_fit_names_both_ends_and_the_reason(layer: Layer, why: str) -> None:
    refused((BEFORE, layer), "'after' does not fit its input 'before' (3, 6, 6): ", why)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (conv("after", "flat", 1, 108, 1, 1), "a convolution reads maps (channels, height, width)"),
        (MaxPool2d(**POOL | {"inputs": ("flat",)}), "a pooling layer reads maps (channels, height, width)"),
    ],
)
def test_a_vector_where_a_map_is_needed(kind: Layer, why: str) -> None:
    flat = Flatten(name="flat", inputs=("before",))
    refused((BEFORE, flat, kind), "'after' does not fit its input 'flat' (108,): ", why)


def test_a_vector_of_another_length() -> None:
    layers = dense("before", INPUT, 5, 4), dense("after", "before", 2, 6)
    refused(layers, "'after' does not fit its input 'before' (5,): weight (2, 6) reads 6 features", shape=(4,))
    bias = dense("after", "before", 2, 5, bias=ones(3))
    refused((layers[0], bias), "'after'", "'before' (5,): bias (3,) is neither (2,) nor (2,)", shape=(4,))


def test_paths_that_do_not_meet() -> None:
    other = conv("other", INPUT, 3, 2, 3, 3)
    add = Add(name="after", inputs=("before", "other"))
    refused((BEFORE, other, add), "'after'", "'before' (3, 6, 6), 'other' (3, 4, 4): the inputs of an Add must")
    concat = Concat(name="after", inputs=("before", "other"))
    refused((BEFORE, other, concat), "'after'", "'before' (3, 6, 6), 'other' (3, 4, 4): the inputs of a Concat must")
    gain = Add(name="after", inputs=("before", "before"), gain=ones(2))
    refused((BEFORE, gain), "'after'", "'before' (3, 6, 6), 'before' (3, 6, 6): 2 values of gain for 3 channels")


@pytest.mark.parametrize("inputs", [(), (INPUT, "before")])
def test_a_layer_that_reads_another_number_of_layers_than_one(inputs: tuple[str, ...]) -> None:
    """A second input would be ignored without a word."""
    for layer in (
        Conv2d(name="after", inputs=inputs, weight=ones(1, 2, 1, 1)),
        Flatten(name="after", inputs=inputs),
        MaxPool2d(**POOL | {"inputs": inputs}),
    ):
        refused((BEFORE, layer), "'after' reads", f"{len(inputs)} layers", "one")


def test_a_junction_of_nothing() -> None:
    refused((BEFORE, Add(name="after", inputs=())), "'after' reads 0 layers")


# What a graph offers


def test_a_graph_is_walked_and_searched_by_name() -> None:
    graph = two_paths()
    assert [layer.name for layer in graph][:3] == ["conv1", "conv2", "add"]
    assert graph.output is graph["fc"]
    assert [layer.name for layer in graph.readers("add")] == ["max", "mean"]
    assert [layer.name for layer in graph.readers(INPUT)] == ["conv1"]
    with pytest.raises(KeyError, match="no layer 'conv3'; the layers are conv1, conv2, add, max, mean, concat"):
        graph["conv3"]


def test_nothing_in_a_graph_can_be_changed() -> None:
    graph = two_paths()
    with pytest.raises(FrozenInstanceError):
        graph.layers = ()  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        graph["fc"].name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        graph.shapes["fc"] = (4,)  # type: ignore[index]


def test_sequential_ignores_the_inputs_that_layers_name() -> None:
    graph = sequential((4,), dense("a", "z", 3, 4), dense("b", INPUT, 2, 3))
    assert [layer.inputs for layer in graph] == [(INPUT,), ("a",)]


@pytest.mark.parametrize(
    ("activation", "linear", "signed"),
    [
        (RELU, False, False),
        (LINEAR, True, True),
        (Activation(0.1), False, True),
        (Activation(1.0, ceiling=6.0), False, True),
        (Activation(ceiling=6.0), False, False),
        (Activation(ones(3)), True, True),
        (Activation(np.array([0.0, 1.0])), False, True),
        (Activation(ones(2), np.array([math.inf, 1.0])), False, True),
    ],
)
def test_what_an_activation_is(activation: Activation, linear: bool, signed: bool) -> None:
    assert (activation.is_linear, activation.is_signed) == (linear, signed)


def test_the_layer_itself_has_no_shape() -> None:
    with pytest.raises(NotImplementedError):
        Layer(name="x", inputs=()).output_shape((1,))


def test_a_graph_prints_as_a_table_of_layers() -> None:
    weight, wide = np.zeros((2, 1, 3, 3), np.float32), np.zeros((3, 8), np.float32)
    graph = Graph(
        (1, 4, 4),
        (
            Conv2d(name="conv", inputs=(INPUT,), weight=weight, bias=np.zeros(2, np.float32), padding=(1, 1, 1, 1)),
            Add(name="sum", inputs=("conv", "conv"), activation=Activation(0.1, 6.0)),
            MaxPool2d(name="pool", inputs=("sum",), kernel=(2, 2), stride=(2, 2)),
            Flatten(name="flat", inputs=("pool",)),
            Dense(name="fc", inputs=("flat",), weight=wide, activation=LINEAR),
        ),
    )
    assert str(graph).splitlines() == [
        "layer  kind       reads       shape  weights         activation",
        "input                         1x4x4",
        "conv   Conv2d     input       2x4x4  2x1x3x3 + bias  ReLU",
        "sum    Add        conv, conv  2x4x4                  slope 0.1 below zero, at most 6",
        "pool   MaxPool2d  sum         2x2x2",
        "flat   Flatten    pool        8",
        "fc     Dense      flat        3      3x8             linear",
    ]
    assert repr(graph) == "Graph(1x4x4 to 3, 5 layers)"


def test_a_layer_prints_what_is_not_as_by_default_and_no_weights() -> None:
    weight = np.zeros((2, 1, 3, 3), np.float32)
    assert repr(Conv2d(name="conv", inputs=(INPUT,), weight=weight, stride=(2, 2), padding=(0,) * 4)) == (
        "Conv2d(name='conv', inputs=('input',), weight=(2, 1, 3, 3), stride=(2, 2))"
    )
    assert str(Dense(name="fc", inputs=("conv",), weight=np.zeros((3, 8)), bias=np.zeros(3), activation=LINEAR)) == (
        "Dense(name='fc', inputs=('conv',), weight=(3, 8), bias=(3,), activation=linear)"
    )
    assert repr(Flatten(name="flat", inputs=("fc",))) == "Flatten(name='flat', inputs=('fc',))"


@pytest.mark.parametrize(
    ("activation", "text"),
    [
        (RELU, "ReLU"),
        (LINEAR, "linear"),
        (Activation(0.1), "slope 0.1 below zero"),
        (Activation(np.array([0.0, 0.25], np.float32)), "slope 0 to 0.25 below zero"),
        (Activation(ceiling=6.0), "ReLU, at most 6"),
        (Activation(1.0, np.array([1.5, np.inf])), "linear, at most 1.5 to inf"),
    ],
)
def test_an_activation_prints_in_words(activation: Activation, text: str) -> None:
    assert str(activation) == repr(activation) == text

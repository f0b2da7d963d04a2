"""Tensors in another order and shape, against onnxruntime: transposed, reshaped, sliced, shuffled, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.plan import make_plan
from models.graph import Concat, Conv2d, Dense, Flatten, Graph, MaxPool2d
from models.onnx_io.places import as_convolution, in_order
from models.onnx_io.reading import load
from models.onnx_io.running import predict
from tests.models.onnx_files import network, written
from tests.models.onnx_io.operators.test_table import floats, node, refused, same

MAPS = ("batch", 4, 6, 5)
CONV = node("Conv", "x w b", "a")
RELU = node("Relu", "a", "r")
FC = {"w": floats(4, 4, 1, 1), "b": floats(4), "m": floats(120, 3)}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def used(nodes: list, weights: dict) -> dict:
    return {name: weights[name] for n in nodes for name in n.input if name in weights}


@pytest.mark.parametrize("perm", [[0, 2, 3, 1], [0, 3, 2, 1], [0, 1, 3, 2]])
@pytest.mark.parametrize("flatten", ["Flatten", "Reshape"])
def test_any_order_before_a_fully_connected_layer(tmp_path: Path, perm: list[int], flatten: str) -> None:
    shape = "t shape" if flatten == "Reshape" else "t"
    nodes = [CONV, RELU, node("Transpose", "r", "t", perm=perm), node(flatten, shape, "f"), node("MatMul", "f m")]
    graph = same(tmp_path, network(nodes, used(nodes, {**FC, "shape": ints(0, -1)}), MAPS))
    assert [type(layer).__name__ for layer in graph] == ["Conv2d", "Flatten", "Dense"]
    make_plan(graph)


def test_activations_and_scaling_with_the_channels_last(tmp_path: Path) -> None:
    nodes = [
        CONV, node("Transpose", "a", "t", perm=[0, 2, 3, 1]), node("Mul", "t c", "s"), node("Add", "s d", "u"),
        node("Relu", "u", "v"), node("Transpose", "v", "back", perm=[0, 3, 1, 2]), node("Conv", "back w b"),
    ]  # fmt: skip
    graph = same(tmp_path, network(nodes, used(nodes, {**FC, "c": floats(4), "d": floats(1, 1, 1, 4)}), MAPS, axes=4))
    assert [type(layer).__name__ for layer in graph] == ["Conv2d", "Conv2d"]


@pytest.mark.parametrize("operator", ["Add", "Concat"])
def test_junctions_with_the_channels_last(tmp_path: Path, operator: str) -> None:
    axis = {"axis": 3} if operator == "Concat" else {}
    nodes = [
        CONV, RELU, node("Transpose", "a", "t", perm=[0, 2, 3, 1]), node("Transpose", "r", "u", perm=[0, 2, 3, 1]),
        node(operator, "t u", "j", **axis), node("Transpose", "j", perm=[0, 3, 1, 2]),
    ]  # fmt: skip
    same(tmp_path, network(nodes, used(nodes, FC), MAPS, axes=4))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_side_by_side_along_any_axis_before_a_fully_connected_layer(tmp_path: Path, axis: int) -> None:
    nodes = [CONV, RELU, node("Concat", "r x", "c", axis=axis), node("Flatten", "c", "f"), node("MatMul", "f n")]
    same(tmp_path, network(nodes, used(nodes, {**FC, "n": floats(240, 3)}), MAPS))


@pytest.mark.parametrize("inputs", ["r zeros", "zeros r", "zeros r zeros", "r zeros x"])
def test_zeros_side_by_side_with_maps(tmp_path: Path, inputs: str) -> None:
    nodes = [CONV, RELU, node("Concat", inputs, "c", axis=1), node("Relu", "c")]
    weights = {**FC, "zeros": np.zeros((1, 2, 6, 5), np.float32)}
    same(tmp_path, network(nodes, used(nodes, weights), (1, *MAPS[1:]), axes=4))


SHUFFLE = [
    node("Reshape", "r five", "s"), node("Transpose", "s", "t", perm=[0, 2, 1, 3, 4]), node("Reshape", "t four", "h"),
]  # fmt: skip
PARTS = {
    **FC, "five": ints(0, 2, 2, 6, 5), "four": ints(0, 4, 6, 5), "0": ints(0), "1": ints(1), "2": ints(2), "3": ints(3),
    "-1": ints(-1), "one": np.array(1), "some": ints(3, 1), "sizes": ints(1, 3), "two": floats(3, 2, 3, 3),
    "g": floats(4, 1, 3, 3),
}  # fmt: skip


@pytest.mark.parametrize(
    "nodes",
    [
        [*SHUFFLE, node("Conv", "h w b")],
        [*SHUFFLE, node("Conv", "h g", group=4)],
        [*SHUFFLE, node("MaxPool", "h", kernel_shape=[2, 2])],
        [*SHUFFLE, node("Add", "h r")],
        [node("Slice", "r 1 3 1", "h"), node("Conv", "h two")],
        [node("Slice", "r 0 -1 2")],
        [node("Gather", "r some", "h", axis=1), node("Conv", "h two", pads=[1, 1, 1, 1])],
        [node("Gather", "r some", "h", axis=-3), node("AveragePool", "h", kernel_shape=[2, 2])],
    ],
)  # fmt: skip
def test_channels_in_another_order(tmp_path: Path, nodes: list) -> None:
    model = network([CONV, RELU, *nodes], used([CONV, *nodes], PARTS), MAPS, axes=4)
    make_plan(same(tmp_path, model), signed=True)


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize("sizes", [False, True])
def test_parts_of_the_channels(tmp_path: Path, opset: int, sizes: bool) -> None:
    """Two halves, one of which goes through a convolution, as ShuffleNet has them."""
    settings: dict[str, Any] = {"axis": 1}
    if sizes and opset < 13:
        settings["split"] = [1, 3]
    elif opset >= 18 and not sizes:
        settings["num_outputs"] = 2
    parts = node("Split", "r sizes" if sizes and opset >= 13 else "r", "p", **settings)
    parts.output.append("q")
    kernel = floats(2, 3 if sizes else 2, 1, 1)
    nodes = [CONV, RELU, parts, node("Conv", "q k", "c"), node("Relu", "c", "d"), node("Concat", "p d", axis=1)]
    graph = same(tmp_path, network(nodes, used(nodes, {**PARTS, "k": kernel}), MAPS, opset, axes=4))
    make_plan(graph)


def test_parts_that_are_changed_leave_the_others_alone(tmp_path: Path) -> None:
    parts = node("Split", "a", "p", axis=1)
    parts.output.append("q")
    nodes = [CONV, parts, node("Relu", "p", "c"), node("Concat", "c q", axis=1)]
    same(tmp_path, network(nodes, used(nodes, FC), MAPS, axes=4))


@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMax"])
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("last", [False, True])
def test_pooling_over_all_pixels(tmp_path: Path, operator: str, keep: int, last: bool) -> None:
    before = [node("Transpose", "r", "t", perm=[0, 2, 3, 1])] if last else [node("Identity", "r", "t")]
    axes = [1, 2] if last else [-1, 2]
    nodes = [CONV, RELU, *before, node(operator, "t", "p", axes=axes, keepdims=keep), node("Flatten", "p", "f"),
             node("MatMul", "f n")]  # fmt: skip
    graph = same(tmp_path, network(nodes, used(nodes, {**FC, "n": floats(4, 3)}), MAPS))
    assert [type(layer).__name__ for layer in graph][2:] == ["Flatten", "Dense"]


def test_the_largest_pixel_with_axes_as_an_input(tmp_path: Path) -> None:
    nodes = [node("ReduceMax", "x axes", keepdims=0)]
    assert isinstance(same(tmp_path, network(nodes, {"axes": ints(2, 3)}, MAPS, 18)).layers[0], MaxPool2d)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Flatten", "r", "f"), node("Reshape", "f four", "h"), node("Conv", "h w b")],
        [node("Unsqueeze", "r 2", "u"), node("Squeeze", "u 2", "h"), node("Conv", "h w b")],
        [node("Flatten", "r", "f"), node("Mul", "f c", "i"), node("Reshape", "i four", "h"), node("Conv", "h w b")],
        [node("GlobalAveragePool", "r", "p"), node("Flatten", "p", "f"), node("Reshape", "f map", "h"),
         node("Conv", "h w b")],
    ],
)  # fmt: skip
def test_to_vectors_and_back_to_maps(tmp_path: Path, nodes: list) -> None:
    weights = {**PARTS, "map": ints(-1, 4, 1, 1), "c": np.repeat(floats(4), 30)}
    same(tmp_path, network([CONV, RELU, *nodes], used([CONV, *nodes], weights), MAPS, axes=4))


def test_a_map_of_one_column_is_squeezed_and_flattened(tmp_path: Path) -> None:
    nodes = [node("Conv", "x k", "c"), node("Squeeze", "c 3", "s"), node("Flatten", "s", "f"), node("MatMul", "f n")]
    graph = same(tmp_path, network(nodes, {"k": floats(2, 4, 1, 5), "3": ints(3), "n": floats(12, 3)}, MAPS))
    assert [type(layer) for layer in graph] == [Conv2d, Flatten, Dense]


# Convolutions along one axis


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Conv", "x k b", "c", strides=[2], pads=[1, 2], dilations=[2], kernel_shape=[3]), node("Relu", "c")],
        [node("Conv", "x g", "c", group=4, auto_pad="SAME_UPPER"), node("BatchNormalization", "c b b m v")],
        [node("BatchNormalization", "x b b m v", "h"), node("Conv", "h k b", pads=[1, 1])],
        [node("Conv", "x k b", "c"), node("MaxPool", "c", kernel_shape=[2], strides=[2])],
        [node("Conv", "x k b", "c"), node("AveragePool", "c", kernel_shape=[3], pads=[1, 1], ceil_mode=1)],
        [node("Conv", "x k b", "c"), node("GlobalAveragePool", "c")],
        [node("Conv", "x k b", "c"), node("Conv", "x k b", "d"), node("Add", "c d", "e"), node("LeakyRelu", "e")],
        [node("Conv", "x k b", "c"), node("Conv", "x k b", "d"), node("Concat", "c d", axis=1)],
    ],
)  # fmt: skip
def test_convolutions_along_one_axis(tmp_path: Path, nodes: list) -> None:
    weights = {"k": floats(4, 4, 3), "g": floats(4, 1, 3), "b": floats(4), "m": floats(4), "v": 1 + np.abs(floats(4))}
    model = network([*nodes], used(nodes, weights), ("batch", 4, 9), axes=3)
    nodes_flat = [*model.graph.node]
    nodes_flat[-1].output[0] = "z"
    model.graph.node.extend([node("Flatten", "z", "f"), node("MatMul", "f n")])
    size = onnxruntime_shape(model, "z", (3, 4, 9))[1:]
    model.graph.initializer.append(onnx.numpy_helper.from_array(floats(int(np.prod(size)), 2), "n"))
    del model.graph.output[0].type.tensor_type.shape.dim[2]
    graph = same_images(tmp_path, model)
    make_plan(graph, signed=True)


def onnxruntime_shape(model: onnx.ModelProto, tensor: str, shape: tuple) -> tuple:
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.node[-2:], part.graph.output[:]
    part.graph.output.append(onnx.helper.make_empty_tensor_value_info(tensor))
    return run(part, np.zeros(shape, np.float32)).shape


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


# Inputs as other tools declare them


def same_images(path: Path, model: onnx.ModelProto, last: bool = False) -> Graph:
    """As `same`, for an input whose tensor has another shape than the network's input, perhaps the channels last."""
    graph = load(written(path / "network.onnx", model))
    x = np.random.default_rng(0).normal(size=(3, *graph.input_shape)).astype(np.float32)
    declared = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    given = np.moveaxis(x, 1, -1) if last else x
    np.testing.assert_allclose(predict(graph, x), run(model, given.reshape(3, *declared)), rtol=1e-4, atol=1e-5)
    return graph


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_images_with_the_channels_last(tmp_path: Path, channels: int) -> None:
    weights = {"w": floats(4, channels, 3, 3), "m": floats(4 * 4 * 3, 5), "mean": floats(channels)}
    nodes = [
        node("Sub", "x mean", "c"), node("Transpose", "c", "t", perm=[0, 3, 1, 2]), node("Conv", "t w", "a"),
        node("Relu", "a", "r"), node("Transpose", "r", "u", perm=[0, 2, 3, 1]), node("Flatten", "u", "f"),
        node("MatMul", "f m"),
    ]  # fmt: skip
    graph = same_images(tmp_path, network(nodes, weights, ("batch", 6, 5, channels)), last=True)
    assert graph.input_shape == (channels, 6, 5)
    assert [type(layer) for layer in graph] == [Conv2d, Flatten, Dense]


@pytest.mark.parametrize(
    ("shape", "expected", "last"),
    [
        ((6, 5, 3), (3, 6, 5), True), ((6, 5, 1), (1, 6, 5), True), ((3, 6, 5), (3, 6, 5), False),
        ((2, 6, 5), (2, 6, 5), False), ((6, 5), (1, 6, 5), False), ((1, 6, 1), (1, 6, 1), False),
    ],
)  # fmt: skip
def test_images_that_are_flattened_at_once(tmp_path: Path, shape: tuple, expected: tuple, last: bool) -> None:
    weights = {"m": floats(int(np.prod(shape)), 5)}
    nodes = [node("Flatten", "x", "f"), node("MatMul", "f m")]
    assert same_images(tmp_path, network(nodes, weights, ("batch", *shape)), last).input_shape == expected


def test_images_of_one_channel_as_keras_declares_them(tmp_path: Path) -> None:
    nodes = [node("Reshape", "x shape", "t"), node("Conv", "t w")]
    weights = {"w": floats(2, 1, 3, 3), "shape": ints(-1, 1, 6, 5)}
    for shape in ((6, 5), (6, 5, 1), (1, 6, 5)):
        assert same_images(tmp_path, network(nodes, weights, ("batch", *shape), axes=4)).input_shape == (1, 6, 5)


def test_a_signal_with_the_channels_last(tmp_path: Path) -> None:
    nodes = [node("Transpose", "x", "t", perm=[0, 2, 1]), node("Conv", "t w", "c"), node("Flatten", "c", "f"),
             node("MatMul", "f m")]  # fmt: skip
    model = network(nodes, {"w": floats(3, 2, 3), "m": floats(15, 2)}, ("batch", 7, 2))
    graph = load(written(tmp_path / "x.onnx", model))
    assert graph.input_shape == (2, 1, 7)
    x = floats(4, 2, 1, 7)
    np.testing.assert_allclose(predict(graph, x), run(model, np.moveaxis(x[:, :, 0], 1, 2)), rtol=1e-4, atol=1e-5)


# The array of places


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
    channels=st.lists(st.integers(-1, 3), min_size=1, max_size=5),
    rows=st.tuples(st.integers(0, 5), st.integers(1, 3)),
    columns=st.tuples(st.integers(0, 5), st.integers(1, 3)),
    lost=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_what_a_convolution_takes_is_what_numpy_takes(shape, channels, rows, columns, lost) -> None:
    """Any choice of channels, and rows and columns from a first one on; -1 is a channel of zeros."""
    source = in_order(shape)
    cut = source[:, rows[0] % shape[1] :: rows[1], columns[0] % shape[2] :: columns[1]]
    if lost:
        cut = cut[:, :-1]
    places = np.stack([cut[c] if 0 <= c < shape[0] else np.full(cut.shape[1:], -1) for c in channels])
    taken = as_convolution(places, shape) if places.size else None
    if taken is None:
        assert not places.size or np.all(places == -1)
        return
    weight, stride = taken
    graph = Graph(shape, (Conv2d(name="c", inputs=("input",), weight=weight, stride=stride),))
    x = 1 + np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    wanted = np.where(places == -1, 0, 1 + places)
    np.testing.assert_array_equal(predict(graph, x)[0], wanted)


def test_what_no_convolution_takes() -> None:
    source = in_order((2, 3, 4))
    for places in (source[:, ::-1], source.transpose(0, 2, 1), np.repeat(source, 2, 1), source[:, [0, 1, 1]]):
        assert as_convolution(places, (2, 3, 4)) is None


def test_layers_that_are_side_by_side_keep_their_junction(tmp_path: Path) -> None:
    nodes = [CONV, RELU, node("Concat", "a r", axis=1)]
    graph = same(tmp_path, network(nodes, used(nodes, FC), MAPS, axes=4))
    assert isinstance(graph.output, Concat)


def test_a_turned_map_is_refused(tmp_path: Path) -> None:
    nodes = [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("Conv", "t w", name="it")]
    refused(tmp_path, network(nodes, {"w": FC["w"]}, MAPS, axes=4), r"node 'it' \(Conv\): .* in another order")

"""Padding, and means, sums and maxima over pixels, against onnxruntime on the same file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from models.graph import AvgPool2d, Conv2d
from models.onnx_io.reading import load
from models.onnx_io.running import predict
from tests.models.onnx_files import MAPS, floats, network, node, refused, same, written

SIGNALS = ("batch", 4, 12)
LINE = {
    "w": floats(4, 4, 3),
    "v": floats(3, 4, 3),
    "wide": floats(3, 7, 3),
    "level": floats(4, 1),
}
FIRST = [node("Conv", "x w", "c", pads=[1, 1]), node("Relu", "c", "r")]


def same_values(path: Path, model: onnx.ModelProto) -> None:
    """As `same`, but a signal of one axis comes out as a map of one row."""
    graph = load(written(path / "network.onnx", model))
    x = np.random.default_rng(0).normal(size=(3, *graph.input_shape)).astype(np.float32)
    given = x.reshape(3, *(dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]))
    wanted = onnxruntime.InferenceSession(model.SerializeToString()).run(["y"], {"x": given})[0]
    np.testing.assert_allclose(predict(graph, x).reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "pads",
    [(0, 0, -1, 0, 0, 0, 0, -2), (0, 0, -1, 2, 0, 0, 1, -1), (0, -1, 0, 0, 0, 0, 0, 0), (0, 1, 2, 0, 0, 0, 0, 1)],
)
def test_maps_are_padded_and_cut_off(tmp_path: Path, pads: tuple[int, ...]) -> None:
    channels = 2 + pads[1]
    nodes = [node("Relu", "x", "r"), node("Pad", "r pads", "p"), node("Conv", "p w")]
    same(tmp_path, network(nodes, {"pads": np.array(pads), "w": floats(3, channels, 3, 3)}, MAPS, axes=4))


def test_features_are_padded(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "r"), node("Pad", "r pads", "p"), node("Gemm", "p w")]
    same(tmp_path, network(nodes, {"pads": np.array([0, 1, 0, 2]), "w": floats(7, 3)}))


@pytest.mark.parametrize(
    ("pads", "behind"),
    [
        ((0, 0, 2, 0, 0, 0), [node("Conv", "p v")]),
        ((0, 0, -1, 0, 0, 2), [node("Conv", "p v")]),
        ((0, 1, 1, 0, 2, 1), [node("Conv", "p wide")]),
        ((0, 0, 1, 0, 0, 1), [node("MaxPool", "p", kernel_shape=[3], strides=[2])]),
        ((0, 0, 1, 0, 0, 1), [node("Relu", "p", "q"), node("Conv", "q v")]),
    ],
)
@pytest.mark.parametrize("shift", [False, True])
def test_signals_of_one_axis_are_padded(tmp_path: Path, pads: tuple[int, ...], behind: list, shift: bool) -> None:
    start = [*FIRST, node("Add", "r level", "s")] if shift else FIRST
    weights = {**LINE, "pads": np.array(pads)}
    nodes = [*start, node("Pad", f"{'s' if shift else 'r'} pads", "p"), *behind]
    same_values(tmp_path, network(nodes, weights, SIGNALS, axes=3))


def test_a_padding_of_a_signal_is_that_of_the_convolution_that_reads_it(tmp_path: Path) -> None:
    nodes = [*FIRST, node("Pad", "r pads", "p"), node("Conv", "p v")]
    model = network(nodes, {**LINE, "pads": np.array([0, 0, 2, 0, 0, 0])}, SIGNALS, axes=3)
    layer = load(written(tmp_path / "network.onnx", model)).output
    assert isinstance(layer, Conv2d)
    assert layer.padding == (0, 2, 0, 0)


@pytest.mark.parametrize(
    "behind",
    [
        [node("Sum", "r x r", "s"), node("Relu", "s")],
        [node("Slice", "r zero ten last", "s"), node("Conv", "x v3", "t"), node("Add", "s t")],
        [node("Add", "level r", "s"), node("Conv", "s v")],
    ],
)
def test_junctions_of_signals_of_one_axis(tmp_path: Path, behind: list) -> None:
    cut = {"zero": np.array([0]), "ten": np.array([10]), "last": np.array([2]), "v3": floats(4, 4, 3)}
    same_values(tmp_path, network([*FIRST, *behind], {**LINE, **cut}, SIGNALS, axes=3))


def test_the_batch_is_not_padded(tmp_path: Path) -> None:
    model = network([node("Pad", "x pads", name="it")], {"pads": np.array([1, 0, 0, 0])})
    refused(tmp_path, model, r"node 'it' \(Pad\): pads the batch; only each image can be padded")


@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMax"])
def test_rows_and_then_columns_are_pooled(tmp_path: Path, operator: str) -> None:
    nodes = [
        node("Relu", "x", "r"), node(operator, "r", "a", axes=[3], keepdims=0),
        node(operator, "a", "b", axes=[-1], keepdims=0), node("Gemm", "b v"),
    ]  # fmt: skip
    same(tmp_path, network(nodes, {"v": floats(2, 3)}, MAPS))


@pytest.mark.parametrize("axis", [2, 3])
def test_columns_or_rows_alone_are_pooled(tmp_path: Path, axis: int) -> None:
    nodes = [node("Relu", "x", "r"), node("ReduceMean", "r", "a", axes=[axis], keepdims=1), node("Conv", "a w")]
    kernel = (1, 2) if axis == 2 else (2, 1)
    graph = same(tmp_path, network(nodes, {"w": floats(3, 2, *kernel)}, MAPS, axes=4))
    assert [layer.kernel for layer in graph if isinstance(layer, AvgPool2d)] == [(6, 1) if axis == 2 else (1, 5)]


@pytest.mark.parametrize("keep", [0, 1])
def test_a_sum_over_pixels_is_as_many_means(tmp_path: Path, keep: int) -> None:
    nodes = [node("Relu", "x", "r"), node("ReduceSum", "r axes", "s", keepdims=keep)]
    nodes += [node("Flatten", "s", "f"), node("Gemm", "f v")]
    same(tmp_path, network(nodes, {"axes": np.array([2, 3]), "v": floats(2, 3)}, MAPS))


def test_the_mean_of_paths(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Mean", "b x x", "m"), node("Relu", "m")]
    same(tmp_path, network(nodes, {"w": floats(2, 2, 1, 1)}, MAPS, axes=4))

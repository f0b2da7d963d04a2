"""Slices, reshaped and unchanged signals, and exporters' shortcut without weights, against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from models.graph import RELU, Conv2d, Dense
from models.structure import passes_to_junctions
from tests.models.onnx_files import MAPS, floats, network, node, refused, same

END = np.iinfo(np.int64).max
WEIGHTS = {
    "w1": floats(4, 2, 3, 3), "w2": floats(8, 4, 3, 3), "w3": floats(8, 8, 3, 3), "w4": floats(3, 8, 1, 1),
    "w5": floats(3, 1, 2, 2),
    "b": floats(4), "zeros": np.array([0, 2, 0, 0, 0, 2, 0, 0]), "start": np.zeros(2, int),
    "end": np.array([END, END]),
    "maps": np.array([2, 3]), "rows": np.array([2]), "columns": np.array([-1]), "two": np.array([2]),
    "0": np.array([0]), "step": np.array([2, 2]), "one": np.array([1]), "ends": np.array([END]), "three": np.array([3]),
    "before_last": np.array([-1]), "least": np.array([-END]), "images": np.array([0]), "channels": np.array([1]),
    "around": np.array([0, 1, 1, 0, 0, 0, 0, 2]),
}  # fmt: skip
IN_ONE = [node("Slice", "r start end maps step", "s")]
IN_TWO = [node("Slice", "r 0 ends rows two", "h"), node("Slice", "h 0 ends columns two", "s")]


def residual(slices: list[NodeProto]) -> list[NodeProto]:
    """A residual block of two convolutions, the first with stride 2, beside every second pixel and zero channels."""
    return [
        node("Conv", "x w1", "a", pads=[1] * 4), node("Relu", "a", "r"),
        node("Conv", "r w2", "b1", pads=[1] * 4, strides=[2, 2]), node("Relu", "b1", "b2"),
        node("Conv", "b2 w3", "b3", pads=[1] * 4), *slices, node("Pad", "s zeros", "p"), node("Add", "b3 p", "j"),
        node("Relu", "j", "q"), node("Conv", "q w4"),
    ]  # fmt: skip


@pytest.mark.parametrize("slices", [IN_ONE, IN_TWO])
def test_the_shortcut_without_weights_is_one_linear_convolution(tmp_path: Path, slices: list[NodeProto]) -> None:
    graph = same(tmp_path, network(residual(slices), WEIGHTS, MAPS, axes=4))
    junction = graph.layers[-2]
    shortcut = graph[junction.inputs[1]]
    assert isinstance(shortcut, Conv2d)
    assert passes_to_junctions(graph, shortcut), "no neurons of its own"
    assert shortcut.stride == (2, 2)
    np.testing.assert_array_equal(shortcut.weight[:, :, 0, 0], np.eye(8, 4, k=-2))
    assert len(graph.layers) == 6


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Slice", "x one ends rows two")],
        [node("Slice", "x one ends columns three", "a"), node("Slice", "a 0 ends rows two")],
        [node("Conv", "x w1", "a"), node("Slice", "a 0 ends rows")],
        [node("Conv", "x w1", "a"), node("Slice", "a 0 ends channels")],
        [node("Pad", "x around")],
        [node("Conv", "x w1 b", "a"), node("Pad", "a zeros")],
        [node("Conv", "x w1 b", "a"), node("Slice", "a start end maps step")],
        [node("Conv", "x w1 b", "a"), node("Relu", "a", "r"), node("Pad", "r zeros")],
        [node("Slice", "x one ends channels")],
        [node("Slice", "x one ends channels", "a"), node("Conv", "a w5")],
        [node("Slice", "x 0 before_last rows two")],
        [node("Slice", "x two ends rows two")],
        [node("Slice", "x one before_last rows", "a"), node("Slice", "a two ends columns", "c"), node("Relu", "c")],
        [node("Slice", "x before_last ends channels", "a"), node("Pad", "a around", "c"),
         node("MaxPool", "c", kernel_shape=[2, 2])],
        [node("Conv", "x w1 b", "a"), node("Pad", "a zeros", "p"), node("Slice", "a 0 ends rows two", "s"),
         node("GlobalAveragePool", "p", "m"), node("GlobalAveragePool", "s", "n"), node("Concat", "m n", axis=1)],
    ],
)  # fmt: skip
def test_parts_are_those_of_onnxruntime(tmp_path: Path, nodes: list[NodeProto]) -> None:
    same(tmp_path, network(nodes, WEIGHTS, MAPS, axes=4))


def test_a_slice_with_attributes(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w1", "a"), node("Slice", "a", starts=[0], ends=[END], axes=[2])]
    same(tmp_path, network(nodes, WEIGHTS, MAPS, opset=9, axes=4))


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (
            [node("Slice", "x before_last least rows before_last")],
            r"output 'y': the values of 'input' come in another or",
        ),
        ([node("Slice", "x three ends channels")], r"\(Slice\): takes nothing of a tensor of shape \(2, 6, 5\)"),
        ([node("Slice", "x one ends images")], r"\(Slice\): takes some images out of the batch"),
    ],
)
def test_other_parts_are_refused(tmp_path: Path, nodes: list[NodeProto], words: str) -> None:
    refused(tmp_path, network(nodes, WEIGHTS, MAPS, axes=4), words)


@pytest.mark.parametrize("target", [[0, -1], [-1, 60], [0, 60]])
@pytest.mark.parametrize("batch", ["batch", 2])
def test_reshaping_to_vectors(tmp_path: Path, target: list[int], batch: str | int) -> None:
    reshape = node("Reshape", "x shape")
    same(tmp_path, network([reshape], {"shape": np.array(target, np.int64)}, (batch, 2, 6, 5)))


def test_a_fixed_batch_may_be_written_into_the_shape(tmp_path: Path) -> None:
    same(tmp_path, network([node("Reshape", "x shape")], {"shape": np.array([3, -1], np.int64)}, (3, 2, 6, 5)))


def test_dropout_identity_cast_and_constants_fall_away(tmp_path: Path) -> None:
    constant = helper.make_node("Constant", [], ["c"], value_float=2.0)
    nodes = [
        node("Cast", "x", "a", to=TensorProto.FLOAT), node("Dropout", "a", "b"), node("Identity", "b", "d"),
        constant, node("Add", "w c", "v"), node("MatMul", "d v", "e"), node("Transpose", "e", "f", perm=[0, 1]),
        node("Relu", "f"),
    ]  # fmt: skip
    graph = same(tmp_path, network(nodes, {"w": floats(4, 3)}))
    assert [type(layer) for layer in graph] == [Dense]
    assert graph.output.activation == RELU


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("opset", [11, 17])
def test_global_pooling_that_is_squeezed(tmp_path: Path, operator: str, opset: int) -> None:
    squeeze = node("Squeeze", "a", axes=[2, 3]) if opset == 11 else node("Squeeze", "a axes")
    weights = {} if opset == 11 else {"axes": np.array([-2, -1], np.int64)}
    same(tmp_path, network([node(operator, "x", "a"), squeeze], weights, MAPS, opset))


@pytest.mark.parametrize("block", [2, 3])
def test_pixels_of_a_block_become_channels(tmp_path: Path, block: int) -> None:
    """The passthrough of YOLOv2: a wide map beside a smaller one."""
    shape = ("batch", 2, 6, 12)
    weights = {"w": floats(3, 2, block, block), "v": floats(2, 3 + 2 * block**2, 1, 1)}
    nodes = [
        node("Relu", "x", "r"), node("SpaceToDepth", "r", "s", blocksize=block),
        node("Conv", "r w", "c", strides=[block, block]), node("Concat", "c s", "j", axis=1), node("Conv", "j v"),
    ]  # fmt: skip
    same(tmp_path, network(nodes, weights, shape, axes=4))

"""Networks cut out of files, against onnxruntime on the whole file; weights in half precision and in bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.graph import LINEAR, Conv2d, Dense, Graph, sequential
from models.onnx_io.editing import cut, to_bytes, to_half
from models.onnx_io.reading import load
from models.onnx_io.running import predict
from models.onnx_io.signals import OnnxError
from models.onnx_io.writing import to_onnx
from models.paths import ROOT
from tests.models.onnx_files import MAPS, floats, network, node, written

WEIGHT = np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32)
BIAS = np.random.default_rng(1).normal(size=30).astype(np.float32)


def graph(weight: np.ndarray = WEIGHT) -> Graph:
    return sequential((40,), Dense(name="fc", inputs=(), weight=weight, bias=BIAS, activation=LINEAR))


def test_constants_are_the_nearest_numbers_of_half_precision(tmp_path: Path) -> None:
    layer = load(written(tmp_path / "half.onnx", to_half(to_onnx(graph()))))["fc"]
    assert layer.weight.dtype == np.float32
    np.testing.assert_array_equal(layer.weight, WEIGHT.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(layer.bias, BIAS.astype(np.float16).astype(np.float32))


def test_onnxruntime_multiplies_in_single_precision() -> None:
    x = np.random.default_rng(2).random((5, 40)).astype(np.float32)
    model = to_half(to_onnx(graph()))
    onnx.checker.check_model(model, full_check=True)
    got = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": x})[0]
    rounded = (values.astype(np.float16).astype(np.float64) for values in (WEIGHT.T, BIAS))
    np.testing.assert_allclose(got, x @ next(rounded) + next(rounded), rtol=1e-5, atol=1e-5)


def rounded_by_output(weight: np.ndarray) -> np.ndarray:
    """To the nearest of 255 equal steps between plus and minus the largest weight of each output, one by one."""
    result = np.zeros(weight.shape)
    for output, row in enumerate(weight.astype(float)):
        step = np.abs(row).max() / 127
        result[output] = np.round(row / step) * step if step else 0
    return result


def test_bytes_are_the_nearest_steps_of_each_output_and_biases_stay(tmp_path: Path) -> None:
    weight = WEIGHT * np.logspace(-3, 3, 30, dtype=np.float32)[:, None]
    weight[4] = 0
    model = to_bytes(to_onnx(graph(weight)))
    onnx.checker.check_model(model, full_check=True)
    layer = load(written(tmp_path / "bytes.onnx", model))["fc"]
    np.testing.assert_allclose(layer.weight, rounded_by_output(weight), rtol=1e-5)
    np.testing.assert_array_equal(layer.bias, BIAS)
    x = np.random.default_rng(2).random((5, 40)).astype(np.float32)
    got = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"input": x})[0]
    np.testing.assert_allclose(got, x @ rounded_by_output(weight).T + BIAS, rtol=1e-4, atol=1e-4)


def test_of_a_convolution_every_kernel_has_a_scale_and_a_quarter_of_the_size() -> None:
    weight = np.random.default_rng(3).normal(size=(20, 30, 3, 3)).astype(np.float32)
    model = to_onnx(sequential((30, 5, 5), Conv2d(name="conv", inputs=(), weight=weight)))
    small = to_bytes(model)
    stored = {t.name: numpy_helper.to_array(t) for t in small.graph.initializer}
    assert stored.keys() == {"conv.weight.bytes", "conv.weight.scale"}
    np.testing.assert_allclose(
        stored["conv.weight.bytes"] * stored["conv.weight.scale"].reshape(-1, 1, 1, 1),
        rounded_by_output(weight),
        rtol=1e-5,
        atol=1e-7,
    )
    assert model.ByteSize() - small.ByteSize() == pytest.approx(3 * weight.size, abs=400)


def test_a_weight_that_has_no_output_per_row_stays_as_it_is() -> None:
    for nodes in ([node("Gemm", "x w")], [node("MatMul", "x w")]):
        (stored,) = to_bytes(network(nodes, {"w": floats(4, 3)})).graph.initializer
        assert stored.data_type == TensorProto.FLOAT


def test_the_file_has_half_the_size_and_the_model_stays_as_it_was() -> None:
    model = to_onnx(graph())
    before = model.SerializeToString(deterministic=True)
    half = to_half(model).SerializeToString(deterministic=True)
    assert model.SerializeToString(deterministic=True) == before
    assert len(before) - len(half) == pytest.approx(2 * (WEIGHT.size + BIAS.size), abs=300)


def test_whole_numbers_stay_whole() -> None:
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    model = network(nodes, {"shape": np.array([0, 2, 2])}, axes=3)
    (constant,) = to_half(model).graph.initializer
    assert constant.data_type == TensorProto.INT64
    np.testing.assert_array_equal(numpy_helper.to_array(constant), [0, 2, 2])


@pytest.mark.parametrize("value", [65520.0, -1e30, np.inf, np.nan])
def test_a_weight_beyond_half_precision_is_named(value: float) -> None:
    weight = WEIGHT.copy()
    weight[3, 4] = value
    with pytest.raises(ValueError, match=r"'fc\.weight' holds .* which float16 cannot"):
        to_half(to_onnx(graph(weight)))


def test_the_largest_number_of_half_precision_is_possible() -> None:
    weight = WEIGHT.copy()
    weight[3, 4] = 65504.0
    stored = {t.name: numpy_helper.to_array(t) for t in to_half(to_onnx(graph(weight))).graph.initializer}
    assert stored["fc.weight.half"][3, 4] == 65504.0


# Networks cut out of files

FILES = ROOT / "tests" / "data" / "onnx"
BEHIND = [
    node("Conv", "x w", "a", name="first"), node("Relu", "a", "b"), node("Conv", "b v", "c", name="second"),
    node("Tanh", "c", "d"), node("MaxPool", "b", "e", kernel_shape=[2, 2]), node("Mul", "d z", "y"),
]  # fmt: skip
TWO = {"w": floats(3, 2, 3, 3), "v": floats(3, 3, 1, 1), "unread": floats(2)}


def larger() -> onnx.ModelProto:
    """What no network can hold, behind one; a second input is read there, and the pooling is an output too."""
    model = network(BEHIND, TWO, MAPS, axes=4)
    model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    model.graph.input[1].CopyFrom(helper.make_tensor_value_info("z", TensorProto.FLOAT, ("batch", 3, 4, 3)))
    model.graph.output.append(helper.make_tensor_value_info("e", TensorProto.FLOAT, ("batch", 3, None, None)))
    return model


def tensor(model: onnx.ModelProto, name: str, x: np.ndarray) -> np.ndarray:
    """A tensor of the whole model as onnxruntime computes it."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    if name not in [output.name for output in model.graph.output]:
        whole.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    given = {value.name: np.zeros((len(x), 3, 4, 3), np.float32) for value in model.graph.input[1:]}
    return onnxruntime.InferenceSession(whole.SerializeToString()).run([name], {"x": x, **given})[0]


@pytest.mark.parametrize(
    ("until", "name"), [("a", "a"), ("b", "b"), ("c", "c"), ("e", "e"), ("first", "a"), ("second", "c")]
)
def test_a_network_is_read_up_to_a_tensor_or_a_node(tmp_path: Path, until: str, name: str) -> None:
    path, x = written(tmp_path / "large.onnx", larger()), floats(3, *MAPS[1:])
    np.testing.assert_allclose(predict(load(path, until), x), tensor(larger(), name, x), rtol=1e-4, atol=1e-5)


def test_a_cut_model_holds_only_what_its_output_needs() -> None:
    model = cut(larger(), "e")
    onnx.checker.check_model(model, full_check=True)
    assert [n.op_type for n in model.graph.node] == ["Conv", "Relu", "MaxPool"]
    assert [t.name for t in model.graph.initializer] == ["w"]
    assert [v.name for v in (*model.graph.input, *model.graph.output)] == ["x", "e"]


@pytest.mark.parametrize("file", ["resnet_dynamo", "lenet_script", "lenet_dynamo_raw"])
def test_the_logits_of_a_file_are_the_end_of_the_network(file: str) -> None:
    path = FILES / f"{file}.onnx"
    last = next(n for n in reversed(onnx.load(path).graph.node) if n.op_type == "Gemm")
    x = np.random.default_rng(0).random((4, *load(path).input_shape), np.float32)
    np.testing.assert_allclose(predict(load(path, last.output[0]), x), predict(load(path), x), rtol=1e-5)


def test_what_a_graph_within_a_node_reads_stays() -> None:
    within = helper.make_graph(
        [node("Add", "b outer", "sum")], "then", [], [helper.make_tensor_value_info("sum", TensorProto.FLOAT, None)]
    )
    nodes = [
        node("Relu", "x", "b"),
        node("If", "always", "c", then_branch=within, else_branch=within),
        node("Neg", "c"),
    ]
    model = network(nodes, {"always": np.array(True), "outer": floats(4)})
    x = floats(3, 4)
    session = onnxruntime.InferenceSession(cut(model, "c").SerializeToString())
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], tensor(model, "c", x))


@pytest.mark.parametrize(
    ("until", "words"),
    [("secund", "'secund'; there is 'second'"), ("zzz", "'zzz'; there is 'y', 'e'"), ("w", "'w'; there is")],
)
def test_a_name_that_is_none_is_answered_with_those_like_it(tmp_path: Path, until: str, words: str) -> None:
    with pytest.raises(OnnxError, match=f"large.onnx: no tensor or node is called {words}"):
        load(written(tmp_path / "large.onnx", larger()), until)

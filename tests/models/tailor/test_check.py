"""Rewritten files are sound, of fitting types, and compute the same; verdicts on files that are no network."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from models.datasets.loading import load_dataset
from models.onnx_io import OnnxError
from models.paths import ROOT
from models.tailor import check
from models.tailor.__main__ import main
from models.tailor.report import OBSTACLE, tailor
from tests.models.onnx_files import network, written
from tests.models.onnx_io.operators.test_table import floats, node
from tests.models.tailor.test_report import MAPS, WEIGHTS, outputs

WEIGHT_FILES = ROOT / "models" / "weights"
ABS = [node("Conv", "x w b", "a"), node("Abs", "a", name="abs")]
ABS_WEIGHTS = {name: WEIGHTS[name] for name in ("w", "b")}


@pytest.mark.parametrize("name", ["digit_detector", "cifar_cnn_abs", "mnist_mlp"])
def test_shipped_networks_are_sound_when_rewritten(name: str) -> None:
    """Their weights are stored in half precision and computed with in single."""
    path = WEIGHT_FILES / f"{name}.onnx"
    _, model = tailor(path)
    onnx.checker.check_model(model, full_check=True)
    dims = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    x = np.random.default_rng(0).random((2, *dims), np.float32)
    np.testing.assert_allclose(outputs(model, x)[0], outputs(onnx.load(path), x)[0], rtol=1e-3, atol=1e-3)
    check.require_same_function(path, model)


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.float32])
def test_constants_take_the_type_of_what_they_meet(kind: type, tmp_path: Path) -> None:
    """A network of one type, whose first constant is of another that only stores weights."""
    weights = {"w": floats(4, 3).astype(np.float16), "factor": np.array(2, kind)}
    target = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    nodes = [
        node("Cast", "w", "v", to=target), node("Gemm", "x v", "a"), node("Mul", "a factor", "h"),
        node("Abs", "h", "c"), node("Neg", "c"),
    ]  # fmt: skip
    model = network(nodes, weights)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = target
    path = written(tmp_path / "x.onnx", model)
    _, new = tailor(path)
    assert "Abs" not in [n.op_type for n in new.graph.node]
    check.require_same_function(path, new)


def test_a_wrong_rewrite_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, new = written(tmp_path / "x.onnx", network(ABS, ABS_WEIGHTS, MAPS, axes=4)), tmp_path / "new.onnx"
    monkeypatch.setattr("models.tailor.rewrites._absolute", None)
    monkeypatch.setattr(
        "models.tailor.rewrites.RULES", {"Abs": (lambda file, node: [file.last(node, "Relu", node.input[0])], "wrong")}
    )
    assert main([str(path), "--output", str(new)]) == 2
    assert capsys.readouterr().err == f"error: {path}: what it was rewritten as gives other values of 'y'\n"
    assert not new.exists()


def test_what_onnxruntime_cannot_run_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = network(
        [*ABS[:1], onnx.helper.make_node("Strange", ["a"], ["y"], domain="mine")], ABS_WEIGHTS, MAPS, axes=4
    )
    model.opset_import.append(onnx.helper.make_opsetid("mine", 1))
    path, new = written(tmp_path / "x.onnx", model), tmp_path / "new.onnx"
    assert main([str(path), "--output", str(new)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: what it was rewritten as cannot be run: ")
    assert error.count("\n") == 1
    assert not new.exists()
    assert main([str(path)]) == 1, "the report is there all the same"


def test_an_unsound_model_and_one_of_other_values_are_told(tmp_path: Path) -> None:
    model = network(ABS, ABS_WEIGHTS, MAPS, axes=4)
    path = written(tmp_path / "x.onnx", model)
    check.require_same_function(path, model)
    other = network(ABS, {**ABS_WEIGHTS, "b": ABS_WEIGHTS["b"] + 0.1}, MAPS, axes=4)
    with pytest.raises(OnnxError, match="gives other values of 'y'"):
        check.require_same_function(path, other)
    other.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(floats(4, 2, 3, 3).astype(np.float64), "w"))
    with pytest.raises(OnnxError, match="cannot be run"):
        check.require_same_function(path, other)


def test_images_of_bytes_are_compared_as_bytes(tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "f", to=TensorProto.FLOAT), node("Conv", "f w b", "a"), node("Abs", "a")]
    model = network(nodes, ABS_WEIGHTS, MAPS, axes=4)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    path = written(tmp_path / "x.onnx", model)
    check.require_same_function(path, tailor(path)[1])


def test_numbers_out_of_range_are_alike(tmp_path: Path) -> None:
    nodes = [node("Mul", "x big", "m"), node("Mul", "m big", "n"), node("Abs", "n")]
    path = written(tmp_path / "x.onnx", network(nodes, {"big": np.float32(1e30)}, MAPS, axes=4))
    check.require_same_function(path, onnx.load(path))


def test_a_clip_with_a_bound_of_several_numbers_stays(tmp_path: Path) -> None:
    model = network([node("Clip", "x low", name="it")], {"low": np.float32([-1, -2])}, MAPS, axes=4)
    table, new = tailor(written(tmp_path / "x.onnx", model))
    assert "one number is possible" in table["explanation"].iloc[0]
    assert new.graph.node == model.graph.node


def test_layers_with_weights_out_of_range_are_not_merged(tmp_path: Path) -> None:
    weights = {"w": floats(4, 3), "v": np.float32([[np.inf, 1], [0, 1], [1, 2]])}
    model = network([node("MatMul", "x w", "h"), node("MatMul", "h v", name="it")], weights)
    table, new = tailor(written(tmp_path / "x.onnx", model))
    assert "the weight holds inf" in table["explanation"].iloc[1]
    assert new.graph.node == model.graph.node


def test_all_that_stands_in_the_way_is_marked_where_no_graph_can_be_built(tmp_path: Path) -> None:
    """Leaky ReLUs before max pooling, as in YOLO, and at the end an operator that nothing is known of."""
    nodes, before = [], "x"
    for i in range(4):
        nodes += [
            node("Conv", f"{before} w", f"c{i}", name=f"conv{i}", pads=[1] * 4),
            node("LeakyRelu", f"c{i}", f"l{i}", name=f"leaky{i}", alpha=0.1),
            node("MaxPool", f"l{i}", f"p{i}", name=f"pool{i}", kernel_shape=[2, 2], pads=[1, 1, 0, 0]),
        ]  # fmt: skip
        before = f"p{i}"
    weights = {"w": floats(2, 2, 3, 3), "one": np.array(1)}
    known = network([*nodes, node("Identity", before)], {"w": weights["w"]}, MAPS, axes=4)
    unknown = network([*nodes, node("CumSum", f"{before} one", name="odd")], weights, MAPS, axes=4)
    stand = [obstacles(written(tmp_path / "x.onnx", model)) for model in (known, unknown)]
    assert {f"leaky{i}" for i in range(4)} <= set(stand[0])
    assert stand[1] == [*stand[0], "odd"]


def obstacles(path: Path) -> list[str]:
    table, _ = tailor(path)
    return list(table["node"][table["verdict"] == OBSTACLE])


def test_weights_of_eight_bits_are_not_compared_with_an_approximation(tmp_path: Path) -> None:
    """onnxruntime multiplies them approximately where it optimises, and exactly as merged weights of 32 bits."""
    weights = {
        "q": np.random.default_rng(0).integers(-127, 127, (4, 5)).astype(np.int8),
        "s": np.full(5, 0.02, np.float32), "v": floats(5, 3),
    }  # fmt: skip
    nodes = [node("DequantizeLinear", "q s", "w", axis=1), node("MatMul", "x w", "a"), node("MatMul", "a v")]
    path = written(tmp_path / "x.onnx", network(nodes, weights))
    check.require_same_function(path, tailor(path)[1])


def test_one_of_several_outputs_is_chosen_as_the_report_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [node("Conv", "x w b", "a"), node("Relu", "a", "h"), node("MaxPool", "h", kernel_shape=[2, 2])]
    model = network(nodes, ABS_WEIGHTS, MAPS, axes=4)
    model.graph.output.append(onnx.helper.make_tensor_value_info("h", TensorProto.FLOAT, ("batch", 4, None, None)))
    path, new = written(tmp_path / "two.onnx", model), tmp_path / "new.onnx"
    assert main([str(path)]) == 1
    remedy = re.search("`brianize tailor FILE (--until .*) NEW.onnx`", capsys.readouterr().out)
    assert remedy is not None
    assert main([str(path), *remedy[1].split(), str(new)]) == 0
    x = floats(2, *MAPS[1:])
    np.testing.assert_allclose(outputs(onnx.load(new), x)[0], outputs(model, x)[0], rtol=1e-5, atol=1e-6)
    assert main([str(path), "--until", "none"]) == 2
    assert "no tensor or node is called 'none'" in capsys.readouterr().err


def test_how_noisy_the_layers_will_be_is_said_of_a_rewritten_network_and_a_dataset(tmp_path, capsys) -> None:
    """Weights of 0.5 on 64 pixels in [0, 1], in closed form; without a dataset nothing is said."""
    nodes = [node("Flatten", "x", "f"), node("MatMul", "f w", "a"), node("Relu", "a", "y")]
    path = written(tmp_path / "x.onnx", network(nodes, {"w": np.full((64, 2), 0.5, np.float32)}, ("batch", 1, 8, 8)))
    assert main([str(path)]) == 0
    assert "over a typical" not in capsys.readouterr().out
    assert main([str(path), "--images", "digits8"]) == 0
    x = load_dataset("digits8").x[-200:].reshape(200, 64).astype(float)
    noise, a = np.sqrt(np.mean(0.25 * (x - x**2).sum(axis=1))), 0.5 * x.sum(axis=1)
    row = capsys.readouterr().out.split("all of it can become spikes")[1].splitlines()[3].split()
    assert row[1:] == [f"{noise / a.max():.2f}", f"{noise / np.sqrt(np.mean(a**2)):.1f}", "1"]


def test_images_of_another_shape_are_refused_in_one_line(tmp_path, capsys) -> None:
    path = written(tmp_path / "x.onnx", network([node("Conv", "x w", "y")], {"w": floats(2, 2, 1, 1)}, MAPS, axes=4))
    assert main([str(path), "--images", "digits8"]) == 2
    assert capsys.readouterr().err == ("error: images of shape (1, 8, 8) do not fit the network's input (2, 6, 5)\n")

"""Files that other tools wrote, against onnxruntime on the same file; and files that are not sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from scipy.special import expit, log_softmax, softmax
from sklearn.datasets import load_digits

from conversion.plan import make_plan
from models.graph import Conv2d, Graph
from models.onnx_io.reading import load
from models.onnx_io.running import predict
from models.onnx_io.signals import OnnxError
from models.paths import ROOT
from tests.models.onnx_files import network, written

FILES = ROOT / "tests" / "data" / "onnx"
EXPORTERS = ("script", "script9", "dynamo", "dynamo_raw")
BEHIND_THE_LOGITS = {"lenet": log_softmax, "branches": softmax}


def torch_files() -> list[Path]:
    return sorted(path for exporter in EXPORTERS for path in FILES.glob(f"*_{exporter}.onnx"))


def run(path: Path, x: np.ndarray) -> list:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def images(graph: Graph, count: int = 5) -> np.ndarray:
    """Pixels of both signs, so that a forgotten ReLU would show."""
    return np.random.default_rng(0).normal(0.3, 1.0, (count, *graph.input_shape)).astype(np.float32)


def test_all_files_of_torch_are_there() -> None:
    assert len(torch_files()) == 23


@pytest.mark.parametrize("path", torch_files(), ids=lambda path: path.stem)
def test_a_file_of_torch_computes_what_onnxruntime_computes(path: Path) -> None:
    graph = load(path)
    x = images(graph)
    behind = BEHIND_THE_LOGITS.get(path.stem.split("_")[0], lambda logits, axis: logits)
    np.testing.assert_allclose(behind(predict(graph, x), axis=1), run(path, x)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["sklearn_digits", "sklearn_digits_zipmap"])
def test_a_classifier_of_scikit_learn_is_loaded_up_to_its_logits(name: str) -> None:
    path = FILES / f"{name}.onnx"
    x = (load_digits().data[:200] / 16).astype(np.float32)
    logits = predict(load(path), x)
    labels, probabilities = run(path, x)
    np.testing.assert_array_equal(logits.argmax(1), labels)
    if isinstance(probabilities, list):
        probabilities = np.array([[row[digit] for digit in range(10)] for row in probabilities])
    np.testing.assert_allclose(softmax(logits, axis=1), probabilities, rtol=1e-4, atol=1e-6)


def test_a_binary_classifier_of_scikit_learn_gets_the_logits_of_both_its_classes() -> None:
    path = FILES / "sklearn_binary.onnx"
    x = (load_digits().data[:200] / 16).astype(np.float32)
    graph = load(path)
    logits = predict(graph, x)
    labels, probabilities = run(path, x)
    np.testing.assert_array_equal(logits.argmax(1), labels)
    np.testing.assert_allclose(expit(logits), probabilities, rtol=1e-4, atol=1e-6)
    assert [type(layer).__name__ for layer in graph] == ["Dense"] * 3
    make_plan(graph, signed=False)  # no layer has to send negative spikes


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_layers_are_named_after_the_modules_of_the_network(exporter: str) -> None:
    names = [layer.name for layer in load(FILES / f"resnet_{exporter}.onnx")]
    assert {"stem", "layer1_0_conv1", "layer1_0_conv2", "layer1_1_shortcut_0", "fc"} <= set(names)
    assert all(name.isidentifier() for name in names)


def test_layers_without_a_module_are_counted() -> None:
    assert [layer.name for layer in load(FILES / "sklearn_digits.onnx")] == ["fc_1", "fc_2", "fc_3"]


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_batch_norm_pooling_and_relu_become_one_convolution(exporter: str) -> None:
    graph = load(FILES / f"lenet_{exporter}.onnx")
    kinds = [type(layer).__name__ for layer in graph]
    assert kinds == ["Conv2d", "MaxPool2d", "Conv2d", "Conv2d", "AvgPool2d", "Flatten", "Dense", "Dense"]
    assert [layer.activation.negative_slope for layer in graph] == pytest.approx([0, 1, 0, 0.1, 1, 1, 0, 1])


def test_an_offset_before_a_padded_convolution_is_a_map_of_biases() -> None:
    layer = load(FILES / "normalised_script.onnx")["conv1"]
    assert isinstance(layer, Conv2d)
    assert layer.bias is not None
    assert layer.bias.shape == (4, 4, 3)
    np.testing.assert_allclose(layer.bias[:, 1, 1], layer.bias[:, 2, 1], rtol=1e-5)
    assert not np.allclose(layer.bias[:, 0, 0], layer.bias[:, 1, 1])


# Files that are not sound


def refused(path: Path, words: str) -> None:
    """The file is refused in one line that begins with its name."""
    with pytest.raises(OnnxError, match=words) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def gemm() -> list:
    return [helper.make_node("Gemm", ["x", "w"], ["y"], name="fc")]


W = np.ones((4, 3), np.float32)


def test_no_such_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.onnx", "no such file")
    refused(tmp_path, "this is a folder")


def test_an_empty_file(tmp_path: Path) -> None:
    refused(written(tmp_path / "empty.onnx", b""), "the file is empty")


@pytest.mark.parametrize("content", [b"# Brianize\n", b"\x80\x04\x95\x0b\x00", b"\x89PNG\r\n\x1a\n", bytes(100)])
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    refused(written(tmp_path / "other.onnx", content), "not an ONNX file|not a sound ONNX file")


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", ["lenet_script", "sklearn_digits"])
def test_a_file_that_is_cut_short(tmp_path: Path, name: str, share: float) -> None:
    whole = (FILES / f"{name}.onnx").read_bytes()
    refused(written(tmp_path / "cut.onnx", whole[: int(share * len(whole))]), "cut short|not a sound ONNX file")


@pytest.mark.parametrize(("value", "word"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_weights_that_are_not_finite(tmp_path: Path, value: float, word: str) -> None:
    weight = W.copy()
    weight[1, 2] = value
    refused(
        written(tmp_path / "x.onnx", network(gemm(), {"w": weight})), rf"node 'fc' \(Gemm\): the weight holds {word}"
    )


def test_weights_too_large_for_single_precision(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], name="fc", alpha=1e30)]
    refused(written(tmp_path / "x.onnx", network(nodes, {"w": W * np.float32(1e30)})), r"node 'fc' \(Gemm\): .* inf")


def test_external_data_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    onnx.save(network(gemm(), {"w": W}), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert load(path)["fc"].inputs == ("input",)
    (tmp_path / "weights.bin").unlink()
    refused(path, "weights.bin")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (
            ("batch", 1, "height", "width"),
            "input 'x' has the dynamic dimension height, width; only the batch may be free",
        ),
        (("batch", None), "input 'x' has the dynamic dimension number 1"),
        (("batch", 1, 1, 28, 28), r"input 'x' has shape \['batch', 1, 1, 28, 28\], not \(batch, channels, height, w"),
        (("batch",), r"input 'x' has shape \['batch'\]"),
        (None, "Field 'shape'"),
    ],
)
def test_inputs_of_other_shapes(tmp_path: Path, shape: tuple | None, words: str) -> None:
    refused(written(tmp_path / "x.onnx", network(gemm(), {"w": W}, shape)), words)


@pytest.mark.parametrize("cleared", ["shape", "type"])
def test_an_output_needs_no_shape(tmp_path: Path, cleared: str) -> None:
    """onnxruntime takes such files, and tools that cut networks write them."""
    model = network(gemm(), {"w": W})
    output = model.graph.output[0]
    (output.type.tensor_type if cleared == "shape" else output).ClearField(cleared)
    path, x = written(tmp_path / "x.onnx", model), np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(predict(load(path), x), run(path, x)[0], rtol=1e-5)


@pytest.mark.parametrize("operator", ["Tanh", "Elu", "Erf", "Softplus"])
def test_what_cannot_become_spikes(tmp_path: Path, operator: str) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"]), helper.make_node(operator, ["h"], ["y"], name="curve")]
    words = rf"node 'curve' \({operator}\): this operator cannot become spikes; (train with ReLU|possible are Add, )"
    refused(written(tmp_path / "x.onnx", network(nodes, {"w": W})), words)


def test_an_operator_of_a_vendor(tmp_path: Path) -> None:
    model = network([helper.make_node("FusedGemm", ["x", "w"], ["y"], domain="com.microsoft")], {"w": W})
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    words = r"node 'y' \(com.microsoft:FusedGemm\): this operator cannot become spikes"
    refused(written(tmp_path / "x.onnx", model), words)


def test_an_operator_that_does_not_exist(tmp_path: Path) -> None:
    refused(written(tmp_path / "x.onnx", network([helper.make_node("Nothing", ["x"], ["y"])], {})), "Nothing")


def test_a_softmax_in_the_middle(tmp_path: Path) -> None:
    nodes = [helper.make_node("Softmax", ["x"], ["h"]), helper.make_node("Gemm", ["h", "w"], ["y"], name="fc")]
    refused(
        written(tmp_path / "x.onnx", network(nodes, {"w": W})),
        r"node 'fc' \(Gemm\): reads what Softmax made, and Softmax can only stand at the end; .* --until`",
    )


@pytest.mark.parametrize("behind", ["Relu", "Gemm", "Mul"])
def test_a_sigmoid_in_the_middle(tmp_path: Path, behind: str) -> None:
    second = {"Gemm": ["s", "v"], "Mul": ["h", "s"]}.get(behind, ["s"])
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"]), helper.make_node("Sigmoid", ["h"], ["s"])]
    model = network([*nodes, helper.make_node(behind, second, ["y"], name="it")], {"w": W, "v": W.T.copy()})
    refused(
        written(tmp_path / "x.onnx", model),
        rf"node 'it' \({behind}\): reads what Sigmoid made, and Sigmoid can only stand at the end; train with ReLU",
    )


@pytest.mark.parametrize(
    ("follower", "outputs"),
    [("Identity", 1), ("Identity", 3), ("Flatten", 1), ("Squeeze", 1), ("Reshape", 1), ("", 1), ("", 3)],
)
def test_a_sigmoid_at_the_end_is_dropped(tmp_path: Path, follower: str, outputs: int) -> None:
    w = np.random.default_rng(1).normal(size=(4, outputs)).astype(np.float32)
    more = {"Squeeze": ["axes"], "Reshape": ["shape"]}.get(follower, [])
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"]), helper.make_node("Sigmoid", ["h"], ["s" if follower else "y"]),
    ]  # fmt: skip
    if follower:
        nodes.append(helper.make_node(follower, ["s", *more], ["y"]))
    constants = {"axes": np.array([1]), "shape": np.array([-1])}
    model = network(nodes, {"w": w, **{name: constants[name] for name in more}}, axes=1 + (follower != "Reshape"))
    path = written(tmp_path / "x.onnx", model)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(expit(predict(load(path), x)).ravel(), run(path, x)[0].ravel(), rtol=1e-5)


def test_the_only_output_may_lose_its_axis(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"]), helper.make_node("Squeeze", ["h", "axes"], ["y"])]
    path = written(tmp_path / "x.onnx", network(nodes, {"w": W[:, :1], "axes": np.array([1])}, axes=1))
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(predict(load(path), x)[:, 0], run(path, x)[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("opset", "words"), [(6, "opset 6 is not one from 7 to"), (999, "opset 999 is not one from 7 to")]
)
def test_versions_that_are_too_old_or_too_new(tmp_path: Path, opset: int, words: str) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    refused(written(tmp_path / "x.onnx", network(nodes, {}, opset=opset)), words)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    model = network(gemm(), {"w": W}, ("batch", 5))
    refused(written(tmp_path / "x.onnx", model), r"node 'fc' \(Gemm\): weight \(3, 4\) reads 4 features")


def test_a_network_of_two_inputs(tmp_path: Path) -> None:
    model = network([helper.make_node("Add", ["x", "z"], ["y"])], {})
    model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ("batch", 4)))
    refused(written(tmp_path / "x.onnx", model), r"the network has 2 inputs, \['x', 'z'\]; one is possible")


def test_outputs_of_different_layers(tmp_path: Path) -> None:
    model = network([*gemm(), helper.make_node("Relu", ["x"], ["z"])], {"w": W})
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ("batch", "n")))
    refused(written(tmp_path / "x.onnx", model), "the outputs 'y', 'z' come from different layers; .*--until y ")


def test_a_network_without_layers(tmp_path: Path) -> None:
    refused(written(tmp_path / "x.onnx", network([helper.make_node("Identity", ["x"], ["y"])], {})), "no layers")


def test_an_output_that_is_a_constant(tmp_path: Path) -> None:
    model = network([helper.make_node("Relu", ["w"], ["y"])], {"w": W})
    refused(written(tmp_path / "x.onnx", model), "output 'y' does not depend on the input")


def test_a_second_output_of_a_node(tmp_path: Path) -> None:
    pool = helper.make_node("MaxPool", ["x"], ["values", "places"], kernel_shape=[2, 2])
    model = network([pool, helper.make_node("Flatten", ["places"], ["y"], name="flat")], {}, ("batch", 1, 4, 4))
    refused(
        written(tmp_path / "x.onnx", model),
        r"node 'flat' \(Flatten\): reads 'places', which no node writes as its first output",
    )


# Files of people


@pytest.mark.parametrize("name", ["keras_last", "keras_first"])
def test_a_network_of_keras(name: str) -> None:
    """tf2onnx, with the channels last and with `inputs_as_nchw`; its flattening has the channels last in both."""
    graph = load(FILES / f"{name}.onnx")
    assert graph.input_shape == (1, 8, 12)
    assert [type(layer).__name__ for layer in graph] == ["Conv2d", "MaxPool2d", "Conv2d", "Flatten", "Dense"]
    x = images(graph)
    given = np.moveaxis(x, 1, -1) if name == "keras_last" else x
    np.testing.assert_allclose(softmax(predict(graph, x), axis=1), run(FILES / f"{name}.onnx", given)[0], atol=1e-6)
    make_plan(graph)


def test_a_scaler_of_scikit_learn_reads_the_digits_as_they_are() -> None:
    x = load_digits().data[:300].astype(np.float32)
    labels, rows = run(FILES / "sklearn_scaled.onnx", x)
    logits = predict(load(FILES / "sklearn_scaled.onnx"), x)
    np.testing.assert_array_equal(logits.argmax(1), labels)
    wanted = [[row[digit] for digit in range(10)] for row in rows]
    np.testing.assert_allclose(softmax(logits, axis=1), wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["norm_behind_relu", "pool_over_border", "largest_pixel", "squeezed", "zero_channels"])
def test_networks_that_plain_neurons_can_run(name: str) -> None:
    path = FILES / f"{name}.onnx"
    graph = load(path)
    x = images(graph, 6)
    batch = onnx.load(path).graph.input[0].type.tensor_type.shape.dim[0].dim_value or 6
    wanted = np.concatenate([run(path, part)[0] for part in np.split(x, 6 // batch)])
    np.testing.assert_allclose(predict(graph, x), wanted, rtol=1e-4, atol=1e-5)
    make_plan(graph)

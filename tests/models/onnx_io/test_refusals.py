"""What would be wrong without a word, or break the reader: refused in one line with the file and the node."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.graph import INPUT, GraphError
from models.onnx_io import operators
from models.onnx_io.node import Node, attributes_of
from models.onnx_io.reading import load
from models.onnx_io.running import predict
from models.onnx_io.signals import OnnxError
from models.onnx_io.trace import Trace
from models.standardisation import Standardisation
from models.tailor.report import tailor
from tests.models.onnx_files import network, written
from tests.models.onnx_io.operators.test_table import CONV, CONV_A, MAPS, NORM, floats, node, same

W = {"w": floats(4, 3)}
GEMM = node("Gemm", "x w", "h", name="fc")
TRUE = {"ratio": np.float32(0.5), "training": np.array(True)}


def refused(folder: Path, model: onnx.ModelProto, words: str) -> OnnxError:
    path = written(folder / "network.onnx", model)
    with pytest.raises(OnnxError, match=words) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return caught.value


# Training mode


def test_batch_norm_in_training_mode(tmp_path: Path) -> None:
    norm = node("BatchNormalization", "x gamma beta mean var", name="bn", training_mode=1)
    norm.output.extend(["m", "v"])
    model = network([norm], NORM, MAPS, axes=4)
    refused(tmp_path, model, r"node 'bn' \(BatchNormalization\): was exported in training mode; .*model.eval\(\)")


def test_batch_norm_in_training_mode_as_older_exporters_write_it(tmp_path: Path) -> None:
    norm = node("BatchNormalization", "x gamma beta mean var", name="bn")
    norm.output.extend(["m", "v", "saved_m", "saved_v"])
    refused(tmp_path, network([norm], NORM, MAPS, 9, axes=4), r"node 'bn' .*was exported in training mode")


def test_dropout_in_training_mode(tmp_path: Path) -> None:
    nodes = [GEMM, node("Dropout", "h ratio training", name="drop")]
    refused(tmp_path, network(nodes, {**W, **TRUE}), r"node 'drop' \(Dropout\): was exported in training mode; export")
    same(tmp_path, network(nodes, {**W, **TRUE, "training": np.array(False)}))


# Softmax and argmax over another axis


@pytest.mark.parametrize(
    ("nodes", "opset", "axis"),
    [
        ([node("Softmax", "a", name="last", axis=2)], 17, "2"),
        ([node("Softmax", "a", name="last")], 17, "-1"),
        ([node("LogSoftmax", "a", name="last", axis=0)], 17, "0"),
        ([node("Softmax", "a", name="last", axis=1)], 11, "1 and those behind it"),
        ([node("ArgMax", "a", name="last", axis=3)], 17, "3"),
        ([node("ArgMax", "a", name="last")], 17, "0"),
        ([node("Softmax", "a", "s", axis=1), node("ArgMax", "s", name="last", axis=3)], 17, "3"),
    ],
)  # fmt: skip
def test_what_does_not_go_over_the_classes(tmp_path: Path, nodes: list, opset: int, axis: str) -> None:
    model = network([CONV_A, *nodes], CONV, MAPS, opset, axes=4)
    if nodes[-1].op_type == "ArgMax":
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    refused(tmp_path, model, rf"node 'last' \({nodes[-1].op_type}\): goes over axis {axis} of 4, not only over the cl")


@pytest.mark.parametrize("operator", ["ArgMax", "Reshape"])
def test_the_largest_of_labels_or_of_reshaped_probabilities_is_no_class(tmp_path: Path, operator: str) -> None:
    second = {"ArgMax": node("ArgMax", "s", "t", axis=1), "Reshape": node("Reshape", "s two", "t")}[operator]
    nodes = [GEMM, node("Softmax", "h", "s"), second, node("ArgMax", "t", name="last", axis=1)]
    model = network(nodes, {"w": floats(4, 4), "two": np.array([-1, 2, 2])})
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    refused(tmp_path, model, rf"node 'last' \(ArgMax\): reads what {operator} made, not logits or probabilities")


@pytest.mark.parametrize("shape", [("batch", 8, 3), ("batch", 2, 5, 5)])
def test_a_softmax_over_rows_of_an_image(tmp_path: Path, shape: tuple) -> None:
    """Axis 1 is that of the classes only where the layer's channels are, not rows that became it."""
    rows = [node("Transpose", "h", "t", perm=[0, 2, 1, 3])] if len(shape) == 4 else []
    nodes = [node("Relu", "x", "h"), *rows, node("Softmax", "t" if rows else "h", name="last", axis=1)]
    refused(tmp_path, network(nodes, {}, shape, axes=len(shape)), r"node 'last' .* in another order than the layer.s")


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("opset", [11, 17])
def test_a_softmax_over_the_classes_falls_away(tmp_path: Path, axis: int, opset: int) -> None:
    model = network([GEMM, node("Softmax", "h", axis=axis)], W, opset=opset)
    graph = load(written(tmp_path / "x.onnx", model))
    x = floats(5, 4)
    exponents = np.exp(predict(graph, x))
    wanted = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(exponents / exponents.sum(1, keepdims=True), wanted, rtol=1e-4)


# Names


@pytest.mark.parametrize("domain", ["mine", "com.microsoft", "ai.onnx.contrib"])
@pytest.mark.parametrize("operator", ["Relu", "Softmax", "Identity"])
def test_an_operator_of_a_foreign_domain_is_none_of_onnx(tmp_path: Path, domain: str, operator: str) -> None:
    nodes = [GEMM, helper.make_node(operator, ["h"], ["y"], name="mine", domain=domain)]
    model = network(nodes, W)
    model.opset_import.append(helper.make_opsetid(domain, 1))
    refused(tmp_path, model, rf"node 'mine' \({domain}:{operator}\): this operator cannot become spikes")


def test_the_tailor_rewrites_no_operator_of_a_foreign_domain(tmp_path: Path) -> None:
    nodes = [GEMM, helper.make_node("Abs", ["h"], ["y"], name="mine", domain="mine")]
    model = network(nodes, W)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    table, new = tailor(written(tmp_path / "x.onnx", model))
    assert list(table["operator"]) == ["Gemm", "mine:Abs"]
    assert table["verdict"].iloc[1] == "stands in the way"
    assert [(n.domain, n.op_type) for n in new.graph.node] == [("", "Gemm"), ("mine", "Abs")]


def test_two_nodes_of_one_name(tmp_path: Path) -> None:
    nodes = [GEMM, node("Relu", "h", name="fc")]
    refused(tmp_path, network(nodes, W), "two nodes are called 'fc'; give each a name of its own")


@pytest.mark.parametrize("twice", ["w", "h", "x"])
def test_two_tensors_of_one_name(tmp_path: Path, twice: str) -> None:
    model = network([GEMM, node("Relu", "h")], W)
    if twice == "x":
        model.graph.node.insert(0, node("Relu", "w", "x"))
    else:
        model.graph.initializer.append(numpy_helper.from_array(floats(4, 3), twice))
    refused(tmp_path, model, f"'{twice}'|initializer|single static assignment")


# Types and shapes


def test_types_that_do_not_fit(tmp_path: Path) -> None:
    model = network([GEMM, node("Relu", "h")], {"w": W["w"].astype(np.float16)})
    refused(tmp_path, model, r"onnxruntime refuses the file: .*\bfc\b.*export the network again")


def test_a_type_that_onnxruntime_does_not_compute_with(tmp_path: Path) -> None:
    model = network([node("Relu", "x", name="it")], {}, MAPS, axes=4)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.INT16
    refused(tmp_path, model, "input 'x' holds whole numbers; say with scale which of them is white")
    with pytest.raises(OnnxError, match=r"onnxruntime refuses the file: .*Relu"):
        load(tmp_path / "network.onnx", standardisation=Standardisation(scale=255))


def test_a_type_that_no_image_has(tmp_path: Path) -> None:
    model = network([node("Relu", "x", name="it")], {}, MAPS, axes=4)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    refused(tmp_path, model, "input 'x' is of type string; images are floats or whole numbers")


@pytest.mark.parametrize("operator", ["Add", "Mul", "MatMul"])
def test_complex_weights(tmp_path: Path, operator: str) -> None:
    model = network([node(operator, "x c", name="it")], {"c": np.full((4, 4), 1j, np.complex64)})
    refused(tmp_path, model, "tensor 'c': holds numbers of type complex64; only real ones are possible")


@pytest.mark.parametrize(
    ("one", "weights"),
    [
        (node("AveragePool", "x", name="it", kernel_shape=[1, 1], strides=[3, 3], auto_pad="SAME_UPPER"), {}),
        (node("Conv", "x w", name="it", dilations=[2, 2], auto_pad="SAME_UPPER"), {"w": CONV["w"]}),
    ],
)
def test_what_onnxruntime_refuses_when_it_runs(tmp_path: Path, one: onnx.NodeProto, weights: dict) -> None:
    """It opens these files, and says with the first image that it has no such padding."""
    refused(tmp_path, network([one], weights, MAPS, axes=4), "onnxruntime refuses the file: .*'it'")


def test_weights_of_a_type_that_onnx_has_not(tmp_path: Path) -> None:
    model = network([GEMM, node("Relu", "h")], W)
    model.graph.initializer[0].data_type = 99
    refused(tmp_path, model, "'w'.* is of type 99, which ONNX has not")


@pytest.mark.parametrize("operator", ["Conv", "MaxPool", "AveragePool"])
def test_an_unknown_way_of_padding(tmp_path: Path, operator: str) -> None:
    nodes = [node(operator, "x w" if operator == "Conv" else "x", name="it", auto_pad="SAME", kernel_shape=[3, 3])]
    model = network(nodes, {"w": CONV["w"]} if operator == "Conv" else {}, MAPS, axes=4)
    refused(tmp_path, model, rf"node 'it' \({operator}\): auto_pad is 'SAME'; known are NOTSET, VALID, SAME_UPPER, ")


def test_a_kernel_shape_that_contradicts_the_weight(tmp_path: Path) -> None:
    model = network([node("Conv", "x w", name="it", kernel_shape=[2, 2])], {"w": CONV["w"]}, MAPS, axes=4)
    refused(tmp_path, model, r"node 'it' \(Conv\): kernel_shape is \[2, 2\], but the weight \(4, 2, 3, 3\)")


# Whatever an operator raises


@pytest.mark.parametrize(
    "error",
    [
        AttributeError, IndexError, KeyError, TypeError, ValueError, struct.error, RecursionError, MemoryError,
        ZeroDivisionError, AssertionError, GraphError,
    ],
)  # fmt: skip
def test_any_exception_of_an_operator_names_file_and_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise error("some\nlines")

    monkeypatch.setitem(operators.OPERATORS, "Gemm", fail)
    model = network([GEMM, node("Relu", "h")], W)
    caught = refused(tmp_path, model, r"network.onnx: node 'fc' \(Gemm\): .*some")
    assert isinstance(caught.__cause__, error)
    table, _ = tailor(tmp_path / "network.onnx")
    assert "some" in table["explanation"].iloc[0]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Gemm", "x", "y", name="it")], r"it|Gemm"),
        ([node("Concat", "x x", name="it")], r"it|axis"),
        ([node("Cast", "x", name="it")], r"it|to"),
        ([node("Gemm", "x w two", name="it")], r"node 'it' \(Gemm\)"),
        ([node("BatchNormalization", "x two three three three", name="it")], r"node 'it' \(BatchNormalization\)"),
        ([node("Reshape", "x words", name="it")], "it"),
        ([node("Clip", "x two", name="it")], r"node 'it' \(Clip\)"),
        ([node("Squeeze", "x far", name="it")], "it"),
        ([node("Expand", "one huge", "c", name="it"), node("Add", "x c")], r"\(Expand\): makes a constant of 1"),
        ([node("ConstantOfShape", "huge", "c", name="it"), node("Add", "x c")], r"\(ConstantOfShape\): makes"),
    ],
)  # fmt: skip
def test_malformed_nodes(tmp_path: Path, nodes: list, words: str) -> None:
    weights = {
        "w": W["w"], "two": np.ones(2, np.float32), "three": np.ones(3, np.float32), "far": np.array([9]),
        "words": np.array([b"a"], object), "one": np.ones(1, np.float32), "huge": np.array([10**6, 10**6]),
    }  # fmt: skip
    used = {name: weights[name] for n in nodes for name in n.input if name in weights}
    refused(tmp_path, network(nodes, used), words)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (node("Reshape", "x rows", name="it"), r"shape is \[\[1, 4\]\]; a row of whole numbers is possible"),
        (node("Reshape", "x halves", name="it"), r"shape is \[0.5, 1.5\]; a row of whole numbers"),
        (node("Squeeze", "x rows", name="it"), r"axes is \[\[1, 4\]\]; a row of whole numbers"),
        (node("Clip", "x - halves", name="it"), r"max is \[0.5, 1.5\]; one number is possible"),
        (node("Clip", "x word", name="it"), "min is 'a'; one number is possible"),
        (node("Gather", "x five", name="it", axis=1), r"takes \[5\] of 4; whole numbers from -4 to 3 are possible"),
        (node("Gather", "x halves", name="it", axis=1), r"takes \[0.5, 1.5\] of 4; whole numbers"),
        (node("Pad", "x five", name="it"), r"pads by \[5\]; 2 axes need two numbers each"),
        (node("Gemm", "x number", name="it"), "the weight has 0 axes; only a matrix is possible"),
    ],
)
def test_numbers_of_another_kind_are_named(one: onnx.NodeProto, words: str) -> None:
    """Of files that ONNX's checker lets pass, and that the tailor reports on before onnxruntime sees them."""
    weights = {
        "rows": np.array([[1, 4]]), "halves": np.array([0.5, 1.5]), "word": np.array("a"), "five": np.array([5]),
        "number": np.array(1.0),
    }  # fmt: skip
    trace = Trace((4,))
    inputs = (trace.signal(INPUT), *(weights.get(name) for name in one.input[1:]))
    with pytest.raises(OnnxError, match=words):
        operators.OPERATORS[one.op_type](trace, Node(one, inputs, attributes_of(one), 1, 17, False))


@pytest.mark.parametrize("bound", [-0.5, 0.0])
def test_a_minimum_with_what_is_not_positive(tmp_path: Path, bound: float) -> None:
    """ReLU behind min(ReLU(x), -0.5) is 0; one activation function cannot say so."""
    nodes = [node("Relu", "x", "r"), node("Min", "r c", "m", name="it"), node("Relu", "m")]
    words = rf"node 'it' \(Min\): the upper bound is {bound:g}; it must be positive"
    refused(tmp_path, network(nodes, {"c": np.float32([1, bound, 2, 3])}), words)


@pytest.mark.parametrize(
    ("outputs", "settings", "words"),
    [
        (["a", "b", "c"], {"num_outputs": 2}, "num_outputs is 2, but it has 3 outputs"),
        (["a"], {"num_outputs": 2}, "num_outputs is 2, but it has 1 outputs"),
        (["a", ""], {"num_outputs": 2}, "an output has no name"),
        (["a", "b", ""], {}, "an output has no name"),
    ],
)
def test_a_split_that_ends_the_process_of_onnxruntime(
    tmp_path: Path, outputs: list, settings: dict, words: str
) -> None:
    split = helper.make_node("Split", ["x"], outputs, name="it", axis=1, **settings)
    model = network([split, node("Relu", "a")], {}, opset=18 if settings else 17)
    refused(tmp_path, model, rf"node 'it' \(Split\): {words}")
    with pytest.raises(OnnxError, match=words):
        tailor(tmp_path / "network.onnx")


def test_an_input_left_out_that_has_to_be_there(tmp_path: Path) -> None:
    """At a sum, onnxruntime ends the process; one that may be left out, a bias, may be left out."""
    model = network([node("Sum", "x -", name="it")], {})
    refused(tmp_path, model, r"node 'it' \(Sum\): input 2 is missing")
    with pytest.raises(OnnxError, match="input 2 is missing"):
        tailor(tmp_path / "network.onnx")
    same(tmp_path, network([node("Gemm", "x w -", name="it")], W))


def test_a_resize_that_onnxruntime_refuses(tmp_path: Path) -> None:
    model = network([node("Resize", "x - scales", name="it")], {"scales": np.float32([1, 1, -2, 2])}, MAPS, axes=4)
    refused(tmp_path, model, r"node 'it' \(Resize\): onnxruntime refuses it: .*scale|greater than 0")


@pytest.mark.parametrize("given", [{"scales": np.float32([1])}, {"sizes": np.array([2, 6, 5])}])
def test_a_resize_that_ends_the_process_of_onnxruntime(tmp_path: Path, given: dict) -> None:
    names = "x - scales" if "scales" in given else "x - - sizes"
    model = network([node("Resize", names, name="it", mode="nearest")], given, MAPS, axes=4)
    words = rf"{next(iter(given))} is \[.*\]; 4 numbers are possible"
    refused(tmp_path, model, rf"node 'it' \(Resize\): {words}")


@pytest.mark.parametrize("labels", [[0, 2, 1, 3], [1, 2, 3, 4], [0, 1, 2]])
@pytest.mark.parametrize("operator", ["ArrayFeatureExtractor", "ZipMap"])
def test_classes_of_other_numbers_than_their_logits(tmp_path: Path, labels: list[int], operator: str) -> None:
    """The answers of the spiking network are the numbers of its outputs."""
    last = {
        "ArrayFeatureExtractor": node("ArrayFeatureExtractor", "classes a", name="last", domain="ai.onnx.ml"),
        "ZipMap": node("ZipMap", "s", name="last", domain="ai.onnx.ml", classlabels_int64s=labels),
    }[operator]
    argmax = [node("ArgMax", "s", "a", axis=1)] if operator == "ArrayFeatureExtractor" else []
    nodes = [GEMM, node("Softmax", "h", "s"), *argmax, last]
    classes = {"classes": np.array(labels)} if argmax else {}
    model = network(nodes, {"w": floats(4, 4), **classes})
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    words = rf"\({operator}\): calls the 4 classes {', '.join(map(str, labels))}; train with classes 0 to 3"
    refused(tmp_path, model, words)


def test_what_a_terminal_would_take_as_a_command_is_written_out(tmp_path: Path) -> None:
    error = refused(tmp_path, network([node("Re\x1b[2Ju", "x")], {}), "sound ONNX file")
    assert r"Re\x1b[2Ju" in str(error)


def test_padding_that_no_memory_holds(tmp_path: Path) -> None:
    pads = {"pads": np.array([0, 0, 0, 0, 0, 0, 10**6, 10**6])}
    refused(
        tmp_path, network([node("Pad", "x pads", name="it")], pads, MAPS, axes=4), r"node 'it' \(Pad\): shape .*most"
    )


def test_a_loop_over_constants_is_not_run(tmp_path: Path) -> None:
    body = helper.make_graph(
        [node("Identity", "go", "on"), node("Identity", "v", "out")],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("out", TensorProto.FLOAT, [1]),
        ],
    )
    loop = helper.make_node("Loop", ["times", "yes", "one"], ["c"], name="it", body=body)
    weights = {"times": np.array(2**62), "yes": np.array(True), "one": np.ones(1, np.float32)}
    refused(tmp_path, network([loop, node("Add", "x c")], weights), r"node 'it' \(Loop\): a Loop may run for ever")


def test_a_network_without_an_output(tmp_path: Path) -> None:
    model = network([GEMM, node("Relu", "h")], W)
    del model.graph.output[:]
    refused(tmp_path, model, "the network has no output")


def test_shapes_that_cannot_be_inferred_where_none_is_declared(tmp_path: Path) -> None:
    """The shapes of outputs are inferred before the checker sees the file, of which inference refuses some."""
    model = network([GEMM, node("Relu", "h"), node("Relu", "h")], W)
    del model.graph.node[1].output[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    refused(tmp_path, model, "not a sound ONNX file: .*ShapeInferenceError.*Relu")

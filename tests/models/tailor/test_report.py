"""The tailoring: rewritten files against onnxruntime on both, and verdicts against what importer and conversion do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.plan.populations import ConversionError, make_plan
from models.graph import Conv2d, Dense, GraphError
from models.onnx_io.reading import load
from models.onnx_io.running import predict
from models.onnx_io.signals import OnnxError
from models.paths import ROOT
from models.tailor.__main__ import main
from models.tailor.report import AWAY, FOLDED, OBSTACLE, REWRITTEN, SPIKES, UNKNOWN, tailor
from models.tailor.rewrites import rewrite
from models.tailor.walk import walk
from tests.models.onnx_files import floats, network, node, written

FILES = ROOT / "tests" / "data" / "onnx"
ALL = sorted(FILES.glob("*.onnx"))
MAPS = ("batch", 2, 6, 5)


def rewritten(model: onnx.ModelProto) -> onnx.ModelProto:
    return rewrite(walk(model)).to_model()


def report(path: Path) -> pd.DataFrame:
    return tailor(path)[0]


def outputs(model: onnx.ModelProto, x: np.ndarray) -> list:
    """What onnxruntime makes of a model, with its optimisations off, so that every node counts."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def same_function(model: onnx.ModelProto, shape: Sequence[int]) -> onnx.ModelProto:
    """The tailored model, after its outputs were found to be those of the original, for values of both signs."""
    new = rewritten(model)
    onnx.checker.check_model(new, full_check=True)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 4
    x = np.random.default_rng(0).normal(0.2, 1.0, (batch, *shape)).astype(np.float32)
    for before, after in zip(outputs(model, x), outputs(new, x), strict=True):
        if isinstance(before, np.ndarray) and before.dtype.kind == "f":
            np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)
        else:
            assert str(after) == str(before) or isinstance(before, list)
    return new


def can_spike(path: Path) -> bool:
    """The oracle of the verdicts: whether the importer reads the file, and the conversion takes the network."""
    try:
        make_plan(load(path))
    except (OnnxError, ConversionError, GraphError):
        return False
    return True


def verdicts(table: Any) -> dict[str, str]:
    return dict(zip(table["node"], table["verdict"], strict=True))


def shape_of(model: onnx.ModelProto) -> list[int]:
    return [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_files_of_other_tools_keep_their_function_and_get_a_verdict_per_node(path: Path, tmp_path: Path) -> None:
    model = onnx.load(path)
    new = same_function(model, shape_of(model))
    table = report(path)
    assert list(table["operator"])[: len(model.graph.node)] == [node.op_type for node in model.graph.node]
    spikes = can_spike(written(tmp_path / "new.onnx", new))
    assert spikes == (not table["verdict"].isin([OBSTACLE, UNKNOWN]).any())


def test_the_untailored_network_of_cao_2015() -> None:
    table = report(FILES / "untailored.onnx")
    assert list(table["verdict"]) == [FOLDED, SPIKES, OBSTACLE, SPIKES, SPIKES, OBSTACLE, SPIKES, AWAY, SPIKES]
    why = list(table["explanation"])
    assert why[0] == "into 'conv1'"
    assert why[2] == why[5] == "this operator cannot become spikes; train with ReLU instead"
    assert "average pooling (needs training)" in why[3]
    assert all("biases as constant currents" in why[i] for i in (1, 4, 8))


def test_neurons_and_relays_are_counted() -> None:
    why = dict(report(FILES / "resnet_script.onnx")[["node", "explanation"]].itertuples(index=False))
    assert "'stem', 4 x 9 x 9 neurons" in why["/stem/Conv"]
    assert "without neurons of their own" in why["/layer1/layer1.0/conv2/Conv"]


# Exact rewrites, one by one

WEIGHTS = {
    "w": floats(4, 2, 3, 3), "b": floats(4), "v": floats(4, 2, 3, 3), "k": floats(3, 4, 2, 2), "p": floats(3, 4, 1, 1),
    "q": floats(3), "slope": np.abs(floats(4, 1, 1)), "one": np.float32(-0.5), "two": np.float32(1.5),
    "zero": np.float32(0), "channels": floats(4, 1, 1), "g": floats(12, 3), "flat": np.array([0, 12], np.int64),
    "gamma": 1 + np.abs(floats(4)), "mean": floats(4), "d": floats(4, 1, 3, 3), "e": floats(4, 2, 1, 1),
}  # fmt: skip
CONV = node("Conv", "x w b", "a", name="conv")
HEAD = node("Conv", "h k q", name="head")
LEAKY = node("LeakyRelu", "a", "h", name="it")


def tailored_network(nodes: list[onnx.NodeProto], tmp_path: Path, axes: int = 4, opset: int = 17) -> tuple:
    """The graph of the tailored network, and the verdicts."""
    used = {name for n in nodes for name in n.input}
    weights = {name: value for name, value in WEIGHTS.items() if name in used}
    model = network(nodes, weights, MAPS, opset, axes)
    graph = load(written(tmp_path / "new.onnx", same_function(model, MAPS[1:])))
    x = np.random.default_rng(1).normal(size=(3, *graph.input_shape)).astype(np.float32)
    np.testing.assert_allclose(predict(graph, x), outputs(model, x)[0], rtol=1e-4, atol=1e-5)
    return graph, verdicts(report(written(tmp_path / "old.onnx", model)))


@pytest.mark.parametrize(
    "middle",
    [
        [node("Neg", "a", "n", name="it"), node("Relu", "n", "h")],
        [node("Abs", "a", "h", name="it")],
        [node("Max", "a zero", "h", name="it")],
        [node("Max", "one a", "h", name="it")],
        [node("Max", "a channels", "h", name="it")],
        [node("Clip", "a one two", "h", name="it")],
        [node("Clip", "a two", "h", name="it")],
        [node("HardSigmoid", "a", "h", name="it", alpha=0.25)],
        [node("LeakyRelu", "a", "h", name="it", alpha=0.1)],
        [node("PRelu", "a slope", "h", name="it")],
        [node("BatchNormalization", "a gamma b mean gamma", "n"), node("LeakyRelu", "n", "h", name="it")],
        [node("Mul", "a channels", "m"), node("Abs", "m", "h", name="it")],
        [node("Conv", "x v", "c"), node("Sub", "a c", "s", name="it"), node("Relu", "s", "h")],
        [node("Conv", "x v", "c"), node("Add", "a c", "s"), node("LeakyRelu", "s", "h", name="it")],
        [node("Conv", "x v", "c"), node("Add", "a c", "s"), node("Abs", "s", "h", name="it")],
        [node("LeakyRelu", "a", "l", name="it"), node("AveragePool", "l", "h", kernel_shape=[2, 2])],
    ],
    ids=lambda nodes: " ".join(n.op_type for n in nodes),
)  # fmt: skip
def test_rewritten_networks_can_spike(middle: list, tmp_path: Path) -> None:
    graph, table = tailored_network([CONV, *middle, HEAD], tmp_path)
    assert table["it"] == REWRITTEN
    assert OBSTACLE not in table.values()
    make_plan(graph)


def test_the_absolute_value_of_a_centred_image(tmp_path: Path) -> None:
    """The preprocessing of Cao 2015 inside the network: two ReLUs of the image itself."""
    nodes = [node("Sub", "x c", "a"), node("Abs", "a", "h", name="abs"), node("Conv", "h w")]
    model = network(nodes, {"c": 0.5 + floats(2, 1, 1), "w": WEIGHTS["w"]}, MAPS, axes=4)
    graph = load(written(tmp_path / "new.onnx", same_function(model, MAPS[1:])))
    make_plan(graph)
    assert [type(layer).__name__ for layer in graph] == ["Conv2d", "Conv2d", "Add", "Conv2d"]


@pytest.mark.parametrize("flatten", ["Flatten", "Reshape"])
@pytest.mark.parametrize("transposed", [0, 1])
def test_a_leaky_relu_before_a_fully_connected_layer(flatten: str, transposed: int, tmp_path: Path) -> None:
    weights = {
        **{name: WEIGHTS[name] for name in ("w", "b", "slope", "q")},
        "m": floats(3, 48) if transposed else floats(48, 3),
    }
    weights |= {"shape": np.array([0, 48], np.int64)} if flatten == "Reshape" else {}
    nodes = [
        CONV, node("PRelu", "a slope", "h", name="it"),
        node(flatten, "h shape" if flatten == "Reshape" else "h", "f"), node("Gemm", "f m q", transB=transposed),
    ]  # fmt: skip
    graph = load(written(tmp_path / "new.onnx", same_function(network(nodes, weights, MAPS), MAPS[1:])))
    make_plan(graph)
    assert isinstance(graph.output, Dense)
    assert graph.output.weight.shape == (3, 96)


@pytest.mark.parametrize("opset", [8, 9, 10, 11, 13])
def test_older_forms_of_clip(opset: int, tmp_path: Path) -> None:
    old = opset < 11
    clip = node("Clip", "a", "h", name="it", min=-0.5, max=1.5) if old else node("Clip", "a one two", "h", name="it")
    graph, table = tailored_network([CONV, clip, HEAD], tmp_path, opset=opset)
    assert table["it"] == REWRITTEN
    make_plan(graph)


def test_before_opset_8_nothing_is_rewritten() -> None:
    model = network([node("Neg", "x")], {}, MAPS, 7, axes=4)
    assert rewritten(model) == model


def test_images_of_bytes_that_the_network_casts(tmp_path: Path) -> None:
    """New constants have the type of the weights, not of the input."""
    nodes = [node("Cast", "x", "f", to=1), node("Conv", "f w b", "a"), node("LeakyRelu", "a", "h"), HEAD]
    model = network(nodes, {name: WEIGHTS[name] for name in ("w", "b", "k", "q")}, MAPS, axes=4)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    new = rewritten(model)
    x = np.random.default_rng(0).integers(0, 5, (3, *MAPS[1:])).astype(np.uint8)
    np.testing.assert_allclose(outputs(new, x)[0], outputs(model, x)[0], rtol=1e-4, atol=1e-4)
    make_plan(load(written(tmp_path / "new.onnx", new)))


@pytest.mark.parametrize("transposed", [0, 1])
def test_two_fully_connected_layers_become_one(transposed: int, tmp_path: Path) -> None:
    first, second = floats(7, 60), floats(3, 7)
    weights = {"w": first if transposed else first.T.copy(), "b": floats(7), "v": second.T.copy(), "c": floats(3)}
    nodes = [
        node("Flatten", "x", "f"), node("Gemm", "f w b", "h", name="fc1", transB=transposed, alpha=0.5, beta=2.0),
        node("MatMul", "h v", "m", name="fc2"), node("Add", "m c"),
    ]  # fmt: skip
    model = network(nodes, weights, MAPS)
    graph = load(written(tmp_path / "new.onnx", same_function(model, MAPS[1:])))
    assert [type(layer).__name__ for layer in graph] == ["Flatten", "Dense"]
    table = report(written(tmp_path / "old.onnx", model))
    assert dict(zip(table["node"], table["explanation"], strict=True))["fc1"] == "merged into 'fc2'"


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_depthwise_and_a_pointwise_convolution_become_one(groups: int, stride: int, tmp_path: Path) -> None:
    depthwise = node("Conv", "x d b", "a", name="deep", group=2, pads=[1, 0, 1, 2], strides=[1, 2], dilations=[1, 2])
    pointwise = node("Conv", "a point q", name="point", strides=[stride, stride], group=groups)
    point = floats(6, 4 // groups, 1, 1)
    weights = {"d": WEIGHTS["d"], "b": WEIGHTS["b"], "q": floats(6), "point": point}
    model = network([depthwise, pointwise], weights, MAPS, axes=4)
    graph = load(written(tmp_path / "new.onnx", same_function(model, MAPS[1:])))
    (layer,) = graph
    assert isinstance(layer, Conv2d)
    assert layer.stride == (stride, 2 * stride)


@pytest.mark.parametrize(
    "nodes",
    [
        [CONV, LEAKY, node("MaxPool", "h", "m", kernel_shape=[2, 2]), node("Conv", "m k")],
        [CONV, LEAKY, node("Conv", "h p", "s"), node("Conv", "h p", "t"), node("Sub", "s t")],
        [CONV, node("LeakyRelu", "a", "l", name="it"), node("Relu", "a", "r"), node("Add", "l r", "h"), HEAD],
    ],
)  # fmt: skip
def test_what_has_no_exact_form_stays(nodes: list, tmp_path: Path) -> None:
    model = network(nodes, {k: v for k, v in WEIGHTS.items() if any(k in n.input for n in nodes)}, MAPS, axes=4)
    new = same_function(model, MAPS[1:])
    assert "LeakyRelu" in [n.op_type for n in new.graph.node]
    table = report(written(tmp_path / "old.onnx", model))
    row = table[table["node"] == "it"].iloc[0]
    assert row["verdict"] == OBSTACLE
    assert row["explanation"].endswith("signed neurons can send both, or train with ReLU instead of a slope of 0.01")
    if "Sub" not in [n.op_type for n in nodes]:
        make_plan(load(tmp_path / "old.onnx"), signed=True)


def test_a_sigmoid_in_the_middle_is_the_obstacle_and_one_at_the_end_is_none(tmp_path: Path) -> None:
    nodes = [
        node("Gemm", "x w", "h", name="fc1"), node("Sigmoid", "h", "s", name="curve"),
        node("Gemm", "s w", "t", name="fc2"), node("Sigmoid", "t", name="end"),
    ]  # fmt: skip
    table, _ = tailor(written(tmp_path / "old.onnx", network(nodes, {"w": floats(4, 4)})))
    verdicts = dict(zip(table["node"], table["verdict"], strict=True))
    assert verdicts == {"fc1": SPIKES, "curve": OBSTACLE, "fc2": SPIKES, "end": AWAY}
    assert table["explanation"][1].startswith("Sigmoid can only stand at the end; train with ReLU instead")


def test_both_classes_of_a_binary_classifier_are_the_output() -> None:
    table, _ = tailor(FILES / "sklearn_binary.onnx")
    row = table[table["node"] == "Concat"].iloc[0]
    assert (row["verdict"], row["explanation"][:26]) == (SPIKES, "'fc_3_classes', 2 neurons,")
    assert OBSTACLE not in set(table["verdict"])


OPERATIONS: Mapping[str, dict[str, Any]] = {
    "Relu": {}, "Tanh": {}, "Abs": {}, "Neg": {}, "LeakyRelu": {"alpha": 0.3}, "HardSigmoid": {}, "Identity": {},
    "AveragePool": {"kernel_shape": [2, 2]}, "MaxPool": {"kernel_shape": [2, 2]}, "Conv": {"pads": [1, 0, 0, 0]},
}  # fmt: skip
CONSTANTS = {
    "PRelu": "slope", "Clip": "low high", "Max": "low", "Add": "map", "Sub": "map", "Mul": "factor",
    "BatchNormalization": "scale bias bias scale", "Conv": "kernel bias",
}  # fmt: skip
BRANCHES = ("Add", "Concat", "Sub")


def random_constants(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "slope": np.abs(rng.normal(size=(3, 1, 1))), "low": np.array(-0.4), "high": np.array(0.9),
        "map": rng.normal(size=(3, 1, 1)), "factor": rng.uniform(0.5, 1.5, (3, 1, 1)), "bias": rng.normal(size=3),
        "scale": rng.uniform(0.5, 1.5, 3), "kernel": rng.normal(size=(3, 3, 2, 1)),
        "side": rng.normal(size=(3, 3, 1, 1)), "join": rng.normal(size=(3, 3, 1, 1)),
        "wide": rng.normal(size=(3, 6, 1, 1)),
    }  # fmt: skip


def random_network(rng: np.random.Generator, operators: Sequence[str]) -> onnx.ModelProto:
    """A chain of operators; a branch goes through a convolution and meets the chain again."""
    nodes, weights, name = [], {}, "x"
    for i, operator in enumerate(operators):
        made = {f"{key}{i}": value.astype(np.float32) for key, value in random_constants(rng).items()}
        if operator.startswith("branch "):
            kind = operator.removeprefix("branch ")
            nodes.append(node("Conv", f"{name} side{i}", f"s{i}"))
            nodes.append(node(kind, f"{name} s{i}", f"j{i}", **({"axis": 1} if kind == "Concat" else {})))
            nodes.append(node("Conv", f"j{i} {'wide' if kind == 'Concat' else 'join'}{i}", f"t{i}"))
        else:
            inputs = [name, *(f"{constant}{i}" for constant in CONSTANTS.get(operator, "").split())]
            nodes.append(node(operator, " ".join(inputs), f"t{i}", **OPERATIONS.get(operator, {})))
        weights |= {key: value for key, value in made.items() if any(key in n.input for n in nodes)}
        name = f"t{i}"
    return network([*nodes, node("Identity", name)], weights, ("batch", 3, 9, 9), axes=4)


@given(
    seed=st.integers(0, 99),
    operators=st.lists(
        st.sampled_from([*OPERATIONS, *CONSTANTS, *(f"branch {kind}" for kind in BRANCHES)]), min_size=1, max_size=7
    ),
)
@settings(max_examples=60, deadline=None)
def test_random_networks(tmp_path_factory: pytest.TempPathFactory, seed: int, operators: list[str]) -> None:
    """The same function, and verdicts that agree with importer and conversion."""
    model = random_network(np.random.default_rng(seed), operators)
    folder = tmp_path_factory.mktemp("random")
    new = written(folder / "new.onnx", same_function(model, (3, 9, 9)))
    table = report(written(folder / "old.onnx", model))
    assert can_spike(new) == (not table["verdict"].isin([OBSTACLE, UNKNOWN]).any())


# Every obstacle at once


def test_obstacles_behind_obstacles(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a", name="conv"), node("Tanh", "a", "t", name="tanh"),
        node("LayerNormalization", "t norm", "l", name="norm", axis=1), node("Softmax", "l", "s", name="soft", axis=1),
        node("Relu", "s", "r", name="relu"), node("Gather", "r one", "g", name="gather", axis=3),
        node("Conv", "r k", "c", name="conv2"), node("Elu", "c", "e", name="elu"), node("Mul", "e c", "m", name="mul"),
        node("Flatten", "m", name="flat"),
    ]  # fmt: skip
    weights = {"w": WEIGHTS["w"], "k": WEIGHTS["k"], "norm": floats(4, 4, 3), "one": np.int64(0)}
    table = report(written(tmp_path / "x.onnx", network(nodes, weights, MAPS)))
    by_name = verdicts(table)
    assert [name for name, verdict in by_name.items() if verdict == OBSTACLE] == ["tanh", "norm", "soft", "elu", "mul"]
    assert (by_name["conv"], by_name["conv2"], by_name["gather"]) == (SPIKES, SPIKES, AWAY)
    why = dict(zip(table["node"], table["explanation"], strict=True))
    assert why["soft"].startswith("Softmax can only stand at the end; train without it")
    assert "batch normalisation" in why["norm"]


def test_what_an_obstacle_hides_is_not_judged(tmp_path: Path) -> None:
    weights = {"w": floats(1, 8, 5), "r": floats(1, 8, 2), "v": floats(2, 2)}
    nodes = [node("LSTM", "x3 w r", "h", name="lstm", hidden_size=2), node("MatMul", "h v", name="fc")]
    nodes.insert(0, node("Unsqueeze", "x axis", "x3", name="more"))
    model = network(nodes, {**weights, "axis": np.array([0], np.int64)}, ("batch", 5), axes=4)
    table = report(written(tmp_path / "x.onnx", model))
    assert list(table["verdict"]) == [OBSTACLE, UNKNOWN, UNKNOWN]


def test_the_second_output_of_a_pooling_layer(tmp_path: Path) -> None:
    pool = onnx.helper.make_node("MaxPool", ["x"], ["values", "places"], kernel_shape=[2, 2])
    nodes = [pool, node("Cast", "places", "p", to=1, name="cast"), node("Flatten", "p")]
    table = report(written(tmp_path / "x.onnx", network(nodes, {}, MAPS)))
    assert table["explanation"][1] == "reads 'places', which no node writes as its first output"


def test_outputs_of_different_layers_are_an_obstacle_of_the_file(tmp_path: Path) -> None:
    model = network([node("Conv", "x w"), node("Relu", "x", "z")], {"w": WEIGHTS["w"]}, MAPS, axes=4)
    model.graph.output.append(onnx.helper.make_tensor_value_info("z", 1, ("batch", 2, 6, 5)))
    last = report(written(tmp_path / "x.onnx", model)).iloc[-1]
    assert last["verdict"] == OBSTACLE
    assert "come from different layers" in last["explanation"]


# The command


def test_the_command_writes_a_file_that_can_spike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new.onnx"
    assert not can_spike(FILES / "activations_script.onnx")
    assert main([str(FILES / "activations_script.onnx"), "--output", str(new)]) == 0
    assert can_spike(new)
    printed = capsys.readouterr().out
    assert printed.startswith("NODE")
    assert "all of it can become spikes" in printed


def test_the_command_tells_of_obstacles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FILES / "untailored.onnx")]) == 1
    assert "2 of 9 stand in the way" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"# Brianize\n", None])
def test_a_file_that_is_no_network(tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.onnx"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {path}: ")
    assert printed.err.count("\n") == 1


def test_an_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FILES / "mlp_script.onnx"), "--output", str(tmp_path / "none" / "x.onnx")]) == 2
    assert "No such file or directory" in capsys.readouterr().err

"""Networks trained in steps (QCFS) and weights stored in 8 bits, against onnxruntime; and as spikes, in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, ms
from onnx import TensorProto, helper

from conversion.normalize import normalize
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent
from models.graph import INPUT, Activation, Dense, Graph, GraphError
from models.neurons import integrate_and_fire
from models.onnx_io import load, predict, save
from tests.models.onnx_files import network, written
from tests.models.onnx_io.operators.test_table import MAPS, floats, node, refused, same

THETA, LEVELS = 1.7, 8
STEPS = {
    "theta": np.float32(THETA), "zero": np.float32(0), "one": np.float32(1), "levels": np.float32(LEVELS),
    "half": np.float32(0.5),
}  # fmt: skip


def qcfs(source: str, target: str) -> list:
    """As the authors' program exports it."""
    a, b, c, d, e, f = (f"{target}.{letter}" for letter in "abcdef")
    return [
        node("Div", f"{source} theta", a), node("Clip", f"{a} zero one", b), node("Mul", f"{b} levels", c),
        node("Add", f"{c} half", d), node("Floor", d, e), node("Div", f"{e} levels", f),
        node("Mul", f"{f} theta", target),
    ]  # fmt: skip


def test_a_network_trained_in_steps(tmp_path: Path) -> None:
    weights = {**STEPS, "w": floats(4, 2, 3, 3), "v": floats(3, 4, 2, 2), "m": floats(36, 5)}
    nodes = [
        node("Conv", "x w", "a", pads=[1] * 4), *qcfs("a", "b"), node("AveragePool", "b", "p", kernel_shape=[2, 2]),
        node("Conv", "p v", "c"), *qcfs("c", "d"), node("Flatten", "d", "f"), node("MatMul", "f m"),
    ]  # fmt: skip
    graph = same(tmp_path, network(nodes, weights, MAPS))
    assert [layer.activation.levels for layer in graph] == [LEVELS, 0, LEVELS, 0, 0]
    save(graph, tmp_path / "again.onnx")
    again = load(tmp_path / "again.onnx")
    assert [layer.name for layer in again] == [layer.name for layer in graph]
    x = floats(3, 2, 6, 5)
    np.testing.assert_allclose(predict(again, x), predict(graph, x), rtol=1e-5, atol=1e-5)


CLIPPED_LAST = {
    "as the paper writes it": [
        node("Mul", "a levels", "b"), node("Div", "b theta", "c"), node("Add", "c half", "d"), node("Floor", "d", "e"),
        node("Div", "e levels", "f"), node("Clip", "f zero one", "g"), node("Mul", "theta g", "q"),
    ],
    "clipped as whole numbers": [
        node("Mul", "a per_step", "b"), node("Add", "b half", "d"), node("Floor", "d", "e"),
        node("Clip", "e zero levels", "g"), node("Mul", "g step", "q"),
    ],
    "a ReLU first": [
        node("Relu", "a", "r"), node("Mul", "r per_step", "b"), node("Add", "b half", "d"), node("Floor", "d", "e"),
        node("Mul", "step e", "f"), node("Min", "f theta", "q"),
    ],
    "rounded down": [node("Mul", "a per_step", "b"), node("Floor", "b", "e"), node("Clip", "e zero levels", "q")],
}  # fmt: skip


@pytest.mark.parametrize("behind", ["Conv", "Add"])
@pytest.mark.parametrize("order", CLIPPED_LAST)
def test_rounding_before_clipping(tmp_path: Path, order: str, behind: str) -> None:
    """In steps that differ from those of onnxruntime nowhere: a value on the wrong side of one would show."""
    steps = {"step": np.float32(THETA / LEVELS), "per_step": np.float32(LEVELS / THETA)}
    weights = {**STEPS, **steps, "w": floats(4, 2, 3, 3), "u": floats(4, 2, 3, 3), "v": floats(3, 4, 2, 2)}
    if behind == "Add" and order == "rounded down":
        return
    paths = [node("Conv", "x w", "p"), node("Conv", "x u", "k"), node("Add", "p k", "a")]
    start = paths if behind == "Add" else [node("Conv", "x w", "a")]
    nodes = [*start, *CLIPPED_LAST[order], node("Conv", "q v")]
    used = {name: value for name, value in weights.items() if any(name in n.input for n in nodes)}
    graph = same(tmp_path, network(nodes, used, MAPS, axes=4))
    assert sorted(layer.activation.levels for layer in graph)[-1] == LEVELS
    assert len(list(graph)) == len(start) + 1


@pytest.mark.parametrize(
    "behind",
    [
        [node("Relu", "e")],
        [node("Clip", "e half one")],
        [node("Clip", "e zero half")],
        [node("Min", "e levels")],
        [node("Clip", "e zero levels", "f"), node("Add", "e f")],
        [node("Mul", "e e")],
        [node("Identity", "e")],
        [node("Div", "one e")],
    ],
)
def test_rounding_that_no_clip_follows_is_refused(tmp_path: Path, behind: list) -> None:
    nodes = [node("MatMul", "x w", "a"), node("Add", "a half", "d"), node("Floor", "d", "e"), *behind]
    used = {name: value for name, value in {**STEPS, "w": floats(4, 3)}.items() if any(name in n.input for n in nodes)}
    refused(tmp_path, network(nodes, used), "rounds, which spikes do not; only that of QCFS is possible")


def test_a_rounded_output_is_refused(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a"), node("Floor", "a")]
    refused(tmp_path, network(nodes, {"w": floats(4, 3)}), "output 'y': rounds, which spikes do not")


@pytest.mark.parametrize(
    "nodes",
    [
        [node("MatMul", "x w", "a"), node("Clip", "a zero one", "r"), node("Mul", "r theta", "s"),
         node("Add", "s half", "t"), node("Floor", "t")],
        [node("MatMul", "x w", "a"), node("Clip", "a zero one", "r"), node("Mul", "r levels", "s"), node("Floor", "s")],
        [node("MatMul", "x w", "a"), node("Clip", "a zero one", "r"), node("Add", "r half", "s"),
         node("Floor", "s", "t"), node("Add", "t r")],
    ],
)  # fmt: skip
def test_other_rounding_is_refused(tmp_path: Path, nodes: list) -> None:
    used = {name: value for name, value in {**STEPS, "w": floats(4, 3)}.items() if any(name in n.input for n in nodes)}
    refused(tmp_path, network(nodes, used), r": rounds, which spikes do not; only that of QCFS is possible")


def test_spikes_in_as_many_steps_as_levels_are_the_levels() -> None:
    """Bu et al. 2022, theorem 2: half a threshold at the start, T = L, and the error is nothing."""
    unit = np.ones((1, 1), np.float32)
    graph = Graph((1,), (
        Dense(name="a", inputs=(INPUT,), weight=unit, activation=Activation(0.0, 0.8, levels=LEVELS)),
        Dense(name="b", inputs=("a",), weight=unit),
    ))  # fmt: skip
    x = np.linspace(-0.997, 0.997, 41, dtype=np.float32)[:, None]
    normalised = normalize(graph, x, "percentile", percentile=100, headroom=2.0)
    simulation = Simulation(
        neuron=integrate_and_fire(v_init="half"), encoder=ConstantCurrent(1000 * Hz), duration=LEVELS * ms
    )
    counts = simulate(normalised, x, simulation).spike_counts["a"]
    np.testing.assert_array_equal(counts, np.floor(np.clip(x / 0.8, 0, 1) * LEVELS + 0.5))
    np.testing.assert_allclose(0.8 * counts / LEVELS, predict(Graph((1,), graph.layers[:1]), x), atol=1e-6)


def test_levels_need_a_ceiling() -> None:
    with pytest.raises(GraphError, match="4 levels need a ReLU with a ceiling"):
        Activation(levels=4)
    with pytest.raises(GraphError, match="4 levels need"):
        Activation(0.1, 1.0, levels=4)


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("axis", [None, 0])
@pytest.mark.parametrize("zero_point", [False, True])
@pytest.mark.parametrize("opset", [13, 17, 21])
def test_weights_of_eight_bits(tmp_path: Path, kind: type, axis: int | None, zero_point: bool, opset: int) -> None:
    stored = np.random.default_rng(0).integers(np.iinfo(kind).min, np.iinfo(kind).max, (4, 2, 3, 3)).astype(kind)
    scales = np.abs(floats(4)) / 100 if axis == 0 else np.float32(0.01)
    weights = {"stored": stored, "scales": scales.astype(np.float32)}
    if zero_point:
        weights["zeros"] = np.full_like(scales, 7, kind)
    names = "stored scales zeros" if zero_point else "stored scales"
    along = {} if axis is None else {"axis": axis}
    nodes = [node("DequantizeLinear", names, "w", **along), node("Conv", "x w", "a"), node("Relu", "a")]
    assert len(same(tmp_path, network(nodes, weights, MAPS, opset, axes=4)).layers) == 1


def test_weights_of_four_bits(tmp_path: Path) -> None:
    values = np.array([[-8, 7, 1], [0, -1, 3], [2, 5, -4], [6, -7, 4]], np.int8)
    tensor = helper.make_tensor("stored", TensorProto.INT4, values.shape, values.flatten())
    model = network(
        [node("DequantizeLinear", "stored scale", "w"), node("MatMul", "x w")], {"scale": np.float32(0.5)}, opset=21
    )
    model.ir_version = 10
    model.graph.initializer.append(tensor)
    graph = load(written(tmp_path / "x.onnx", model))  # onnxruntime itself rounds its sums there
    np.testing.assert_array_equal(graph.output.weight, values.T / 2)


def test_activations_of_eight_bits_are_refused(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x scale zero", "q"),
        node("DequantizeLinear", "q scale zero", "d"),
        node("Relu", "d"),
    ]
    weights = {"scale": np.float32(0.1), "zero": np.uint8(0)}
    refused(tmp_path, network(nodes, weights), r"\(QuantizeLinear\): .*export the network before it is quantised")

"""Weights in half precision: rounded to 11 bits, half the size, computed with in single precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.graph import LINEAR, Dense, Graph, sequential
from models.onnx_io.half import to_half
from models.onnx_io.reading import load
from models.onnx_io.writing import to_onnx
from tests.models.onnx_files import network, written

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

"""Maps that are enlarged or thinned out by the nearest pixel, against onnxruntime; and as spikes, pixel by pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.normalize import normalize
from conversion.plan import make_plan
from conversion.plan.connections import neuron_order
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent
from models.graph import INPUT, Conv2d, Graph, GraphError, Upsample2d
from models.neurons import integrate_and_fire
from models.onnx_io import activations
from tests.models.onnx_files import network
from tests.models.onnx_io.operators.test_table import MAPS, floats, node, refused, same

W = {"w": floats(2, 2, 3, 3), "b": floats(2)}
CONV, RELU = node("Conv", "x w b", "c", pads=[1] * 4), node("Relu", "c", "r")


def scales(*factors: float) -> dict[str, np.ndarray]:
    return {"scales": np.array([1, 1, *factors], np.float32)}


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"},
        {"coordinate_transformation_mode": "pytorch_half_pixel"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("factor", [(2, 2), (3, 1), (1, 4), (2, 3)])
def test_enlarging_by_whole_factors(tmp_path: Path, settings: dict[str, Any], factor: tuple[int, int]) -> None:
    nodes = [
        CONV,
        RELU,
        node("Resize", "r - scales", "u", mode="nearest", **settings),
        node("Conv", "u w b", pads=[1] * 4),
    ]
    graph = same(tmp_path, network(nodes, {**W, **scales(*factor)}, MAPS, axes=4))
    layer = graph.layers[1]
    assert isinstance(layer, Upsample2d)
    assert layer.factor == factor
    make_plan(graph)


def test_older_forms(tmp_path: Path) -> None:
    old = node("Upsample", "x", scales=[1.0, 1.0, 2.0, 3.0])
    same(tmp_path, network([old], {}, MAPS, 8, axes=4))
    same(tmp_path, network([node("Upsample", "x scales")], scales(2, 3), MAPS, 9, axes=4))
    same(tmp_path, network([node("Resize", "x scales")], scales(2, 3), MAPS, 10, axes=4))
    sizes = {"sizes": np.array([2, 2, 12, 10])}
    same(tmp_path, network([node("Resize", "x - - sizes")], sizes, (2, *MAPS[1:]), axes=4))


def test_scaled_and_shifted_maps_are_enlarged(tmp_path: Path) -> None:
    norm = {"gamma": floats(2), "beta": floats(2), "mean": floats(2), "var": 1 + np.abs(floats(2))}
    nodes = [CONV, RELU, node("BatchNormalization", "r gamma beta mean var", "n"), node("Resize", "n - scales", "u"),
             node("Conv", "u w", pads=[1] * 4)]  # fmt: skip
    assert len(same(tmp_path, network(nodes, {**W, **norm, **scales(2, 2)}, MAPS, axes=4)).layers) == 3


@pytest.mark.parametrize("factor", [(0.5, 0.5), (1.0, 0.2)])
def test_thinning_out(tmp_path: Path, factor: tuple[float, float]) -> None:
    nodes = [CONV, RELU, node("Resize", "r - scales", "u"), node("Relu", "u")]
    same(tmp_path, network(nodes, {**W, **scales(*factor)}, MAPS, axes=4))


def test_beside_a_finer_map_as_detectors_do(tmp_path: Path) -> None:
    nodes = [
        CONV, RELU, node("MaxPool", "r", "p", kernel_shape=[2, 1], strides=[2, 1]), node("Resize", "p - scales", "u"),
        node("Concat", "u r", "j", axis=1), node("Conv", "j v"),
    ]  # fmt: skip
    graph = same(tmp_path, network(nodes, {**W, **scales(2, 1), "v": floats(3, 4, 1, 1)}, MAPS, axes=4))
    make_plan(graph)


@pytest.mark.parametrize(
    ("resize", "factors", "words"),
    [
        (node("Resize", "x - scales", mode="linear"), (2, 2), "resizes by mode 'linear'; only taking the nearest"),
        (node("Resize", "x - scales"), (1.5, 1.5), "come in another order"),
        (node("Resize", "x - scales"), (1e6, 1e6), "is the most possible"),
    ],
)
def test_what_is_refused(tmp_path: Path, resize: Any, factors: tuple, words: str) -> None:
    refused(tmp_path, network([resize], scales(*factors), MAPS, axes=4), words)


def test_a_factor_below_one_is_no_layer() -> None:
    with pytest.raises(GraphError, match=r"factor is \(0, 2\)"):
        Graph((1, 2, 2), (Upsample2d(name="u", inputs=(INPUT,), factor=(0, 2)),))


def enlarged(channels: int = 2) -> Graph:
    weight = np.abs(floats(channels, 1, 3, 3))
    first = Conv2d(name="first", inputs=(INPUT,), weight=weight, padding=(1, 1, 1, 1))
    last = Conv2d(name="last", inputs=("up",), weight=np.abs(floats(2, channels, 2, 2)))
    return Graph((1, 4, 5), (first, Upsample2d(name="up", inputs=("first",), factor=(2, 3)), last))


def test_each_pixel_reaches_those_that_it_becomes() -> None:
    graph = Graph((2, 3, 4), (Upsample2d(name="up", inputs=(INPUT,), factor=(2, 3)),))
    connection = make_plan(graph).projections[0].connection
    x = floats(2, 3, 4)
    by_neuron = np.empty(x.size)
    by_neuron[neuron_order(x.shape)] = x.ravel()
    made = (by_neuron @ connection.unrolled().toarray())[neuron_order((2, 6, 12))].reshape(2, 6, 12)
    np.testing.assert_allclose(made, x.repeat(2, 1).repeat(3, 2), rtol=1e-6)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("scheme", ["channel", "data"])
def test_spikes_are_passed_on(connectivity: Any, scheme: Any) -> None:
    images = np.random.default_rng(0).random((3, 1, 4, 5), np.float32)
    graph = normalize(enlarged(), images, scheme)
    simulation = Simulation(
        neuron=integrate_and_fire(v_init="half"), encoder=ConstantCurrent(1000 * Hz), duration=300 * ms,
        connectivity=connectivity,
    )  # fmt: skip
    counts = simulate(graph, images, simulation).spike_counts
    np.testing.assert_array_equal(counts["up"], counts["first"].repeat(2, 2).repeat(3, 3))
    np.testing.assert_allclose(counts["last"] / 300, np.clip(activations(graph, images)["last"], 0, 1), atol=0.03)

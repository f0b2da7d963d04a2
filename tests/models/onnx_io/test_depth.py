"""Networks of thousands of nodes, and of so many junctions that walking each path would never end."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
import onnx
import pytest

from conversion.normalize import normalize
from conversion.plan import make_plan
from models.onnx_io import load, predict
from models.structure import possibly_negative
from models.tailor import tailor
from tests.models.onnx_files import network, written
from tests.models.onnx_io.operators.test_table import node

MANY = 2000
WEIGHTS = {"w": np.eye(3, dtype=np.float32), "one": np.array(1, np.float32)}


def chain(start: str, *operators: str) -> list[onnx.NodeProto]:
    """Nodes that read each other in turn; a `t` among the inputs is what the node before it makes."""
    nodes, before = [], start
    for i, words in enumerate(operators):
        operator, *inputs = words.split()
        nodes.append(node(operator, " ".join(before if name == "t" else name for name in inputs), f"t{i}"))
        before = f"t{i}"
    return [*nodes, node("Identity", before)]


NETWORKS = {
    "layers": (chain("x", *["MatMul t w", "Relu t"] * MANY), lambda x: np.maximum(x, 0)),
    "thirty additions": (chain("x", *["Add t t"] * 30, "MatMul t w"), lambda x: 2.0**30 * x),
    "two thousand additions": (chain("x", *["Add t t", "Mul t half"] * (MANY // 2), "MatMul t w"), lambda x: x),
    "factors": (chain("x", "MatMul t w", *["Mul t one"] * MANY, "LeakyRelu t", "MatMul t w"),
                lambda x: np.where(x > 0, x, 0.01 * x)),
    "nothing": (chain("x", "MatMul t w", *["Identity t"] * MANY, "Relu t"), lambda x: np.maximum(x, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_many_nodes_take_seconds(tmp_path: Path, name: str) -> None:
    nodes, wanted = NETWORKS[name]
    used = {name for n in nodes for name in n.input}
    weights = {k: v for k, v in {**WEIGHTS, "half": np.array(0.5, np.float32)}.items() if k in used}
    path = written(tmp_path / "x.onnx", network(nodes, weights, ("batch", 3)))
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    start = perf_counter()
    graph = load(path)
    np.testing.assert_allclose(predict(graph, x), wanted(x), rtol=1e-5)
    make_plan(graph, signed=True)
    possibly_negative(graph)
    normalize(graph, np.abs(x), "data")
    tailor(path)
    assert perf_counter() - start < 30

"""A graph written to ONNX and read again is the same network, with the same names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph import (
    INPUT,
    LINEAR,
    RELU,
    Activation,
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Layer,
    MaxPool2d,
)
from models.onnx_io.reading import load
from models.onnx_io.running import activations
from models.onnx_io.writing import save, to_onnx


class Source:
    """Draws from hypothesis; arrays come from a seed, because their exact values do not matter."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 999)))

    def floats(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape).astype(np.float32)

    def activation(self, channels: int) -> Activation:
        slopes, ceilings = np.abs(self.floats(channels)), 0.1 + np.abs(self.floats(channels))
        choices = [
            RELU, LINEAR, Activation(0.1), Activation(slopes), Activation(ceiling=6.0), Activation(ceiling=ceilings),
            Activation(slopes, ceilings), Activation(1.0, 0.5),
        ]  # fmt: skip
        return self.draw(st.sampled_from(choices))

    def conv(self, name: str, source: str, shape: tuple[int, ...]) -> Layer:
        """A 3x3 convolution that keeps the size of the map, so that every layer can meet every other."""
        groups = self.draw(st.sampled_from([1, shape[0]]))
        bias = self.draw(st.sampled_from([None, self.floats(shape[0]), self.floats(*shape)]))
        weight = self.floats(shape[0], shape[0] // groups, 3, 3)
        return Conv2d(
            name=name, inputs=(source,), weight=weight, bias=bias, padding=(1, 1, 1, 1), groups=groups,
            activation=self.activation(shape[0]),
        )  # fmt: skip

    def pool(self, name: str, source: str, shape: tuple[int, ...]) -> Layer:
        window = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)}
        if self.draw(st.booleans()):
            return MaxPool2d(name=name, inputs=(source,), **window)
        return AvgPool2d(name=name, inputs=(source,), **window, count_padding=self.draw(st.booleans()))

    def junction(self, name: str, sources: list[str], shape: tuple[int, ...]) -> Layer:
        gain = self.draw(st.sampled_from([1.0, 0.5, np.abs(self.floats(shape[0]))]))
        return Add(name=name, inputs=tuple(sources), gain=gain, activation=self.activation(shape[0]))


NAMES = ("conv.1", "2nd layer", "a/b", "Relu", "pool", "größe")


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Layers of one map size that read any earlier ones; what nobody has read is joined, flattened and weighted."""
    source, shape = Source(draw), (draw(st.integers(1, 3)), 4, 3)
    layers: list[Layer] = []
    for name in NAMES[: draw(st.integers(1, len(NAMES)))]:
        earlier = st.sampled_from([INPUT, *(layer.name for layer in layers)])
        kind = draw(st.sampled_from(["conv", "conv", "pool", "junction"]))
        if kind == "junction":
            layers.append(source.junction(name, draw(st.lists(earlier, min_size=1, max_size=3)), shape))
        else:
            layers.append(getattr(source, kind)(name, draw(earlier), shape))
    read = {name for layer in layers for name in layer.inputs}
    loose = [layer.name for layer in layers if layer.name not in read]
    features = len(loose) * shape[0] * 12
    return Graph(shape, (
        *layers,
        Concat(name="side by side", inputs=tuple(loose)),
        Flatten(name="flat", inputs=("side by side",)),
        Dense(name="fc", inputs=("flat",), weight=source.floats(3, features), bias=source.floats(3), activation=LINEAR),
    ))  # fmt: skip


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_every_layer_comes_back_with_its_name_and_its_values(
    tmp_path_factory: pytest.TempPathFactory, graph: Graph
) -> None:
    path = tmp_path_factory.mktemp("round") / "network.onnx"
    save(graph, path)
    again = load(path)
    x = np.random.default_rng(1).normal(size=(2, *graph.input_shape)).astype(np.float32)
    wanted, got = activations(graph, x), activations(again, x)
    assert list(got) == list(wanted)
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-4, atol=1e-4, err_msg=name)


def small() -> Graph:
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    hidden = Dense(name="hidden", inputs=(INPUT,), weight=weight)
    return Graph((2,), (hidden, Dense(name="out", inputs=("hidden",), weight=weight.T, activation=LINEAR)))


def test_the_file_passes_the_full_check_of_onnx(tmp_path: Path) -> None:
    save(small(), tmp_path / "network.onnx")
    model = onnx.load(tmp_path / "network.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [output.name for output in model.graph.output] == ["out"]


def test_weights_come_back_bit_for_bit(tmp_path: Path) -> None:
    save(small(), tmp_path / "network.onnx")
    np.testing.assert_array_equal(load(tmp_path / "network.onnx")["hidden"].weight, small()["hidden"].weight)


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        save(small(), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_outputs_are_the_layers_asked_for() -> None:
    assert [output.name for output in to_onnx(small(), ["out", "hidden"]).graph.output] == ["out", "hidden"]
    with pytest.raises(KeyError, match="no layer 'none'; the layers are hidden, out"):
        to_onnx(small(), ["none"])


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "network.onnx"
    before = b"another network"
    path.write_bytes(before)

    def full_disk(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save(small(), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["network.onnx"]

"""onnxruntime's forward pass of a graph, against sums written out as loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.graph import (
    INPUT,
    LINEAR,
    Activation,
    Add,
    AvgPool2d,
    Conv2d,
    Dense,
    Graph,
    GraphError,
    MaxPool2d,
    Pool2d,
    sequential,
)
from models.onnx_io import running
from models.onnx_io.running import activations, predict
from models.onnx_io.writing import to_onnx

RNG = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


@st.composite
def windows(draw: st.DrawFn) -> dict:
    """Kernel, stride and padding that onnxruntime accepts: padding is smaller than the kernel."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.integers(0, kernel[axis % 2] - 1)) for axis in range(4))
    return {"kernel": kernel, "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))), "padding": padding}


@st.composite
def convolutions(draw: st.DrawFn) -> Graph:
    window, groups = draw(windows()), draw(st.integers(1, 3))
    per_group, out = draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    layer = Conv2d(
        name="conv", inputs=(INPUT,), weight=floats(out, per_group, *window["kernel"]), bias=floats(out), groups=groups,
        stride=window["stride"], padding=window["padding"], activation=LINEAR,
        dilation=draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
    )  # fmt: skip
    return fitting(draw, groups * per_group, layer)


@st.composite
def pools(draw: st.DrawFn) -> Graph:
    window = draw(windows())
    if draw(st.booleans()):
        layer = MaxPool2d(name="pool", inputs=(INPUT,), **window, ceil_mode=draw(st.booleans()))
    else:
        options = {"ceil_mode": draw(st.booleans()), "count_padding": draw(st.booleans())}
        layer = AvgPool2d(name="pool", inputs=(INPUT,), **window, **options)
    return fitting(draw, draw(st.integers(1, 2)), layer)


def fitting(draw: st.DrawFn, channels: int, layer: Conv2d | Pool2d) -> Graph:
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    try:
        return Graph((channels, *size), (layer,))
    except GraphError:
        assume(False)
        raise


def runtime_output(graph: Graph, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(to_onnx(graph).SerializeToString())
    return session.run(None, {INPUT: x})[0]


def convolve(x: np.ndarray, layer: Conv2d, shape: tuple[int, ...]) -> np.ndarray:
    """The definition of a convolution, term by term."""
    out_per_group, in_per_group = len(layer.weight) // layer.groups, layer.weight.shape[1]
    y = np.zeros((len(x), *shape))
    for out, row, column in itertools.product(*map(range, shape)):
        y[:, out, row, column] = layer.bias[out]
        for channel, i, j in itertools.product(*map(range, layer.weight.shape[1:])):
            source = out // out_per_group * in_per_group + channel
            r = row * layer.stride[0] + i * layer.dilation[0] - layer.padding[0]
            c = column * layer.stride[1] + j * layer.dilation[1] - layer.padding[1]
            if 0 <= r < x.shape[2] and 0 <= c < x.shape[3]:
                y[:, out, row, column] += layer.weight[out, channel, i, j] * x[:, source, r, c]
    return y


def pool(x: np.ndarray, layer: Pool2d, shape: tuple[int, ...]) -> np.ndarray:
    """Maximum or mean over the part of the window that lies on the map, or on the map with its padding."""
    top, left, bottom, right = layer.padding
    y = np.zeros((len(x), *shape))
    for row, column in itertools.product(*map(range, shape[1:])):
        start = row * layer.stride[0] - top, column * layer.stride[1] - left
        rows = range(start[0], min(start[0] + layer.kernel[0], x.shape[2] + bottom))
        columns = range(start[1], min(start[1] + layer.kernel[1], x.shape[3] + right))
        part = x[:, :, max(start[0], 0) : rows.stop, max(start[1], 0) : columns.stop]
        if isinstance(layer, MaxPool2d):
            y[:, :, row, column] = part.max(axis=(2, 3))
        else:
            count = len(rows) * len(columns) if layer.count_padding else math.prod(part.shape[2:])
            y[:, :, row, column] = part.sum(axis=(2, 3)) / count
    return y


def as_defined(graph: Graph, name: str, definition: Callable[..., np.ndarray]) -> None:
    """onnxruntime's output has the shape that the graph says and the values that the definition gives."""
    x, shape = floats(2, *graph.input_shape), graph.shapes[name]
    y = runtime_output(graph, x)
    assert y.shape[1:] == shape
    np.testing.assert_allclose(y, definition(x, graph[name], shape), rtol=1e-4, atol=1e-5)


@given(convolutions())
@settings(max_examples=60, deadline=None)
def test_a_convolution_has_the_shape_and_the_values_of_its_definition(graph: Graph) -> None:
    as_defined(graph, "conv", convolve)


@given(pools())
@settings(max_examples=100, deadline=None)
def test_a_pooling_has_the_shape_and_the_values_of_its_definition(graph: Graph) -> None:
    as_defined(graph, "pool", pool)


def branching() -> Graph:
    """Two paths that meet at an Add with a gain per feature; leaky, with ceilings."""
    leaky = Activation(negative_slope=0.1, ceiling=0.5)
    prelu = Activation(negative_slope=np.array([0.0, 0.5, 1.0], np.float32), ceiling=np.array([1, 2, 3], np.float32))
    return Graph(
        (4,),
        (
            Dense(name="a", inputs=(INPUT,), weight=floats(3, 4), bias=floats(3), activation=leaky),
            Dense(name="b", inputs=("a",), weight=floats(3, 3), activation=prelu),
            Add(name="sum", inputs=("a", "b"), gain=np.array([0.5, 2, 3], np.float32)),
            Dense(name="out", inputs=("sum",), weight=floats(2, 3), activation=LINEAR),
        ),
    )


def by_hand(graph: Graph, x: np.ndarray) -> dict[str, np.ndarray]:
    """The network of `branching` in NumPy: before and after each activation."""
    a_pre = x @ graph["a"].weight.T + graph["a"].bias
    a = np.minimum(np.where(a_pre > 0, a_pre, 0.1 * a_pre), 0.5)
    b_pre = a @ graph["b"].weight.T
    b = np.minimum(np.where(b_pre > 0, b_pre, [0.0, 0.5, 1.0] * b_pre), [1, 2, 3])
    total = [0.5, 2, 3] * (a + b)
    return {"a": a, "b": b, "sum": total, "out": total @ graph["out"].weight.T}


def test_activations_of_every_layer() -> None:
    graph, x = branching(), floats(7, 4)
    got, wanted = activations(graph, x), by_hand(graph, x)
    assert list(got) == ["a", "b", "sum", "out"]
    for name, values in got.items():
        np.testing.assert_allclose(values, wanted[name], rtol=1e-5, atol=1e-6)
        assert values.dtype == np.float32
    np.testing.assert_array_equal(predict(graph, x), got["out"])


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_batches_make_no_difference(batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BATCH", batch_size)
    graph, x = branching(), floats(7, 4)
    got, wanted = activations(graph, x, ["sum", "a"]), by_hand(graph, x)
    for name in ("sum", "a"):
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-5, atol=1e-6)


def test_no_layers_give_no_arrays() -> None:
    assert activations(branching(), floats(7, 4), []) == {}


def test_no_images_give_empty_arrays() -> None:
    assert activations(branching(), floats(0, 4), ["b"])["b"].shape == (0, 3)


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images of shape \(5,\) do not fit the network's input \(4,\)"):
        predict(branching(), floats(7, 5))


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(KeyError, match="no layer 'c'; the layers are a, b, sum, out"):
        activations(branching(), floats(7, 4), ["c"])


@pytest.mark.parametrize(("memory", "passes"), [(1e9, 1), (0, 3), (4 * 3 * (5 + 4), 2)])
def test_layers_in_turn_come_in_as_few_passes_as_memory_allows(
    monkeypatch: pytest.MonkeyPatch, memory: float, passes: int
) -> None:
    """Of 3 images the layers take 60, 48 and 24 bytes."""
    graph, x = dense_chain(4, 5, 4, 2), np.random.default_rng(1).random((3, 4), np.float32)
    expected, called = activations(graph, x), []
    monkeypatch.setattr(running, "activations", lambda *args: called.append(args) or activations(*args))
    for (name, values), layer in zip(running.activations_in_turn(graph, x, list(expected), memory), graph, strict=True):
        assert name == layer.name
        np.testing.assert_array_equal(values, expected[name])
    assert len(called) == passes


def dense_chain(*sizes: int) -> Graph:
    rng = np.random.default_rng(0)
    pairs = itertools.pairwise(sizes)
    layers = (
        Dense(name=f"fc{n}", inputs=(), weight=rng.normal(size=(out, into)).astype(np.float32))
        for n, (into, out) in enumerate(pairs)
    )
    return sequential(sizes[:1], *layers)

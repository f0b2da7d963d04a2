"""Shot noise in closed form, and as the variance of inputs that a loop in NumPy draws and adds up, spike by spike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz

from conversion.normalize.scales import rescale
from models.encoders import ConstantCurrent, OnOff, Phase, Poisson
from models.graph import INPUT, LINEAR, Add, AvgPool2d, Concat, Conv2d, Dense, Flatten, Graph, MaxPool2d, sequential
from models.onnx_io.running import activations
from models.shot_noise import as_text, shot_noise
from tests.conversion.networks import leaky, networks
from tests.conversion.zero_delay_loop import is_linear_path, weighted_input

GRAPHS = networks() | {"leaky": leaky(networks()["conv, flatten, dense"], 0.3)}
SHARED = {"junction of spiking paths": ("conv2", "shortcut")}  # paths that meet, and so one size of spikes
WEIGHTED = Conv2d | Dense | Add
COPIES = 100


def images_for(graph: Graph, n: int = 2) -> np.ndarray:
    return (np.random.default_rng(2).integers(0, 17, (n, *graph.input_shape)) / 16).astype(np.float32)


def sizes_of(graph: Graph, values: dict[str, np.ndarray], shared: tuple[str, ...]) -> dict[str, float]:
    """The largest activation of each layer with weights; pooling hands on spikes of the size that it reads."""
    sizes = {INPUT: 1.0}
    for layer in graph:
        own = isinstance(layer, WEIGHTED)
        sizes[layer.name] = np.abs(values[layer.name]).max() if own else sizes[layer.inputs[0]]
    return sizes | dict.fromkeys(shared, max((sizes[name] for name in shared), default=0))


def drawn(graph: Graph, images: np.ndarray, per_step: float, shared: tuple[str, ...], draws: int):
    """The variance over random steps of what each neuron with weights receives, the mean of neurons and images."""
    values = activations(graph, images) | {INPUT: images}
    sizes, rng, received = sizes_of(graph, values, shared), np.random.default_rng(0), {}
    values = {name: np.tile(a, (COPIES, *[1] * (a.ndim - 1))) for name, a in values.items()}
    images = values[INPUT]
    for _ in range(draws // COPIES):
        out = {INPUT: 1.0 * (rng.random(images.shape) < per_step * images)}
        for layer in graph:
            x = [out[name] for name in layer.inputs]
            if isinstance(layer, Flatten):
                out[layer.name] = x[0].reshape(len(x[0]), -1)
            elif isinstance(layer, Concat):
                out[layer.name] = np.concatenate(x, axis=1)
            else:
                if isinstance(layer, WEIGHTED):
                    received.setdefault(layer.name, []).append(weighted_input(layer, x))
                a = values[layer.name]
                spikes = rng.random(a.shape) < per_step * np.abs(a) / sizes[layer.name]
                linear = is_linear_path(graph, layer)
                out[layer.name] = received[layer.name][-1] if linear else spikes * np.sign(a) * sizes[layer.name]
    by_image = {name: np.reshape(some, (draws, -1, *some[0].shape[1:])) for name, some in received.items()}
    return {name: np.var(some, axis=0).mean() for name, some in by_image.items()}, values


@pytest.mark.parametrize("per_step", [1.0, 0.3])
@pytest.mark.parametrize("name", GRAPHS)
def test_it_is_the_standard_deviation_of_drawn_inputs(name, per_step):
    graph = GRAPHS[name]
    images = images_for(graph)
    variances, values = drawn(graph, images, per_step, SHARED.get(name, ()), draws=1000)
    table = shot_noise(graph, images, per_step=per_step)
    names = [layer.name for layer in graph if isinstance(layer, WEIGHTED) and not is_linear_path(graph, layer)]
    assert table.index.tolist() == names
    for layer, over_largest, over_typical, steps in table.itertuples():
        a = np.abs(values[layer]) if layer != graph.output.name else np.maximum(values[layer], 0)
        noise, typical = np.sqrt(variances[layer]), np.sqrt(np.mean(a**2))
        assert over_largest == pytest.approx(noise / a.max(), rel=0.04)
        assert over_typical == pytest.approx(noise / typical, rel=0.04)
        assert steps == pytest.approx((noise / (per_step * typical)) ** 2, rel=0.08)


def test_two_layers_by_hand():
    """Inputs 0.5 and 1 through weights 4 and -2: variance 16 / 4 + 0, activations 0 and 2.

    Of two images the second layer then reads spikes of size 2 with the probabilities 0 and 1, which do not scatter.
    """
    first = Dense(name="a", inputs=(), weight=np.array([[4, -2]], np.float32))
    graph = sequential((2,), first, Dense(name="b", inputs=(), weight=np.array([[3]], np.float32)))
    table = shot_noise(graph, np.array([[0.5, 1], [0.5, 0]], np.float32))
    assert table.loc["a"].tolist() == pytest.approx([2 / 2, 2 / np.sqrt(2), 2])
    assert table.loc["b"].tolist() == [0, 0, 0]


def test_half_as_active_neurons_scatter_most():
    """Of n inputs x the variance is n x (1 - x): none where all are white, and as from a fair coin at one half."""
    graph = sequential((16,), Dense(name="a", inputs=(), weight=np.ones((1, 16), np.float32)))
    noise = {x: shot_noise(graph, np.full((1, 16), x, np.float32)).loc["a", "over_largest"] for x in (0.1, 0.5, 1.0)}
    assert noise == pytest.approx({x: np.sqrt(16 * x * (1 - x)) / (16 * x) for x in noise}, abs=1e-6)


@pytest.mark.parametrize("name", GRAPHS)
def test_one_scale_per_layer_changes_nothing(name):
    graph = GRAPHS[name]
    images, rng = images_for(graph), np.random.default_rng(1)
    scales = {n.name: rng.uniform(0.3, 3) for n in graph if isinstance(n, WEIGHTED)}
    before, after = shot_noise(graph, images), shot_noise(rescale(graph, scales), images)
    np.testing.assert_allclose(after.to_numpy(), before.to_numpy(), rtol=1e-4)


def test_channels_that_are_normalised_each_have_spikes_of_their_own_size():
    """Of two channels with the activations 1 and 0.1, spikes of size 0.1 scatter a tenth as much as those of size 1."""
    first = Dense(name="a", inputs=(), weight=np.array([[1, 0], [0, 0.1]], np.float32))
    second = Dense(name="b", inputs=(), weight=np.array([[0, 1]], np.float32), activation=LINEAR)
    graph = sequential((2,), first, second)
    images = np.array([[1, 1], [0.5, 0.5]], np.float32)
    noise, by_channel = (
        shot_noise(g, images).loc["b", "over_largest"]
        for g in (graph, rescale(graph, {"a": np.array([1, 0.1]), "b": 1}))
    )
    assert noise == pytest.approx(np.sqrt(np.mean([0.1 * 0.9, 0.05 * 0.95])) / 0.1)
    assert by_channel == pytest.approx(np.sqrt(np.mean([0, 0.25])))


def test_paths_that_meet_send_spikes_of_one_size():
    """Activations 0.5 and 1.5 as spikes of size 1.5: the first in a third of the steps, the second in all."""
    paths = [Dense(name=n, inputs=(INPUT,), weight=np.full((1, 1), w, np.float32)) for n, w in (("a", 1), ("b", 3))]
    graph = Graph((1,), (*paths, Add(name="add", inputs=("a", "b"))))
    noise = shot_noise(graph, np.full((1, 1), 0.5, np.float32)).loc["add", "over_largest"]
    assert noise == pytest.approx(1.5 * np.sqrt(1 / 3 * 2 / 3) / 2)


def test_a_constant_current_has_no_noise_and_a_signed_input_that_of_its_size():
    graph = GRAPHS["conv, flatten, dense"]
    images = images_for(graph)
    poisson, constant = shot_noise(graph, images, Poisson()), shot_noise(graph, images, ConstantCurrent(500 * Hz))
    assert poisson.loc["conv1", "over_largest"] > 0
    assert constant.loc["conv1"].tolist() == [0, 0, 0]
    assert constant.loc["fc"].tolist() == poisson.loc["fc"].tolist()
    linear = Graph(graph.input_shape, (replace(graph["conv1"], activation=LINEAR),))
    signed = images * np.where(np.random.default_rng(0).random(images.shape) < 0.5, -1, 1).astype(np.float32)
    noise = [shot_noise(linear, x, OnOff()) for x in (images, signed)]
    largest = [activations(linear, x)["conv1"].max() for x in (images, signed)]
    products = [table.loc["conv1", "over_largest"] * a for table, a in zip(noise, largest, strict=True)]
    assert products[0] == pytest.approx(products[1], rel=1e-5)


def test_a_layer_that_is_never_active_has_noise_beyond_all_bounds_if_any():
    layers = (Dense(name=n, inputs=(), weight=np.full((1, 1), w, np.float32)) for n, w in (("a", -3), ("b", 1)))
    table = shot_noise(sequential((1,), *layers), np.full((1, 1), 0.5, np.float32))
    assert table.loc["a"].tolist() == [np.inf] * 3
    assert table.loc["b"].tolist() == [0, 0, 0]
    assert "inf" in as_text(table)


def test_kinds_of_pooling_hand_on_the_size_of_what_they_read():
    """Pools of four at 1/4 of the largest activation; the weight 1 of the last layer lets their variance through."""
    image = np.zeros((1, 1, 2, 2), np.float32)
    image[0, 0, 0, 0] = 0.5
    for kind, pooled in ((AvgPool2d, 1 / 4), (MaxPool2d, 1.0)):
        graph = sequential(
            (1, 2, 2),
            Conv2d(name="a", inputs=(), weight=np.full((1, 1, 1, 1), 6, np.float32)),
            kind(name="pool", inputs=(), kernel=(2, 2), stride=(2, 2)),
            Conv2d(name="b", inputs=(), weight=np.ones((1, 1, 1, 1), np.float32)),
        )
        expected = 3 * np.sqrt(pooled * (1 - pooled)) / (3 * pooled)
        assert shot_noise(graph, image).loc["b", "over_largest"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"per_step": 0.0}, r"per_step is 0\.0; a neuron sends more than 0 and at most 1 spike a step"),
        ({"per_step": 1.5}, r"per_step is 1\.5"),
        ({"encoder": Phase(4)}, r"Phase\(period=4\) gives every step a weight of its own"),
    ],
)
def test_bad_settings_are_named(settings, message):
    graph = GRAPHS["dense"]
    with pytest.raises(ValueError, match=message):
        shot_noise(graph, images_for(graph), **settings)


def test_the_text_has_a_line_per_layer():
    graph = GRAPHS["dense"]
    lines = as_text(shot_noise(graph, images_for(graph))).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["layer", "fc1", "fc2"]
    assert lines[4].startswith("Shot noise is")

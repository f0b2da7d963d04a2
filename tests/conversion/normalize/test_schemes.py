"""Normalisation: the same function up to one scale, activations that fit, and the published formulas by hand."""

from __future__ import annotations

import numpy as np
import pytest

from conversion.normalize.schemes import model_scales, normalize
from models.graph import INPUT, LINEAR, RELU, Activation, Add, Conv2d, Dense, Graph, sequential
from models.structure import negative_senders, passes_to_junctions, peers
from tests.conversion.forward import forward
from tests.conversion.networks import conv, dense, leaky, networks

SCHEMES = ["none", "model", "data", "percentile", "channel"]
SLOPES = {"leaky": 0.1, "PReLU": np.array([0.25, 1.0, 0.0, 0.5, 2.0])}


def images_for(graph, n=20, seed=0):
    return np.random.default_rng(seed).random((n, *graph.input_shape)).astype(np.float32)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", networks())
def test_the_function_is_the_same_up_to_one_output_scale(name, scheme):
    graph = networks()[name]
    images = images_for(graph)
    before = forward(graph, images)[graph.output.name]
    after = forward(normalize(graph, images, scheme), images)[graph.output.name]
    scale = np.abs(before).max() / np.abs(after).max()
    np.testing.assert_allclose(after * scale, before, rtol=1e-4, atol=1e-4 * np.abs(before).max())


@pytest.mark.parametrize("scheme", ["model", "data", "channel"])
@pytest.mark.parametrize("name", networks())
def test_no_activation_of_the_calibration_images_exceeds_one(name, scheme):
    graph = networks()[name]
    images = images_for(graph)
    for layer, values in forward(normalize(graph, images, scheme), images).items():
        assert values.max() <= 1 + 1e-4, layer


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("name", networks())
def test_leaky_networks_keep_their_function_and_both_signs_fit(name, slope, scheme):
    """Of every layer that sends negative spikes the activations lie in [-1, 1], for the calibration images."""
    graph = leaky(networks()[name], SLOPES[slope])
    images = images_for(graph)
    before, after = forward(graph, images), forward(normalize(graph, images, scheme), images)
    wanted, got = before[graph.output.name], after[graph.output.name]
    scale = np.abs(wanted).max() / np.abs(got).max()
    np.testing.assert_allclose(got * scale, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    if scheme in ("model", "data", "channel"):
        hidden = [layer for layer in graph.layers[:-1] if not passes_to_junctions(graph, layer)]
        sent = [np.abs(after[layer.name]).max() for layer in hidden if before[layer.name].min() < 0]
        assert sent
        assert max(sent) <= 1 + 1e-4
        assert max(values.max() for values in after.values()) <= 1 + 1e-4


def test_a_channel_that_is_seldom_positive_is_scaled_by_its_negative_side():
    """Activations up to 1 in the one, down to -2 in the other; Kim 2020's maximum would leave the other at -2."""
    weight = np.array([[1.0], [-4.0]], np.float32)
    hidden = Dense(name="fc1", inputs=(), weight=weight, activation=Activation(0.5))
    graph = sequential((1,), hidden, dense("fc2", "", 2, 2, activation=LINEAR))
    images = np.array([[0.0], [0.5], [1.0]], np.float32)
    np.testing.assert_allclose(normalize(graph, images, "channel")["fc1"].weight, weight / [[1], [2]])
    np.testing.assert_allclose(normalize(graph, images, "data")["fc1"].weight, weight / 2)
    output = normalize(sequential((1,), hidden), images, "channel")
    np.testing.assert_allclose(output["fc1"].weight, weight, err_msg="the output sends nothing on")


def test_model_based_counts_negative_activity_by_hand():
    """fc1 lies between -0.5 * 3 and 2; fc2 reaches 1 * 2 + 1.5 with its weights 1 and -1."""
    w1, w2 = np.array([[2.0], [-3.0]], np.float32), np.array([[1.0, -1.0]], np.float32)
    layers = (Dense(name=f"fc{n}", inputs=(), weight=w, activation=Activation(0.5)) for n, w in enumerate((w1, w2), 1))
    normalized = normalize(sequential((1,), *layers), np.empty(0), "model")
    np.testing.assert_allclose(normalized["fc1"].weight, w1 / 2)
    np.testing.assert_allclose(normalized["fc2"].weight, w2 * 2 / 3.5)


@pytest.mark.parametrize("name", ["dense", "average pooling", "residual block"])
def test_model_based_scales_bound_every_image(name):
    graph = networks()[name]
    normalized = normalize(graph, np.empty(0), "model")
    extreme = (np.random.default_rng(1).random((300, *graph.input_shape)) < 0.5).astype(np.float32)
    assert all(values.max() <= 1 + 1e-4 for values in forward(normalized, extreme).values())
    signed = normalize(leaky(graph, SLOPES["PReLU"]), np.empty(0), "model")
    sent, values = [layer.name for layer, _ in negative_senders(signed)], forward(signed, extreme)
    assert sent
    assert all(np.abs(values[name]).max() <= 1 + 1e-4 for name in sent)


def test_model_based_by_hand():
    """Diehl 2015, algorithm 1: each layer is divided by its largest sum of positive weights, layer after layer."""
    w1, w2 = np.array([[2.0, -1.0], [0.5, 1.0]], np.float32), np.array([[1.0, 3.0]], np.float32)
    graph = sequential((2,), dense_of("fc1", w1), dense_of("fc2", w2))
    normalized = normalize(graph, np.empty(0), "model")
    np.testing.assert_allclose(normalized["fc1"].weight, w1 / 2)
    np.testing.assert_allclose(normalized["fc2"].weight, w2 / 4)


def test_data_based_by_hand():
    """Diehl 2015, algorithm 2, telescoping: W_l * s_(l-1) / s_l with s = max(weight, activation), b_l / s_l."""
    w1, w2 = np.array([[2.0, 1.0], [0.5, 1.0]], np.float32), np.array([[1.0, 5.0]], np.float32)
    bias = np.array([0.5], np.float32)
    graph = sequential((2,), dense_of("fc1", w1), dense_of("fc2", w2, bias))
    images = np.array([[1.0, 0.5], [0.0, 1.0]], np.float32)  # activations (2.5, 1), (1, 1); then 8, 6.5
    normalized = normalize(graph, images, "data")
    np.testing.assert_allclose(normalized["fc1"].weight, w1 / 2.5)
    np.testing.assert_allclose(normalized["fc2"].weight, w2 * 2.5 / 8.0)
    np.testing.assert_allclose(normalized["fc2"].bias, bias / 8.0)
    dominated = normalize(graph, images * 0.1, "data")
    np.testing.assert_allclose(dominated["fc1"].weight, w1 / 2.0, err_msg="the largest weight exceeds the activations")


def test_percentile_is_that_of_the_positive_activations():
    graph = sequential(
        (1,), dense_of("fc1", np.array([[1.0], [-1.0]], np.float32)), dense_of("fc2", np.ones((1, 2), np.float32))
    )
    images = np.linspace(0, 1, 101, dtype=np.float32)[:, None]
    normalized = normalize(graph, images, "percentile", 50.0)
    np.testing.assert_allclose(1 / normalized["fc1"].weight[0, 0], np.percentile(images[1:], 50.0), rtol=1e-6)
    assert normalize(graph, images, "percentile")["fc1"].weight[0, 0] < normalized["fc1"].weight[0, 0]


def test_channel_wise_gives_every_channel_the_same_maximum():
    """Kim 2020: w_ij * lambda_i / lambda_j; every channel then reaches 1, one that never fires stays silent."""
    weight = np.array([[1.0], [0.1], [-1.0]], np.float32).reshape(3, 1, 1, 1)
    graph = sequential(
        (1, 2, 2), Conv2d(name="conv", inputs=(), weight=weight), conv("out", "", 2, 3, 2, 2, activation=LINEAR)
    )
    images = images_for(graph)
    values = forward(normalize(graph, images, "channel"), images)["conv"]
    np.testing.assert_allclose(values.max(axis=(0, 2, 3)), [1, 1, 0], atol=1e-5)
    layerwise = forward(normalize(graph, images, "percentile", 100.0), images)["conv"]
    np.testing.assert_allclose(layerwise.max(axis=(0, 2, 3)), [1, 0.1, 0], atol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES[1:])
def test_paths_that_meet_at_a_junction_have_one_scale(scheme):
    """The factor by which each path was divided, read off its own activations, is the same for both."""
    graph = networks()["residual block"]
    images = images_for(graph)
    before, after = forward(graph, images), forward(normalize(graph, images, scheme), images)
    ratios = [before[name].max(axis=(0, 2, 3)) / after[name].max(axis=(0, 2, 3)) for name in ("conv1", "conv3")]
    np.testing.assert_allclose(ratios[0], ratios[1], rtol=1e-4)


def test_a_path_straight_from_the_input_keeps_the_scale_of_the_input():
    graph = Graph(
        (2, 4, 4),
        (
            conv("conv1", INPUT, 2, 2, 3, 3, padding=(1, 1, 1, 1)),
            Add(name="add", inputs=("conv1", INPUT), activation=RELU),
            conv("conv2", "add", 2, 2, 3, 3, activation=LINEAR),
        ),
    )
    images = images_for(graph)
    before = forward(graph, images)
    after = forward(normalize(graph, images, "data"), images)
    np.testing.assert_allclose(after["conv1"], before["conv1"], rtol=1e-5)
    ratio = before["conv2"] / after["conv2"]
    np.testing.assert_allclose(ratio, ratio.ravel()[0], rtol=1e-3)


def test_a_ceiling_is_scaled_with_the_activation():
    graph = sequential(
        (3,), dense("fc1", "", 4, 3, activation=Activation(ceiling=0.7)), dense("fc2", "", 2, 4, activation=LINEAR)
    )
    images = images_for(graph)
    before, after = forward(graph, images)["fc2"], forward(normalize(graph, images, "data"), images)["fc2"]
    np.testing.assert_allclose(before / after, (before / after).ravel()[0], rtol=1e-4)


def test_a_silent_layer_is_left_as_it_is():
    graph = sequential(
        (2,), dense_of("fc1", -np.ones((3, 2), np.float32)), dense_of("fc2", np.ones((1, 3), np.float32))
    )
    images = images_for(graph)
    for scheme in ("percentile", "channel"):
        assert np.isfinite(normalize(graph, images, scheme)["fc1"].weight).all()
    assert float(model_scales(graph)["fc1"]) == 0


@pytest.mark.parametrize("scheme", ["data", "percentile", "channel"])
@pytest.mark.parametrize("name", networks())
def test_headroom_divides_the_largest_activations(name, scheme):
    """Of hidden layers s becomes h s: every activation h times smaller; where paths meet the input, s stays 1."""
    graph = networks()[name]
    images = images_for(graph)
    plain, roomy = (forward(normalize(graph, images, scheme, headroom=h), images) for h in (1.0, 4.0))
    apart = [layer.name for layer in graph if not any(INPUT in group and layer.name in group for group in peers(graph))]
    weighted = [n for n in apart if isinstance(graph[n], Conv2d | Dense) and not passes_to_junctions(graph, graph[n])]
    assert weighted
    for layer in weighted:
        np.testing.assert_allclose(roomy[layer] * 4, plain[layer], rtol=1e-4, atol=1e-5)


def test_headroom_by_hand():
    """Kim 2020 with h = 2: w_ij * (h lambda_i) / (h lambda_j) behind the first layer, and b_j / (h lambda_j)."""
    first, bias = np.array([[2.0], [5.0]], np.float32), np.array([1.0, 0.0], np.float32)
    graph = sequential((1,), dense_of("fc1", first, bias), dense_of("fc2", np.array([[1.0, 1.0]], np.float32)))
    result = normalize(graph, np.ones((1, 1), np.float32), "channel", headroom=2.0)
    np.testing.assert_allclose(result["fc1"].weight, first / [[2 * 3], [2 * 5]])
    np.testing.assert_allclose(result["fc1"].bias, bias / [2 * 3, 2 * 5])
    np.testing.assert_allclose(result["fc2"].weight, [[2 * 3 / (2 * 8), 2 * 5 / (2 * 8)]], rtol=1e-6)


@pytest.mark.parametrize(
    ("scheme", "headroom", "message"),
    [
        ("channel", 0.0, r"headroom is 0\.0; it is a factor above 0"),
        ("channel", np.inf, "headroom is inf"),
        ("model", 2.0, r"headroom is 2\.0, but normalization 'model' looks at no images"),
        ("none", 0.5, "'none' looks at no images"),
    ],
)
def test_headroom_that_makes_no_sense(scheme, headroom, message):
    with pytest.raises(ValueError, match=message):
        normalize(networks()["dense"], np.ones((1, 7), np.float32), scheme, headroom=headroom)


@pytest.mark.parametrize(
    ("scheme", "percentile", "message"),
    [
        ("layer", None, "normalization is 'layer'; known are 'none', 'model', 'data', 'percentile', 'channel'"),
        ("percentile", 0.0, r"percentile is 0\.0"),
        ("percentile", 101.0, r"percentile is 101\.0"),
        ("data", 99.9, "'data' does not use one"),
    ],
)
def test_bad_settings_are_named(scheme, percentile, message):
    with pytest.raises(ValueError, match=message):
        normalize(networks()["dense"], np.zeros((1, 7), np.float32), scheme, percentile)


def dense_of(name, weight, bias=None):
    return Dense(name=name, inputs=(), weight=weight, bias=bias)

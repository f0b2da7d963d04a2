"""Spike-Norm against a loop in plain NumPy with a pass per layer, in which a spike carries the scale of its layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.normalize.scales import rescale, rescale_by_thresholds
from conversion.normalize.schemes import channel_scales
from conversion.normalize.spike_norm import PositiveInputs, _layer_by_layer, balance_thresholds, lower_thresholds
from conversion.plan.populations import ConversionError
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent, Phase, Poisson, SpikeTrains
from models.graph import (
    INPUT,
    LINEAR,
    RELU,
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    MaxPool2d,
    sequential,
)
from models.neurons import Neuron, integrate_and_fire, phase_coded
from models.onnx_io.running import predict
from tests.conversion.networks import add, conv, networks, weights
from tests.conversion.zero_delay_loop import average, is_linear_path, maximum, weighted_input

STEPS, IMAGES = 20, 3
SAME = {"padding": (1, 1, 1, 1)}
INTEGRATE = integrate_and_fire()


def shortcut_block(shortcut_activation, **stride) -> Graph:
    """Two convolutions beside a 1x1 convolution, both strided."""
    return Graph(
        (2, 6, 6),
        (
            conv("conv1", INPUT, 3, 2, 3, 3, **SAME),
            conv("conv2", "conv1", 4, 3, 3, 3, **SAME, **stride),
            conv("conv3", "conv2", 4, 4, 3, 3, **SAME, activation=shortcut_activation),
            conv("shortcut", "conv1", 4, 3, 1, 1, **stride, activation=shortcut_activation),
            add("add", "conv3", "shortcut", activation=RELU),
            conv("conv4", "add", 2, 4, 3, 3),
        ),
    )


def skip_block() -> Graph:
    """Both paths spike, and one of them is the layer that the other begins with."""
    return Graph(
        (2, 5, 5),
        (
            conv("conv1", INPUT, 3, 2, 1, 1),
            conv("conv2", "conv1", 3, 3, 3, 3, **SAME),
            conv("conv3", "conv2", 3, 3, 3, 3, **SAME),
            add("add", "conv3", "conv1"),
            conv("conv4", "add", 2, 3, 3, 3),
        ),
    )


def option_a_block() -> Graph:
    """The shortcut without weights: every second pixel, and two channels of zeros (He 2016)."""
    every_second = np.eye(4, 2, dtype=np.float32)[:, :, None, None]
    return Graph(
        (2, 6, 6),
        (
            conv("conv1", INPUT, 2, 2, 3, 3, **SAME),
            conv("conv2", "conv1", 4, 2, 3, 3, **SAME, stride=(2, 2)),
            conv("conv3", "conv2", 4, 4, 3, 3, **SAME, activation=LINEAR),
            Conv2d(name="slice", inputs=("conv1",), weight=every_second, stride=(2, 2), activation=LINEAR),
            add("add", "conv3", "slice", activation=RELU),
            conv("conv4", "add", 2, 4, 3, 3),
        ),
    )


# The order of the measurements; a tuple is where layers get the largest of their scales.
ORDERS = {
    "dense": ["fc1", "fc2"],
    "dense with biases": ["fc1", "fc2"],
    "conv, flatten, dense": ["conv1", "fc"],
    "strides, oblong kernels, borders": ["conv1", "conv2"],
    "dilation and groups": ["conv1", "conv2"],
    "average pooling": ["conv1"],
    "max pooling": ["conv1", "conv2"],
    "residual block": ["conv1", "conv2", "add", "conv4"],
    "junction of spiking paths": ["conv1", "conv2", "shortcut", ("conv2", "shortcut"), "add", "fc"],
    "concatenation of paths of unequal length": ["conv1", "conv2", "conv3"],
    "linear shortcut": ["conv1", "conv2", "add", "conv4"],
    "spiking shortcut": ["conv1", "conv2", "conv3", "shortcut", ("conv3", "shortcut"), "add", "conv4"],
    "option A": ["conv1", "conv2", "add", "conv4"],
    "skip": ["conv1", "conv2", "conv3", ("conv1", "conv3"), "conv2", "add", "conv4"],
}


def seeded(graph: Graph) -> Graph:
    """Weights that do not depend on which other tests have drawn theirs."""
    rng, layers = np.random.default_rng(3), []
    for layer in graph:
        fields = ("weight", "bias") if layer.name != "slice" else ()
        drawn = {f: weights(*getattr(layer, f).shape, rng=rng) for f in fields if getattr(layer, f, None) is not None}
        layers.append(replace(layer, **drawn))
    return Graph(graph.input_shape, tuple(layers))


BLOCKS = {
    "linear shortcut": shortcut_block(LINEAR, stride=(2, 2)),
    "spiking shortcut": shortcut_block(RELU, stride=(2, 2)),
    "option A": option_a_block(),
    "skip": skip_block(),
}
GRAPHS = {name: seeded(graph) for name, graph in (networks() | BLOCKS).items()}


def expected_scales(graph, order, inputs, *, rate=1.0, statistic=np.max, **neuron):
    scales: dict[str, float] = {}
    for item in order:
        if isinstance(item, tuple):
            scales.update(dict.fromkeys(item, max(scales[name] for name in item)))
        else:
            scales[item] = statistic(weighted_inputs(graph, item, inputs, scales, rate, **neuron))
    return scales


def weighted_inputs(graph, measured, inputs, scales, rate, reset="subtract", v_th=1.0):
    """Every positive input of a step to the neurons of a layer, in units of activation; `rate` is dt * max_rate."""
    v, so_far, seen = {}, {}, []
    for step_input in inputs:
        out, carried = {INPUT: step_input.astype(float)}, {INPUT: 1.0}
        for layer in graph:
            x = [out[name] for name in layer.inputs]
            carried[layer.name] = scales.get(layer.name, carried[layer.inputs[0]])
            if isinstance(layer, Flatten):
                out[layer.name] = x[0].reshape(len(x[0]), -1)
            elif isinstance(layer, Concat):
                out[layer.name] = np.concatenate(x, axis=1)
            elif isinstance(layer, MaxPool2d):
                before = so_far.get(layer.name, 0 * x[0])
                so_far[layer.name] = before + x[0]
                out[layer.name] = maximum(layer, before + x[0]) - maximum(layer, before)
            else:
                total = average(layer, x[0]) if isinstance(layer, AvgPool2d) else biased(layer, x, rate)
                if layer.name == measured:
                    seen.append(total[total > 0])
                    break
                out[layer.name] = total
                if not is_linear_path(graph, layer):
                    total = total + v.get(layer.name, 0.0)
                    spike = total >= v_th * carried[layer.name]
                    after = total - v_th * carried[layer.name] if reset == "subtract" else 0.0
                    v[layer.name] = np.where(spike, after, total)
                    out[layer.name] = spike * carried[layer.name]
    return np.concatenate(seen)


def biased(layer, x, rate):
    bias = getattr(layer, "bias", None)
    return weighted_input(layer if bias is None else replace(layer, bias=bias * rate), x)


def input_spikes(graph, density=0.4):
    return np.random.default_rng(1).random((STEPS, IMAGES, *graph.input_shape)) < density


def images_for(graph):
    return (np.random.default_rng(2).integers(0, 17, (IMAGES, *graph.input_shape)) / 16).astype(np.float32)


def check(graph, order, inputs, encoder, images=None, neuron=INTEGRATE, percentile=100.0, rtol=1e-5, **oracle):
    images = images_for(graph) if images is None else images
    duration = len(inputs) * ms
    table = balance_thresholds(
        graph, images, Simulation(neuron=neuron, encoder=encoder, duration=duration), percentile=percentile
    )
    expected = expected_scales(graph, order, inputs, **oracle)
    assert table.index.tolist() == [layer.name for layer in graph if layer.name in expected]
    np.testing.assert_allclose(table["scale"], [expected[name] for name in table.index], rtol=rtol)
    assert (table["seconds"] > 0).all()
    return table


@pytest.mark.parametrize("name", GRAPHS)
def test_thresholds_are_the_largest_weighted_inputs_of_the_loop(name):
    graph = GRAPHS[name]
    spikes = input_spikes(graph)
    check(graph, ORDERS[name], spikes, SpikeTrains(spikes))


@pytest.mark.parametrize("name", [name for name in GRAPHS if not name.startswith("concatenation")])
def test_constant_current_and_biases_are_input_of_every_step(name):
    graph, rate, share = GRAPHS[name], 500, 0.5
    images = images_for(graph)
    check(graph, ORDERS[name], [images * share] * STEPS, ConstantCurrent(rate * Hz), images, rate=share)


def test_poisson_input_is_that_of_the_seed():
    graph, settings = GRAPHS["conv, flatten, dense"], {"neuron": INTEGRATE, "duration": STEPS * ms}
    images = images_for(graph)
    recording = simulate(graph, images, Simulation(encoder=Poisson(), probe=Probe(rasters=(INPUT,)), **settings))
    raster, spikes = recording.rasters[INPUT], np.zeros((STEPS, IMAGES, 60), bool)
    spikes[np.rint(raster["time_ms"]).astype(int) - 1, raster["image"], raster["neuron"]] = True
    check(graph, ["conv1", "fc"], spikes.reshape(STEPS, IMAGES, 2, 6, 5), Poisson(), images)
    other = balance_thresholds(graph, images, Simulation(encoder=Poisson(), seed=1, **settings))
    assert not other["scale"].equals(
        balance_thresholds(graph, images, Simulation(encoder=Poisson(), **settings))["scale"]
    )


def test_the_layers_before_spike_as_the_neuron_does():
    """Its reset and its own threshold, which the balanced one multiplies."""
    graph, settings = GRAPHS["conv, flatten, dense"], {"reset": "zero", "v_th": 0.5}
    spikes = input_spikes(graph, 0.2)
    table = check(
        graph, ["conv1", "fc"], spikes, SpikeTrains(spikes), neuron=integrate_and_fire(**settings), **settings
    )
    default = check(graph, ["conv1", "fc"], spikes, SpikeTrains(spikes))
    assert table["scale"]["fc"] != default["scale"]["fc"]


def test_a_percentile_is_that_of_the_positive_inputs():
    graph = GRAPHS["conv, flatten, dense"]
    spikes = input_spikes(graph)
    order = ["conv1"]  # on a grid of 1/16 the end of a bin lies just above a number, not on it

    def statistic(values):
        return np.percentile(values, 90, method="inverted_cdf")

    first = Graph(graph.input_shape, graph.layers[:1])
    table = check(first, order, spikes, SpikeTrains(spikes), percentile=90, rtol=2**-9, statistic=statistic)
    assert table["scale"]["conv1"] < check(first, order, spikes, SpikeTrains(spikes))["scale"]["conv1"]


def test_the_histogram_is_as_exact_as_it_says():
    values = np.random.default_rng(0).lognormal(0, 3, 50_000).astype(np.float32)
    inputs = PositiveInputs()
    for part in np.array_split(np.concatenate([values, -values, [0.0] * 9]).astype(np.float32), 7):
        inputs.add(part.reshape(1, -1))
    for percentile in (0.001, 1, 50, 99, 99.9, 99.999):
        exact = np.percentile(values, percentile, method="inverted_cdf")
        assert exact <= inputs.percentile(percentile) <= exact * (1 + 2**-9)
    assert inputs.percentile(100) == values.max()


def dense(name: str, source: str, weight: float) -> Dense:
    return Dense(name=name, inputs=(source,), weight=np.array([[weight]], np.float32))


def test_a_junction_of_two_trains_that_always_spike_gets_twice_their_scale():
    """Weights 3 and 5 from an input that always spikes: both paths get 5, and the junction gain * (5 + 5)."""
    for gain in (1.0, 0.5):
        graph = Graph((1,), (dense("a", INPUT, 3), dense("b", INPUT, 5), Add(name="add", inputs=("a", "b"), gain=gain)))
        spikes = np.ones((20, 1, 1), bool)
        table = balance_thresholds(
            graph,
            np.ones((1, 1), np.float32),
            Simulation(neuron=INTEGRATE, encoder=SpikeTrains(spikes), duration=20 * ms),
        )
        assert table["scale"].to_dict() == pytest.approx({"a": 5, "b": 5, "add": 10 * gain})
        assert table["threshold"].to_dict() == pytest.approx({"a": 5, "b": 5, "add": 2 * gain})


def test_paths_that_meet_the_input_keep_its_scale():
    layers = conv("conv1", INPUT, 2, 2, 3, 3, **SAME), add("add", "conv1", INPUT), conv("conv2", "add", 2, 2, 3, 3)
    graph = Graph((2, 4, 4), layers)
    spikes = input_spikes(graph)
    encoder = SpikeTrains(spikes)
    table = balance_thresholds(
        graph, images_for(graph), Simulation(neuron=INTEGRATE, encoder=encoder, duration=STEPS * ms)
    )
    assert table["scale"]["conv1"] == table["threshold"]["conv1"] == 1
    assert table["scale"]["add"] == 2


def test_a_layer_that_is_never_excited_keeps_its_threshold():
    layers = (
        Dense(name=n, inputs=(), weight=np.full((2, 2), w, np.float32)) for n, w in (("a", 3), ("b", -1), ("c", 1))
    )
    graph = sequential((2,), *layers)
    table = balance_thresholds(
        graph, np.ones((1, 2), np.float32), Simulation(neuron=INTEGRATE, encoder=Poisson(), duration=9 * ms)
    )
    assert table["threshold"].to_dict() == pytest.approx({"a": 6, "b": 1, "c": 1})


@pytest.mark.parametrize("silent_first", [True, False])
def test_a_path_that_is_never_excited_takes_the_scale_of_the_one_it_meets(silent_first):
    """Not that of its input, which is larger; at the threshold 1 it would give the junction 100."""
    paths = [dense("a", INPUT, 3), dense("b", INPUT, 100), dense("c", "b", -1)]
    paths = paths[1:] + paths[:1] if silent_first else paths
    graph = Graph((1,), (*paths, Add(name="add", inputs=("a", "c")), dense("d", "add", 2)))
    settings = {"neuron": INTEGRATE, "encoder": SpikeTrains(np.ones((9, 1, 1), bool)), "duration": 9 * ms}
    table = balance_thresholds(graph, np.ones((1, 1), np.float32), Simulation(**settings))
    assert table["scale"].to_dict() == pytest.approx({"a": 3, "b": 100, "c": 3, "add": 3, "d": 6})


def test_a_layer_that_only_the_ann_excites_is_refused():
    """The first image excites and inhibits it at once; of the second, 1/4, the first spike needs four steps."""
    first = Dense(name="a", inputs=(INPUT,), weight=np.eye(2, dtype=np.float32))
    second = Dense(name="b", inputs=("a",), weight=np.array([[1, -1]], np.float32))
    graph = Graph((2,), (first, second))
    images = np.array([[1, 1], [0.25, 0]], np.float32)
    settings = {"neuron": INTEGRATE, "encoder": ConstantCurrent()}
    table = balance_thresholds(graph, images, Simulation(duration=4 * ms, **settings))
    assert table["scale"].to_dict() == pytest.approx({"a": 1, "b": 1})
    message = (
        r"no positive input reaches 'b' within 3\. ms of 2 calibration images, but its activation in the ANN is up to "
        r"0\.25; calibrate for longer, on more images or with a percentile below 100"
    )
    with pytest.raises(ConversionError, match=message):
        balance_thresholds(graph, images, Simulation(duration=3 * ms, **settings))


def power_of_two_scales(graph, seed=0):
    """Factors that leave weights exact, so that thresholds and weights may be compared spike for spike."""
    rng = np.random.default_rng(seed)
    return {n.name: float(2.0 ** rng.integers(-1, 3)) for n in graph if isinstance(n, Conv2d | Dense | Add)}


@pytest.mark.parametrize("name", GRAPHS)
def test_thresholds_and_weights_give_the_same_spikes(name):
    graph, neuron = GRAPHS[name], integrate_and_fire(v_init="half", v_th=0.5)
    spikes, scales = input_spikes(graph), power_of_two_scales(graph)
    run = {"neuron": neuron, "encoder": SpikeTrains(spikes), "duration": STEPS * ms}
    images = images_for(graph)
    by_weights = simulate(rescale(graph, scales), images, Simulation(**run))
    balanced, thresholds = rescale_by_thresholds(graph, scales)
    by_thresholds = simulate(balanced, images, Simulation(thresholds=thresholds, **run))
    assert by_weights.spike_counts.keys() == by_thresholds.spike_counts.keys()
    for layer, counts in by_weights.spike_counts.items():
        np.testing.assert_array_equal(by_thresholds.spike_counts[layer], counts, err_msg=layer)
    assert by_weights.spikes[-1, -1] > 0
    without = simulate(balanced, images, Simulation(**run))
    assert without.spikes.tolist() != by_weights.spikes.tolist(), "the thresholds would prove nothing"


def test_thresholds_leave_the_weights_of_a_sequence_as_trained():
    graph = GRAPHS["strides, oblong kernels, borders"]
    balanced, thresholds = rescale_by_thresholds(graph, {"conv1": 0.3, "conv2": 7.7})
    assert thresholds == pytest.approx({"conv1": 0.3, "conv2": 7.7 / 0.3})
    for name in ("conv1", "conv2"):
        np.testing.assert_array_equal(balanced[name].weight, graph[name].weight)
    np.testing.assert_allclose(balanced["conv2"].bias, graph["conv2"].bias / 0.3, rtol=1e-6)


def test_every_threshold_of_a_sequence_gets_the_factor_and_pooling_keeps_one():
    graph = GRAPHS["strides, oblong kernels, borders"]
    scales = {"conv1": 0.3, "conv2": 7.7}
    _, before = rescale_by_thresholds(graph, scales)
    _, after = rescale_by_thresholds(graph, lower_thresholds(graph, scales, 0.7))
    assert after == pytest.approx({name: 0.7 * threshold for name, threshold in before.items()})
    pooled = sequential((1, 2, 2), *(conv("a", "", 1, 1, 1, 1), average_pool("pool"), conv("b", "", 1, 1, 1, 1)))
    assert lower_thresholds(pooled, {"a": 1.0, "b": 1.0}, 0.5) == {"a": 0.5, "b": 0.25}


def average_pool(name: str) -> AvgPool2d:
    return AvgPool2d(name=name, inputs=(), kernel=(2, 2), stride=(2, 2))


def test_lower_thresholds_keep_one_scale_for_paths_that_meet():
    """By hand: the layers before the junction, the junction that adds, the one behind it."""
    scales = dict.fromkeys(("conv1", "conv2", "conv3", "shortcut", "add", "conv4"), 1.0)
    lowered = lower_thresholds(GRAPHS["spiking shortcut"], scales, 0.5)
    by_hand = {"conv1": 1, "conv2": 2, "conv3": 3, "shortcut": 3, "add": 4, "conv4": 5}
    assert lowered == {name: 0.5**power for name, power in by_hand.items()}
    lowered = lower_thresholds(GRAPHS["skip"], {name: 1.0 for name in ("conv1", "conv2", "conv3", "add", "conv4")}, 0.5)
    assert lowered == {"conv1": 0.5, "conv2": 0.25, "conv3": 0.5, "add": 0.25, "conv4": 0.125}


@pytest.mark.parametrize("name", BLOCKS)
def test_lower_thresholds_leave_the_function_as_it_was(name):
    graph = GRAPHS[name]
    scales = {n.name: 1.0 for n in graph if isinstance(n, Conv2d | Dense | Add) and not is_linear_path(graph, n)}
    lowered = lower_thresholds(graph, scales, 0.7)
    expected = predict(graph, images_for(graph))
    got = lowered[graph.output.name] * predict(rescale(graph, lowered), images_for(graph))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", [0.0, -1.0, np.inf, np.nan])
def test_a_bad_factor_is_named(factor):
    with pytest.raises(ValueError, match="the threshold factor is"):
        lower_thresholds(GRAPHS["dense"], {"fc1": 1.0, "fc2": 1.0}, factor)


def test_a_layer_has_one_threshold():
    graph = GRAPHS["conv, flatten, dense"]
    with pytest.raises(ValueError, match="'conv1' has 3 scales; a layer has one threshold"):
        rescale_by_thresholds(graph, channel_scales(graph, images_for(graph), 100.0))


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"fc3": 1.0}, "thresholds name 'fc3'; layers with a threshold are fc1, fc2"),
        ({"fc1": 0.0}, r"the threshold of 'fc1' is 0\.0; it must be a finite number above 0"),
        ({"fc1": np.nan}, "the threshold of 'fc1' is nan"),
    ],
)
def test_bad_thresholds_are_named(thresholds, message):
    graph = GRAPHS["dense"]
    with pytest.raises(ValueError, match=message):
        simulate(
            graph,
            images_for(graph),
            Simulation(neuron=INTEGRATE, encoder=Poisson(), duration=5 * ms, thresholds=thresholds),
        )


def test_thresholds_need_neurons_that_have_one():
    neuron = Neuron(equations="v : 1", threshold="v >= 1", reset="v -= 1", initial={"v": "0"}, source="")
    graph = GRAPHS["dense"]
    settings = {"neuron": neuron, "encoder": Poisson(), "duration": 5 * ms, "thresholds": {"fc1": 2.0}}
    with pytest.raises(ConversionError, match="'fc1' has a threshold, but its neuron's equations declare no `v_th`"):
        simulate(graph, images_for(graph), Simulation(**settings))


@pytest.mark.parametrize(
    ("changes", "percentile", "message"),
    [
        ({}, 0.0, r"percentile is 0\.0; it lies in \(0, 100\]"),
        ({}, 100.1, r"percentile is 100\.1"),
        (
            {"encoder": Phase(4), "neuron": phase_coded(4)},
            100.0,
            r"Phase\(period=4\) gives every step a weight of its own",
        ),
    ],
)
def test_bad_settings_are_named(changes, percentile, message):
    graph = GRAPHS["dense"]
    settings = {"neuron": INTEGRATE, "encoder": Poisson(), "duration": 5 * ms} | changes
    with pytest.raises(ValueError, match=message):
        balance_thresholds(graph, images_for(graph), Simulation(**settings), percentile)


def test_the_weighted_input_of_an_output_that_spikes_is_refused():
    graph = GRAPHS["dense"]
    with pytest.raises(ValueError, match="weighted input of an output that spikes; let it accumulate"):
        simulate(
            graph,
            images_for(graph),
            Simulation(neuron=INTEGRATE, encoder=Poisson(), duration=5 * ms, probe=Probe(weighted_input=print)),
        )


def test_what_lies_between_paths_that_meet_is_measured_once_more_before_the_next():
    layers, last = [], INPUT
    for i in range(20):
        layers += [conv(f"p{i}", last, 1, 1, 1, 1), conv(f"h{i}", f"p{i}", 1, 1, 1, 1)]
        layers += [conv(f"a{i}", f"h{i}", 1, 1, 1, 1), add(f"j{i}", f"p{i}", f"a{i}", activation=RELU)]
        last = f"j{i}"
    order = []

    def measure(part, scales):
        order.append(part.output.name)
        return {"p": 1.0, "h": 2.0, "a": 3.0, "j": 2.5}[part.output.name[0]], 1.0

    scales, _ = _layer_by_layer(Graph((1, 2, 2), tuple(layers)), measure, lambda names: None)
    assert order == [f"{name}{i}" for i in range(20) for name in "phahj"]
    assert scales == {
        f"{name}{i}": scale for i in range(20) for name, scale in zip("phaj", (3, 2, 3, 2.5), strict=True)
    }

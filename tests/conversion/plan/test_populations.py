"""What spikes, how deep it is, and which delays let paths meet in step; worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from conversion.plan.populations import ConversionError, fan_out, make_plan
from models.graph import (
    INPUT,
    LINEAR,
    RELU,
    Activation,
    Add,
    AvgPool2d,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Layer,
    MaxPool2d,
    sequential,
)
from models.structure import passes_to_junctions, source_of, up_to
from tests.conversion.networks import add, conv, dense, networks, pool

SAME = {"padding": (1, 1, 1, 1)}


def populations(graph: Graph) -> list[tuple[str, str, int]]:
    return [(p.name, p.role, p.depth) for p in make_plan(graph).populations]


def projections(graph: Graph) -> list[tuple[str, str, str, int]]:
    return [(p.source, p.target, p.layer.name, p.delay) for p in make_plan(graph).projections]


def test_the_linear_end_of_a_residual_path_is_no_population() -> None:
    """The shortcut waits one step for the longer path: conv2 is two steps deep and conv1 one."""
    graph = networks()["residual block"]
    assert populations(graph) == [
        (INPUT, "input", 0), ("conv1", "neuron", 1), ("conv2", "neuron", 2), ("add", "neuron", 3),
        ("conv4", "neuron", 4),
    ]  # fmt: skip
    assert projections(graph) == [
        (INPUT, "conv1", "conv1", 0), ("conv1", "conv2", "conv2", 0), ("conv2", "add", "conv3", 0),
        ("conv1", "add", "add", 1), ("add", "conv4", "conv4", 0),
    ]  # fmt: skip


def test_concatenation_relays_and_waits_for_the_longest_path() -> None:
    graph = networks()["concatenation of paths of unequal length"]
    assert populations(graph)[-2:] == [("concat", "relay", 3), ("conv3", "neuron", 4)]
    into = [(source, delay) for source, target, _, delay in projections(graph) if target == "concat"]
    assert into == [("conv2", 0), (INPUT, 2), ("conv1", 1)]


def test_flattening_disappears_and_max_pooling_relays() -> None:
    graph = sequential(
        (2, 6, 6), pool(MaxPool2d, "max", "", (2, 2), (2, 2)), pool(AvgPool2d, "mean", "", (3, 3), (1, 1)),
        Flatten(name="flat1", inputs=()), Flatten(name="flat2", inputs=()), dense("fc", "", 3, 2),
    )  # fmt: skip
    assert populations(graph) == [
        (INPUT, "input", 0), ("max", "relay", 1), ("mean", "neuron", 2), ("fc", "neuron", 3),
    ]  # fmt: skip
    assert [(source, target) for source, target, *_ in projections(graph)] == [
        (INPUT, "max"), ("max", "mean"), ("mean", "fc"),
    ]  # fmt: skip
    assert source_of(graph, "flat2") == "mean"
    assert make_plan(graph).output.size == 3


@pytest.mark.parametrize("name", networks())
def test_every_path_to_a_population_takes_as_many_steps_as_it_is_deep(name: str) -> None:
    plan = make_plan(networks()[name])
    depth = {p.name: p.depth for p in plan.populations}
    for p in plan.projections:
        assert depth[p.source] + p.delay + 1 == depth[p.target]
        assert p.delay >= 0
    assert all(any(p.delay == 0 for p in plan.projections if p.target == name) for name in list(depth)[1:])


def shortcut(gain, **fields) -> Graph:
    """A linear convolution beside a spiking path, joined with a gain."""
    return Graph(
        (2, 4, 4),
        (
            conv("path", INPUT, 3, 2, 3, 3, **SAME),
            conv("linear", INPUT, 3, 2, 3, 3, activation=LINEAR, **SAME, **fields),
            add("add", "path", "linear", gain=gain, activation=RELU),
        ),
    )


@pytest.mark.parametrize("gain", [1.0, 0.25, np.array([1.0, 0.5, 2.0], np.float32)])
@pytest.mark.parametrize("shape", [(3,), (3, 4, 4)])
def test_the_gain_of_a_junction_reaches_weights_and_biases(gain, shape: tuple[int, ...]) -> None:
    bias = np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape) / 16
    graph = shortcut(gain, bias=bias)
    factor = np.broadcast_to(gain, 3).astype(np.float32)
    plan = make_plan(graph)
    direct = next(p.layer for p in plan.projections if p.layer.name == "linear")
    np.testing.assert_allclose(direct.weight, graph["linear"].weight * factor[:, None, None, None])
    by_pixel = np.broadcast_to(bias if len(shape) == 3 else bias[:, None, None], (3, 4, 4))
    np.testing.assert_allclose(plan.biases["add"], by_pixel * factor[:, None, None])
    spiking = next(p.connection for p in plan.projections if p.source == "path")
    np.testing.assert_allclose(np.unique(spiking.unrolled().data), np.unique(factor))


def test_biases_of_several_linear_paths_add_up() -> None:
    graph = Graph(
        (4,),
        (
            dense("a", INPUT, 2, 4, activation=LINEAR, bias=np.array([1, 2], np.float32)),
            dense("b", INPUT, 2, 4, activation=LINEAR, bias=np.array([10, 20], np.float32)),
            dense("c", INPUT, 2, 4),
            Add(name="add", inputs=("a", "b", "c"), gain=0.5, activation=RELU),
        ),
    )
    np.testing.assert_allclose(make_plan(graph).biases["add"], [5.5, 11])
    assert [p.name for p in make_plan(graph).populations] == [INPUT, "c", "add"]


def test_a_linear_layer_that_something_else_reads_keeps_its_neurons() -> None:
    graph = Graph(
        (4,), (dense("a", INPUT, 4, 4, activation=LINEAR), add("add", "a", INPUT, activation=RELU)),
    )  # fmt: skip
    assert passes_to_junctions(graph, graph["a"])
    alone = sequential((4,), dense("a", "", 4, 4, activation=LINEAR))
    assert not passes_to_junctions(alone, alone["a"])
    assert [p.name for p in make_plan(alone).populations] == [INPUT, "a"]


def test_two_projections_between_the_same_populations_have_names_of_their_own() -> None:
    """A residual block of one convolution: it reaches the junction from the neurons that the shortcut starts from."""
    graph = Graph(
        (2, 4, 4),
        (
            conv("conv1", INPUT, 2, 2, 3, 3, **SAME),
            conv("conv2", "conv1", 2, 2, 3, 3, activation=LINEAR, **SAME),
            add("add", "conv2", "conv1", activation=RELU),
        ),
    )
    assert [p.name for p in make_plan(graph).projections] == ["input_to_conv1", "conv1_to_add", "conv1_to_add__2"]


SIGNED_SLOPES = np.array([0.5, 0.0, 0.25])


def test_slopes_are_those_of_populations_that_can_be_negative() -> None:
    """Not those of ReLU, of a junction that ends in it, or of pooling behind it; relays pass on what they get."""
    graph = Graph(
        (2, 4, 4),
        (
            conv("leaky", INPUT, 3, 2, 1, 1, activation=Activation(SIGNED_SLOPES)),
            conv("relu", INPUT, 3, 2, 1, 1),
            pool(MaxPool2d, "max", "leaky", (2, 2), (2, 2)),
            pool(MaxPool2d, "max of relu", "relu", (2, 2), (2, 2)),
            pool(AvgPool2d, "mean", "leaky", (2, 2), (2, 2)),
            add("sum", "max", "mean", "max of relu"),
            add("rectified", "sum", "max", activation=RELU),
            conv("last", "rectified", 1, 3, 2, 2, activation=LINEAR),
        ),
    )
    slopes = make_plan(graph, signed=True).slopes
    assert slopes.keys() == {"leaky", "max", "mean", "sum", "last"}
    np.testing.assert_array_equal(slopes["leaky"], np.broadcast_to(SIGNED_SLOPES[:, None, None], (3, 4, 4)))
    assert all((slopes[name] == 1).all() for name in ("max", "mean", "sum", "last"))
    assert make_plan(networks()["residual block"]).slopes == {}


def test_slopes_below_zero_are_refused_between_layers() -> None:
    prelu = dense("fc1", "", 2, 2, activation=Activation(np.array([0.5, -0.25])))
    with pytest.raises(ConversionError, match=r"'fc1' has a slope of -0.25 below zero and 'fc2' reads it"):
        make_plan(sequential((2,), prelu, dense("fc2", "", 2, 2)), signed=True)
    output = make_plan(sequential((2,), prelu), signed=True).slopes["fc1"]
    np.testing.assert_array_equal(output, [0.5, 0])


# What cannot be


@pytest.mark.parametrize("activation", [LINEAR, Activation(0.1), Activation(np.array([0.0, 0.0, 0.5], np.float32))])
def test_a_layer_between_others_must_not_be_negative(activation: Activation) -> None:
    graph = sequential((2,), dense("fc1", "", 3, 2, activation=activation), dense("fc2", "", 2, 3))
    with pytest.raises(ConversionError, match=r"'fc1' can be negative .* 'fc2' reads it.*train it with ReLU"):
        make_plan(graph)


def test_the_output_may_be_negative_even_behind_a_flattening() -> None:
    graph = sequential((2, 4, 4), conv("conv", "", 3, 2, 3, 3, activation=LINEAR), Flatten(name="flat", inputs=()))
    assert make_plan(graph).output.name == "conv"


def test_a_network_without_neurons_is_refused() -> None:
    flat = Graph((1, 2, 3), (Flatten(name="flat", inputs=(INPUT,)),))
    with pytest.raises(ConversionError, match="hands on its input as it is; there is nothing in it that spikes"):
        make_plan(flat)


def test_a_layer_of_another_kind_is_named() -> None:
    class Other(Layer):
        def output_shape(self, *shapes):
            return shapes[0]

    with pytest.raises(TypeError, match="'odd' is a Other, which has no connection"):
        make_plan(Graph((4,), (Other(name="odd", inputs=(INPUT,)),)))


def test_kinds_of_layers_have_the_connections_of_their_geometry() -> None:
    """One spike per pixel through a strided convolution with groups reaches its taps inside the map."""
    layer = Conv2d(
        name="conv", inputs=(INPUT,), weight=np.ones((4, 1, 3, 3), np.float32), groups=2, stride=(2, 2), **SAME
    )
    connection = make_plan(Graph((2, 5, 5), (layer,))).projections[0].connection
    per_axis = np.array([1, 2, 1, 2, 1])  # positions 0, 2, 4 are read by one window, 1 and 3 by two
    expected = np.repeat(2 * np.outer(per_axis, per_axis).ravel(), 2)
    np.testing.assert_array_equal(connection.fan_out(), expected)
    dense_layer = Dense(name="fc", inputs=(INPUT,), weight=np.ones((7, 3), np.float32))
    np.testing.assert_array_equal(make_plan(Graph((3,), (dense_layer,))).projections[0].connection.fan_out(), [7, 7, 7])


def test_up_to_a_layer_is_it_and_all_that_it_depends_on() -> None:
    names = {"a": INPUT, "b": INPUT, "c": "a", "d": "b"}
    layers = [Flatten(name=name, inputs=(source,)) for name, source in names.items()]
    graph = Graph((4,), (*layers, Add(name="sum", inputs=("c", "b", "d"))))
    part = up_to(graph, "c")
    assert [layer.name for layer in part] == ["a", "c"]
    assert [layer.name for layer in up_to(graph, "sum")] == ["a", "b", "c", "d", "sum"]
    with pytest.raises(KeyError, match="no layer 'e'"):
        up_to(graph, "e")


# How many synapses a neuron has


def test_where_all_neurons_have_as_many_synapses_one_number_says_so():
    plan = make_plan(Graph((3,), (Dense(name="fc", inputs=(INPUT,), weight=np.ones((300, 3), np.float32)),)))
    assert [fan_out(plan, population).tolist() for population in plan.populations] == [[300], [0]]


@pytest.mark.parametrize(("channels", "kind"), [(2, np.uint8), (200, np.uint16)])
def test_neurons_at_the_border_have_fewer_synapses(channels, kind):
    weight = np.ones((channels, 1, 2, 2), np.float32)
    plan = make_plan(Graph((1, 2, 3), (Conv2d(name="conv", inputs=(INPUT,), weight=weight),)))
    found = fan_out(plan, plan.populations[0])
    assert found.dtype == kind
    np.testing.assert_array_equal(found, np.multiply([1, 2, 1, 1, 2, 1], channels, dtype=int))

"""A background and a gain of each layer: equal ones as of the neuron, those of one layer as a bias and weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import Poisson
from models.graph import Graph
from models.neurons import leaky_integrate_and_fire
from tests.conversion.networks import networks

LEAKY = leaky_integrate_and_fire(16 * ms, reset="zero")
RATE = 512.0


def counts(graph: Graph, **settings) -> dict[str, np.ndarray]:
    images = np.random.default_rng(0).random((3, *graph.input_shape), np.float32)
    settings = {"neuron": LEAKY, "encoder": Poisson(RATE * Hz), "duration": 20 * ms, "memory_limit": 1e9} | settings
    return dict(simulate(graph, images, Simulation(**settings)).spike_counts)


def neurons_of(graph: Graph) -> list[str]:
    return [layer.name for layer in graph if type(layer).__name__ in {"Conv2d", "Dense", "AvgPool2d", "Add"}]


def alike(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("name", ["average pooling", "junction of spiking paths", "dense with biases", "max pooling"])
def test_the_same_for_all_layers_is_that_of_the_neuron(name: str, connectivity: str) -> None:
    graph = networks()[name]
    names = neurons_of(graph)
    neuron = replace(LEAKY, background=40.0, input_unit=0.5, drive_unit=0.5)
    of_the_neuron = counts(graph, neuron=neuron, connectivity=connectivity)
    of_the_layers = counts(
        graph, backgrounds=dict.fromkeys(names, 40.0), gains=dict.fromkeys(names, 0.5), connectivity=connectivity
    )
    assert alike(of_the_neuron, of_the_layers)
    assert not alike(of_the_neuron, counts(graph))
    assert of_the_neuron[graph.output.name].sum() > 0


def test_of_one_layer_they_are_a_bias_and_other_weights() -> None:
    """A bias b is a current of b times the rate of activation 1; powers of two, so that all products are exact."""
    graph = networks()["dense"]
    first = graph["fc1"]
    bias = np.full(9, 0.25, np.float32)
    biased = Graph(graph.input_shape, (replace(first, bias=bias, weight=first.weight / 2), *graph.layers[1:]))
    got = counts(graph, backgrounds={"fc1": 0.25 * RATE}, gains={"fc1": 0.5})
    assert alike(got, counts(biased))
    assert not alike(got, counts(graph))


def test_a_background_of_a_layer_takes_the_place_of_the_neurons_and_of_0_is_none() -> None:
    graph = networks()["dense"]
    neuron = replace(LEAKY, background=50.0)
    assert alike(counts(graph, neuron=neuron, backgrounds={"fc1": 0.0, "fc2": 0.0}), counts(graph))
    other = counts(graph, neuron=neuron, backgrounds={"fc1": 0.0})
    assert np.array_equal(other["fc1"], counts(graph)["fc1"])
    assert not np.array_equal(other["fc2"], counts(graph)["fc2"])


def test_an_output_that_only_accumulates_has_neither() -> None:
    graph, images = networks()["dense"], np.ones((1, 7), np.float32)
    plain = Simulation(neuron=LEAKY, encoder=Poisson(RATE * Hz), duration=20 * ms, output="accumulating")
    named = replace(plain, backgrounds={"fc2": 100.0}, gains={"fc2": 2.0})
    one, other = (simulate(graph, images, settings).output_potentials for settings in (plain, named))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backgrounds": {"fc": 1.0}}, "backgrounds name 'fc'; layers with neurons are fc1, fc2"),
        ({"gains": {"input": 1.0}}, "gains name 'input'; layers with neurons are fc1, fc2"),
        ({"backgrounds": {"fc1": float("nan")}}, "the background of 'fc1' is nan; it must be a finite number"),
        ({"gains": {"fc1": 0.0}}, "the gain of 'fc1' is 0.0; it must be a finite number above 0"),
    ],
)
def test_unknown_layers_and_what_is_no_number_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        counts(networks()["dense"], **settings)

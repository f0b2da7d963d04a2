"""The Brian2 objects of a plan: one group for all neurons, their places, and the order of a step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms, second

from conversion.brian.groups import SCHEDULE
from conversion.brian.network import build, members_of
from conversion.brian.presentation import Batch, run
from conversion.plan.populations import ConversionError, make_plan
from conversion.settings import Simulation
from models.encoders import ConstantCurrent, Poisson
from models.graph import Graph, MaxPool2d, sequential
from models.neurons import integrate_and_fire, leaky_integrate_and_fire
from tests.conversion.networks import conv, dense, networks, pool


def built(graph: Graph, neuron=None, encoder=None, **settings):
    neuron, encoder = neuron or integrate_and_fire(), encoder or Poisson()
    simulation = Simulation(neuron=neuron, encoder=encoder, duration=4 * ms, **settings)
    return build(make_plan(graph), simulation, batch_size=3)


def test_all_neurons_of_a_batch_are_in_one_group_and_relays_in_another() -> None:
    graph = networks()["max pooling"]
    network = built(graph)
    neurons, relays = 4 * 6 * 7 + 3 * 1 * 5, 4 * 3 * 7
    assert {name: len(group) for name, group in network.groups.items()} == {
        "input": 3 * 2 * 8 * 9, "neurons": 3 * neurons, "relays": 3 * relays,
    }  # fmt: skip
    assert network.period == 4 + 3


@pytest.mark.parametrize("name", networks())
def test_places_fill_each_group_without_gap_or_overlap(name: str) -> None:
    network = built(networks()[name])
    for group in network.groups.values():
        places = sorted((p.start, p.stop) for p in network.places.values() if p.group is group)
        assert [start for start, _ in places] == [0, *(stop for _, stop in places[:-1])]
        assert places[-1][1] == len(group)


def test_resets_come_before_synapses() -> None:
    """Otherwise a hard reset would erase what arrives in the step of the spike."""
    assert SCHEDULE.index("thresholds") < SCHEDULE.index("resets") < SCHEDULE.index("synapses")
    assert built(networks()["dense"]).network.schedule == SCHEDULE


def test_names_are_the_same_every_time() -> None:
    """Brian2 keeps compiled code by its text, names included."""
    first, second = ({o.name for o in built(networks()["residual block"]).network.objects} for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("neuron", "encoder", "name", "active"),
    [
        (integrate_and_fire(), Poisson(), "dense", False),
        (integrate_and_fire(), Poisson(), "dense with biases", True),
        (integrate_and_fire(), ConstantCurrent(), "dense", True),
        (integrate_and_fire(refractory=2 * ms), Poisson(), "dense", True),
        (leaky_integrate_and_fire(20 * ms), Poisson(), "dense", True),
    ],
)
def test_only_neurons_that_nothing_drives_are_not_integrated(neuron, encoder, name: str, active: bool) -> None:
    network = built(networks()[name], neuron, encoder)
    (loop,) = (o for o in network.network.objects if o.name == "neurons_loop")
    assert (network.groups["neurons"].state_updater in loop.runners) is active


def test_a_background_needs_a_drive() -> None:
    neuron = replace(integrate_and_fire(), equations="dv/dt = -v / second : 1\nv_th : 1 (constant)", background=1.0)
    neuron = replace(neuron, parameters={"second": second})
    with pytest.raises(ConversionError, match="a background needs neurons whose equations declare `drive`"):
        built(networks()["dense"], neuron, Poisson())


def test_the_output_accumulates_or_spikes() -> None:
    plan = make_plan(networks()["dense"])
    names = {kind: [p.name for p in found] for kind, found in members_of(plan, "accumulating").items()}
    assert names == {"input": ["input"], "neurons": ["fc1"], "relays": [], "outputs": ["fc2"]}
    assert [p.name for p in members_of(plan, "spiking")["neurons"]] == ["fc1", "fc2"]


def test_an_output_that_only_relays_has_no_potential() -> None:
    graph = sequential((2, 4, 4), conv("conv", "", 3, 2, 1, 1), pool(MaxPool2d, "max", "", (2, 2), (2, 2)))
    with pytest.raises(
        ConversionError, match="'max' only relays spikes and has no potential to read; let the output spike"
    ):
        built(graph, output="accumulating")
    assert built(graph).plan.output.name == "max"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"output": "rate"}, "output is 'rate'; known are 'spiking', 'accumulating'"),
        ({"connectivity": "sparse"}, "connectivity is 'sparse'; known are 'shared', 'synapses'"),
    ],
)
def test_unknown_choices(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built(networks()["dense"], **settings)


def test_a_built_network_can_be_shown_more_than_one_run_of_batches() -> None:
    """The input of the second run is that of its own batch: one neuron that always spikes, then silence."""
    graph = sequential((1,), dense("fc", "", 2, 1))
    network, seen = built(graph), []
    for rate in (1.0, 0.0):
        batch = Batch(np.full((2, 1), rate), {}, rate=1000.0, seed=1)
        run(network, [lambda batch=batch: batch], [slice(0, 2)], progress=False)
        seen.append(network.counter.counts.spikes["input"].ravel())
    np.testing.assert_array_equal(seen, [[4, 4], [0, 0]])

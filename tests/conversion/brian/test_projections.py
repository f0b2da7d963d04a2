"""Where a population is, and when a projection delivers what; the rest is tested spike for spike in test_simulate."""

from __future__ import annotations

from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import ms, mV, volt

from conversion.brian.groups import NEGATIVE_SPIKE, SCHEDULE, make_group
from conversion.brian.projections import Place, Sender, SharedProjection, unroll_synapses
from conversion.brian.spikes.events import Cutter, Events
from conversion.plan.populations import make_plan
from models.graph import INPUT, Dense, Graph
from models.neurons import signed_integrate_and_fire

WEIGHT = np.array([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]], np.float32)  # (out, in)


@pytest.fixture
def clock():
    return brian2.Clock(1 * ms, name="network_clock")


def spiking(clock, times: list[tuple[int, int]], size: int = 6) -> brian2.SpikeGeneratorGroup:
    neurons, steps = zip(*times, strict=True)
    return brian2.SpikeGeneratorGroup(size, neurons, np.array(steps) * ms, clock=clock, name="source")


def sending(group, clock, start: int, stop: int, *names: str, variable: str = "") -> tuple[Place, Cutter]:
    """A population in the middle of a group, its events and what cuts them."""
    events = [Events(group, name, (start, stop)) for name in names]
    return Place(group, start, stop, variable, "", tuple(Sender(e, 0) for e in events)), Cutter(events, clock)


def test_a_place_sees_only_the_spikes_of_its_own_neurons(clock) -> None:
    source = spiking(clock, [(0, 0), (1, 0), (3, 0), (5, 0), (2, 1)])
    place, cutter = sending(source, clock, 1, 4, "spike")
    seen = []
    operation = brian2.NetworkOperation(lambda: seen.append(place.spikes().tolist()), clock=clock, when="end")
    brian2.Network(source, cutter, operation).run(3 * ms)
    assert seen == [[1, 3], [2], []]


def test_populations_of_a_group_are_cut_where_they_meet(clock) -> None:
    seen = []
    look = brian2.NetworkOperation(
        lambda: seen.append([events.of(p).tolist() for p in range(4)]), clock=clock, when="end"
    )
    source = spiking(clock, [(0, 0), (1, 0), (2, 0), (5, 0)])
    events = Events(source, "spike", [0, 2, 3, 5, 6])
    brian2.Network(source, Cutter([events], clock), look).run(1 * ms)
    assert seen == [[[0, 1], [2], [], [5]]]


@pytest.mark.parametrize("make", [SharedProjection, unroll_synapses])
@pytest.mark.parametrize("delay", [0, 2])
def test_negative_spikes_take_the_weight_away_after_the_same_delay(clock, make, delay: int) -> None:
    """Both neurons of a signed population spike in step 0, the second one negatively."""
    graph = Graph((2,), (Dense(name="fc", inputs=(INPUT,), weight=WEIGHT),))
    projection = replace(make_plan(graph).projections[0], delay=delay)
    neuron = signed_integrate_and_fire()
    source = make_group("source", neuron, 2, clock)
    target = brian2.NeuronGroup(3, "v : 1", clock=clock, dtype=np.float32, name="target")
    source.v_th, source.alpha, source.v = 1, 0.25, [1, -4]
    place, cutter = sending(source, clock, 0, 2, "spike", NEGATIVE_SPIKE, variable="v")
    synapses = make(projection, place, Place(target, 0, 3, "v"), 1.0, clock)
    history = []
    record = brian2.NetworkOperation(lambda: history.append(target.v_[:].copy()), clock=clock, when="end")
    network = brian2.Network(source, target, synapses, cutter, record)
    network.schedule = SCHEDULE
    with np.errstate(over="ignore"):  # Brian2 compares float32 with 1e50
        network.run((delay + 1) * ms, namespace={})
    np.testing.assert_array_equal(history, [[0, 0, 0]] * delay + [WEIGHT[:, 0] - WEIGHT[:, 1]])
    np.testing.assert_array_equal(source.v, [0, 0])


@pytest.mark.parametrize("make", [SharedProjection, unroll_synapses])
@pytest.mark.parametrize("delay", [0, 1, 3])
def test_spikes_arrive_after_the_delay_with_the_weight_in_the_unit_of_the_variable(clock, make, delay: int) -> None:
    """Of two images, each with two source and three target neurons behind two others; 5 mV for a weight of 1."""
    graph = Graph((2,), (Dense(name="fc", inputs=(INPUT,), weight=WEIGHT),))
    projection = replace(make_plan(graph).projections[0], delay=delay)
    source = spiking(clock, [(2, 0), (5, 1), (1, 1)])  # neuron 2 is the first of image 0, 5 the second of image 1
    target = brian2.NeuronGroup(8, "v : volt", clock=clock, dtype=np.float32, name="target")
    place, cutter = sending(source, clock, 2, 6, "spike")
    history = []
    synapses = make(projection, place, Place(target, 2, 8, "v"), float(5 * mV / volt), clock)
    record = brian2.NetworkOperation(lambda: history.append(target.v_[:] / 5e-3), clock=clock, when="end")
    network = brian2.Network(source, target, synapses, cutter, record)
    network.schedule = SCHEDULE
    network.run((delay + 2) * ms, namespace={})
    expected = np.zeros((delay + 2, 8))
    expected[delay:, 2:5] = WEIGHT[:, 0]
    expected[delay + 1 :, 5:8] = WEIGHT[:, 1]
    np.testing.assert_allclose(history, expected, rtol=1e-5)

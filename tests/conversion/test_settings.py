"""Settings of a simulation: times in whole steps, and no field that changes nothing."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.delays import Delays
from conversion.recording import Probe, Recording
from conversion.settings import Simulation
from conversion.simulate import simulate
from conversion.variability import Variability
from models.encoders import Poisson
from models.neurons import integrate_and_fire
from tests.conversion.networks import networks

PLAIN = Simulation(
    neuron=integrate_and_fire(v_init="uniform"), encoder=Poisson(500 * Hz), duration=20 * ms,
    variability=Variability(cv={"v_th": 0.2}),
)  # fmt: skip
CHANGES = {
    "neuron": integrate_and_fire(v_th=2.0),
    "encoder": Poisson(100 * Hz),
    "duration": 10 * ms,
    "dt": 0.5 * ms,
    "seed": 1,
    "network_seed": 1,
    "delays": Delays(1 * ms, sd=1 * ms),
    "output": "accumulating",
    "read_at": [5, 10] * ms,
    "probe": Probe(rasters=("fc1",)),
    "thresholds": {"fc1": 0.5},
    "backgrounds": {"fc1": 100.0},
    "gains": {"fc1": 0.5},
    "half_threshold_offset": True,
    "variability": Variability(),
    "memory_limit": 1.0,  # a batch per image, each with random numbers of its own
}


def recorded(simulation: Simulation) -> Recording:
    graph = networks()["dense"]
    return simulate(graph, np.random.default_rng(0).random((4, *graph.input_shape), np.float32), simulation)


def alike(one: Recording, other: Recording) -> bool:
    """Whether two recordings hold the same counts and potentials at the same times, and the same rasters."""
    same = one.times.shape == other.times.shape and one.rasters.keys() == other.rasters.keys()
    names = ("times", "output_counts", "output_potentials", "spikes")
    return same and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.fixture(scope="module")
def plain() -> Recording:
    return recorded(PLAIN)


def test_the_same_settings_give_the_same_recording(plain):
    assert alike(recorded(replace(PLAIN)), plain)


@pytest.mark.parametrize("name", [field.name for field in fields(Simulation) if field.name != "connectivity"])
def test_every_setting_changes_what_is_recorded(plain, name):
    before = PLAIN
    if name == "network_seed":  # of what is drawn once, here delays
        before = replace(PLAIN, delays=CHANGES["delays"])
        plain = recorded(before)
    assert not alike(recorded(replace(before, **{name: CHANGES[name]})), plain)


def test_connectivity_changes_how_spikes_travel_and_no_spike(plain):
    assert alike(recorded(replace(PLAIN, connectivity="synapses")), plain)


@pytest.mark.parametrize(
    ("changes", "read_after"),
    [
        ({}, [0, 1, 2, 3]),
        ({"read_at": [2] * ms}, [1, 3]),
        ({"read_at": [4, 1, 1] * ms}, [0, 3]),
        ({"read_at": 1 * ms, "dt": 0.5 * ms}, [1, 7]),
    ],
)
def test_the_output_is_read_after_the_steps_that_were_named_and_at_the_end(changes, read_after):
    simulation = replace(PLAIN, duration=4 * ms, **changes)
    assert simulation.read_after.tolist() == read_after
    assert simulation.steps == read_after[-1] + 1

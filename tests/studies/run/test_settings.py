"""What the keys of a condition mean to the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brian2 import ms

from conversion.simulate import simulate
from models.graph import Dense, sequential
from studies.declare.conditions import condition
from studies.run.files import Job
from studies.run.settings import rheobase, simulation_of

BASE = {"model": "m.onnx", "dataset": "digits8", "images": 5, "encoder": "constant", "max_rate_hz": 200}


@pytest.mark.parametrize("offset", ["none", "half"])
def test_only_above_the_rheobase_a_leaky_neuron_ever_spikes(offset: str) -> None:
    values = {"neuron": "lif", "tau_m_ms": 20, "v_th": 0.5, "duration_ms": 400, "current_offset": offset}
    c = condition(BASE | values)
    activation = rheobase(Job(c, Path())) * np.array([0.5, 0.97, 1.03, 2], np.float32)
    graph = sequential((4,), Dense(name="fc", inputs=("",), weight=np.eye(4, dtype=np.float32)))
    recording = simulate(graph, activation[None], simulation_of(Job(c, Path())))
    np.testing.assert_array_equal(recording.output_counts[-1, 0] > 0, [False, False, True, True])
    assert rheobase(Job(condition(BASE | {"current_offset": offset}), Path())) == 0


def test_the_background_of_a_matched_neuron_takes_its_part_of_the_rheobase() -> None:
    """At the onset nothing is missing; at half of it, half of the current, in units of the gain."""
    values = BASE | {"neuron": "lif", "tau_m_ms": 20, "reset": "zero", "matching": "fi", "dt_ms": 0.5}
    assert rheobase(Job(condition(values), Path())) == pytest.approx(0, abs=1e-3)
    c = condition(values | {"onset_share": 0.5, "duration_ms": 400})
    activation = rheobase(Job(c, Path())) * np.array([0.5, 0.97, 1.03, 2], np.float32)
    assert 0 < activation[0] < 0.2
    graph = sequential((4,), Dense(name="fc", inputs=("",), weight=np.eye(4, dtype=np.float32)))
    recording = simulate(graph, activation[None], simulation_of(Job(c, Path())))
    np.testing.assert_array_equal(recording.output_counts[-1, 0] > 0, [False, False, True, True])


def test_every_setting_of_a_simulation_is_that_of_its_key() -> None:
    c = condition(BASE | {"duration_ms": 30, "dt_ms": 0.5, "seed": 3, "memory_gb": 2, "current_offset": "half"})
    settings = simulation_of(Job(c, Path()))
    assert (settings.duration, settings.dt) == (30 * ms, 0.5 * ms)
    assert (settings.seed, settings.memory_limit, settings.half_threshold_offset) == (3, 2e9, True)

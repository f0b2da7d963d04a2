"""What the keys of a condition mean to the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brian2 import ms

from conversion.simulate import simulate
from models.graph import RELU, Dense, sequential
from studies.declare.conditions import condition
from studies.declare.errors import StudyError
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


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_thresholds_of_layers_are_weights_that_are_as_much_smaller(reset: str) -> None:
    """V of threshold theta is theta times the V of threshold 1 whose weights are theta times smaller; powers of two."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0, 1, (6, 6)).astype(np.float32) for name in ("a", "b", "c")}
    thetas = {"a": 2.0, "b": 0.5, "c": 0.25}  # of c, the common one

    def counts(smaller: dict, **values) -> np.ndarray:
        layers = [Dense(name=name, inputs=("",), weight=w / smaller.get(name, 1)) for name, w in weights.items()]
        layers = [replace(layer, activation=RELU) for layer in layers]
        c = condition(BASE | {"encoder": "poisson", "max_rate_hz": 1000, "reset": reset, **values})
        images = rng_images.astype(np.float32)
        return simulate(sequential((6,), *layers), images, simulation_of(Job(c, Path()))).spike_counts

    rng_images = rng.random((4, 6))
    expected = counts(thetas)
    found = counts({}, **{"v_th": 0.25, "v_th.a": 2, "v_th.b": 0.5})
    assert expected.keys() == found.keys()
    for name, spikes in expected.items():
        np.testing.assert_array_equal(found[name], spikes)
        assert spikes.sum() > 0


@pytest.mark.parametrize(("v_min", "leak"), [(0.0, -130.0), (-np.inf, -130.0), (0.0, 70.0)])
def test_the_leak_of_cao_2015_is_what_a_potential_gains_in_a_step(v_min: float, leak: float) -> None:
    """V = V + L + input; from the threshold on a spike and V = 0; below V_min V = V_min."""
    images = np.random.default_rng(1).random((1, 40)).astype(np.float32)
    values = BASE | {
        "max_rate_hz": 1000,
        "reset": "zero",
        "v_min": v_min,
        "neuron.leak": f"{leak} Hz",
        "duration_ms": 60,
    }
    graph = sequential((40,), Dense(name="fc", inputs=("",), weight=np.eye(40, dtype=np.float32)))
    found = simulate(graph, images, simulation_of(Job(condition(values), Path()))).output_counts[-1, 0]
    expected = []
    for x in images[0].astype(float):
        v, spikes = 0.0, 0
        for _ in range(60):
            v += leak / 1000 + x
            spikes, v = (spikes + 1, 0.0) if v >= 1 else (spikes, max(v, v_min))
        expected.append(spikes)
    np.testing.assert_array_equal(found, expected)
    assert 0 in expected or leak > 0


@pytest.mark.parametrize("leak", ["5 ms", "inf Hz"])
def test_a_leak_that_is_no_rate_is_refused(leak: str) -> None:
    with pytest.raises(StudyError, match=r"leak is .*; a constant leak is a finite number of Hz"):
        simulation_of(Job(condition(BASE | {"neuron.leak": leak}), Path()))


def test_every_setting_of_a_simulation_is_that_of_its_key() -> None:
    c = condition(BASE | {"duration_ms": 30, "dt_ms": 0.5, "seed": 3, "memory_gb": 2, "current_offset": "half"})
    settings = simulation_of(Job(c, Path()))
    assert (settings.duration, settings.dt) == (30 * ms, 0.5 * ms)
    assert (settings.seed, settings.memory_limit, settings.half_threshold_offset) == (3, 2e9, True)

"""The initial state comes back, from memory where it is always the same, and anew where it is not."""

from __future__ import annotations

from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import Clock, Hz, ms

from conversion.brian.groups import InitialState, make_group
from models.neurons import Neuron, integrate_and_fire


def group_of(neuron: Neuron, size: int = 50) -> brian2.NeuronGroup:
    return make_group("group", neuron, size, Clock(1 * ms, name="network_clock"))


@pytest.mark.parametrize(
    ("initial", "expected"),
    [({"v_th": "2.0", "v": "v_th / 2"}, np.ones(50)), ({"v_th": "1.0", "v": "i / N"}, np.arange(50) / 50)],
)
def test_a_fixed_state_comes_back(initial: dict[str, str], expected: np.ndarray) -> None:
    neuron = replace(integrate_and_fire(refractory=2 * ms), initial=initial)
    group = group_of(neuron)
    state = InitialState(group, neuron, {"v_th": np.full(50, 3, np.float32)})
    for _ in range(3):
        state.restore()
        np.testing.assert_allclose(group.v[:], expected * (3 if "v_th" in initial["v"] else 1), rtol=1e-6)
        np.testing.assert_allclose(group.v_th[:], 3 * float(initial["v_th"]))
        assert group.not_refractory[:].all()
        assert (np.asarray(group.lastspike) == -1e4).all()
        group.v, group.v_th, group.lastspike, group.not_refractory = 7, 8, 0 * ms, False
    assert state.known


def test_random_states_differ_and_follow_the_seed() -> None:
    neuron = integrate_and_fire(v_init="uniform")
    group = group_of(neuron)
    state, seen = InitialState(group, neuron), []
    for seed in (1, 2, 1):
        brian2.seed(seed)
        state.restore()
        seen.append(group.v[:].copy())
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], seen[2])


def test_a_state_that_follows_the_input_is_computed_for_every_batch() -> None:
    neuron = replace(integrate_and_fire(), initial={"v_th": "1.0", "v": "drive * 10*ms"})
    group = group_of(neuron)
    state = InitialState(group, neuron)
    for current in (20, 30):
        group.drive = current * Hz
        state.restore()
        np.testing.assert_allclose(group.v[:], current / 100)

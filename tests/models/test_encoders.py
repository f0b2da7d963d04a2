"""Input codes alone, each as a group of Brian2 neurons; in a network they are tested in tests/conversion."""

from __future__ import annotations

import brian2
import numpy as np
import pytest
from brian2 import mV, second

from conversion.brian.groups import SCHEDULE, initialise, make_group
from models.encoders import Burst, Phase


def monitored(neuron, values, steps, variable, dt=0.001):
    """A variable of input neurons that are shown values, (neurons, steps), before the threshold; and their spikes."""
    group = make_group("alone", neuron, len(values), brian2.Clock(dt * second))
    initialise(group, neuron)
    group.value = values
    states = brian2.StateMonitor(group, variable, record=True, when="before_thresholds", order=1, name="states")
    spikes = brian2.SpikeMonitor(group, name="spikes")
    network = brian2.Network(group, states, spikes)
    network.schedule = SCHEDULE
    network.run(steps * dt * second, namespace={})
    return getattr(states, f"{variable}_"), np.asarray(spikes.i), np.rint(spikes.t / (dt * second)).astype(int)


@pytest.mark.parametrize("period", [1, 2, 8, 16])
def test_phase_code_spells_the_rounded_number(period):
    values = np.random.default_rng(0).random(50)
    _, neurons, steps = monitored(Phase(period).neuron, values, period, "weight")
    sent = np.bincount(neurons, 0.5 ** (steps + 1.0), minlength=50)
    np.testing.assert_allclose(sent * 2**period, np.rint(values.astype(np.float32) * (2**period - 1)), atol=1e-9)


@pytest.mark.parametrize("period", [0, 17])
def test_number_of_phases(period):
    with pytest.raises(ValueError, match=f"period is {period}; a phase code has from 1 to 16 phases"):
        Phase(period)


def test_izhikevich_neuron_at_rest_and_below_threshold():
    """v settles where 0.04 v^2 + 5 v + 140 + I = u = 0.2 v: at -70 mV for I = 0, at -5.2 / 0.08 mV for I = 3."""
    v, neurons, _ = monitored(Burst().neuron, np.array([0.0, 0.15]), 1000, "v")
    assert neurons.size == 0
    np.testing.assert_allclose(v[:, -1] * 1e3, [-70.0, -65.0], atol=0.01)


def test_small_steps_converge_on_the_differential_equation():
    """Its first spike at I = 20 mV/ms, by SciPy's solver."""
    from scipy.integrate import solve_ivp

    def slope(_, state):
        v, u = state
        return 0.04 * v**2 + 5 * v + 140 - u + 20, 0.02 * (0.2 * v - u)

    def crossing(_, state):
        return state[0] - 30

    crossing.terminal = True
    exact = solve_ivp(slope, (0, 50), (-65, -13), events=crossing, rtol=1e-9, atol=1e-9).t_events[0][0]
    _, _, steps = monitored(Burst().neuron, np.array([1.0]), 1000, "v", dt=1e-5)
    assert (steps[0] + 1) * 0.01 == pytest.approx(exact, abs=0.03)


def test_the_current_is_the_users():
    _, neurons, _ = monitored(Burst(5 * mV / brian2.ms).neuron, np.array([0.5, 1.0]), 400, "v")
    assert set(neurons) == {1}

"""Noise against its closed forms: variance and mean of the potential, and the numbers of background spikes."""

from __future__ import annotations

from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import Clock, Hz, ms, mV, second
from scipy import stats

from conversion.brian.groups import SCHEDULE, initialise, make_group
from conversion.compiled import GroupLoop
from models.neurons import (
    Neuron,
    integrate_and_fire,
    leaky_integrate_and_fire,
    membrane_noise,
    phase_coded,
    poisson_background,
)

N = 10_000
HIGH = 1e6
IN_MV = Neuron(
    equations="dv/dt = (E_L - v) / tau_m + drive : volt\ndrive : volt / second (constant)\nv_th : volt (constant)",
    threshold="v >= v_th", reset="v = E_L", source="", method="exact", input_unit=15 * mV,
    initial={"v_th": "1000 * mV", "v": "E_L"}, parameters={"E_L": -65 * mV, "tau_m": 8 * ms},
)  # fmt: skip
SYNAPTIC = Neuron(
    equations="dv/dt = I / tau_s : 1\ndI/dt = -I / tau_s : 1\nv_th : 1 (constant)",
    threshold="v >= v_th", reset="v = 0", source="", input_variable="I", potential="v",
    initial={"v_th": "1e6", "v": "0", "I": "0"}, parameters={"tau_s": 3 * ms},
)  # fmt: skip


def potentials(neuron, steps, dt=1 * ms, drive=0.0, n=N, loop=True):
    """Of n neurons after so many steps."""
    group = make_group("alone", neuron, n, Clock(dt, name="clock"))
    initialise(group, neuron)
    if drive:
        group.variables["drive"].set_value(drive)
    network = brian2.Network(group, *([GroupLoop(group, SCHEDULE)] if loop else []))
    network.schedule = SCHEDULE
    brian2.seed(1)
    with np.errstate(over="ignore"):
        network.run(steps * dt, namespace={})
    return np.array(group.variables[neuron.potential or neuron.input_variable].get_value(), np.float64)


def require_normal(v, mean, variance):
    """Within four standard errors, and in its shape."""
    assert abs(v.mean() - mean) < 4 * np.sqrt(variance / v.size)
    assert abs(v.var() / variance - 1) < 4 * np.sqrt(2 / v.size)
    assert stats.kstest((v - mean) / np.sqrt(variance), "norm").pvalue > 1e-3


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize(("steps", "dt"), [(1, 1 * ms), (50, 1 * ms), (100, 0.25 * ms)])
def test_without_a_leak_the_variance_grows_with_time(steps, dt, loop):
    neuron = membrane_noise(integrate_and_fire(v_th=HIGH), 0.1 / ms**0.5)
    require_normal(potentials(neuron, steps, dt, loop=loop), 0, 0.01 * steps * float(dt) * 1e3)


@pytest.mark.parametrize("dt", [0.2 * ms, 2 * ms])
def test_with_a_leak_it_settles_and_the_mean_is_exact(dt):
    """For steps of a fiftieth of tau_m it is sigma^2 tau_m / 2, to a fiftieth."""
    neuron, x = membrane_noise(leaky_integrate_and_fire(10 * ms, v_th=HIGH), 0.1 / ms**0.5), float(dt / (10 * ms))
    steps = round(6 / x)
    v = potentials(neuron, steps, dt, drive=50.0)
    require_normal(v, 0.5 * (1 - np.exp(-6)), 0.01 * float(dt) * 1e3 / (1 - np.exp(-2 * x)))
    if x < 0.1:
        assert abs(v.var() / (0.01 * 10 / 2) - 1) < x + 4 * np.sqrt(2 / N)


def test_noise_in_millivolts():
    v = potentials(membrane_noise(IN_MV, 2 * mV / ms**0.5), 100)
    require_normal(v * 1e3, -65, 4 / (1 - np.exp(-2 / 8)))


def test_noise_of_a_potential_that_is_not_raised_by_spikes():
    neuron = membrane_noise(phase_coded(v_th=HIGH), 1 / second**0.5)
    require_normal(potentials(neuron, 50), 0, 0.05)


def test_a_refractory_neuron_is_spared():
    neuron = membrane_noise(integrate_and_fire(reset="zero", refractory=5 * ms), 0.1 / ms**0.5)
    v = potentials(neuron, 5, drive=2000.0, n=50)  # fires in the first step and is held for the others
    assert not v.any()
    assert potentials(replace(neuron, refractory=2 * ms), 3, drive=0.01, n=50).all()


@pytest.mark.parametrize("weight", [0.5, -0.25])
@pytest.mark.parametrize("rate", [40 * Hz, 600 * Hz, 1000 * Hz])
def test_a_background_spikes_in_each_step_with_its_probability(rate, weight):
    neuron = poisson_background(integrate_and_fire(v_th=HIGH), rate, weight)
    counts = potentials(neuron, 30) / weight
    expected = stats.binom(30, float(rate) * 1e-3)
    assert abs(counts.mean() - expected.mean()) <= 4 * expected.std() / np.sqrt(N)
    found = np.bincount(counts.astype(int), minlength=31)
    assert counts.astype(int).tolist() == counts.tolist()
    likely = expected.pmf(np.arange(31)) * N > 10
    np.testing.assert_array_less(
        abs(found - N * expected.pmf(np.arange(31)))[likely],
        4.5 * np.sqrt(N * expected.pmf(np.arange(31)) + 1)[likely],
    )


def test_two_backgrounds_are_independent():
    neuron = poisson_background(integrate_and_fire(v_th=HIGH), 300 * Hz, 1.0)
    neuron = poisson_background(neuron, 200 * Hz, -0.5)
    v = potentials(neuron, 100)
    variance = 100 * (0.3 * 0.7 + 0.2 * 0.8 * 0.25)
    assert abs(v.mean() - (30 - 10)) < 4 * np.sqrt(variance / N)
    assert abs(v.var() / variance - 1) < 4 * np.sqrt(2 / N)


def test_a_background_raises_the_input_variable_in_its_unit():
    v = potentials(poisson_background(IN_MV, 1000 * Hz, 0.2), 1, n=5)  # a spike in every step, of 3 mV
    np.testing.assert_allclose(v, -0.065 + 0.003, rtol=1e-6)
    v = potentials(poisson_background(SYNAPTIC, 1000 * Hz, 0.2), 400, n=5)
    np.testing.assert_allclose(v, 400 * 0.2 - 0.6, rtol=1e-4)  # all has come but what is in I, 0.2 * (1 + 2/3 + ...)


@pytest.mark.parametrize(
    "noisy", [lambda n: membrane_noise(n, 0 / ms**0.5), lambda n: poisson_background(n, 0 * Hz, 1.0)]
)
def test_no_noise_is_the_neuron_itself(noisy):
    neuron = leaky_integrate_and_fire(10 * ms)
    assert noisy(neuron) is neuron


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n: membrane_noise(n, -1 / ms**0.5), "sigma is"),
        (lambda n: membrane_noise(n, 1 * mV / ms**0.5), "in the unit of 'v' per root of a second"),
        (lambda n: membrane_noise(membrane_noise(n, 1 / ms**0.5), 1 / ms**0.5), "give it once"),
        (lambda n: poisson_background(n, 3.0, 1.0), "rate is 3.0"),
        (lambda n: poisson_background(n, -3 * Hz, 1.0), "rate is -3"),
        (lambda n: poisson_background(n, 3 * Hz, np.inf), "weight is inf"),
        (lambda n: potentials(poisson_background(n, 1001 * Hz, 1.0), 1), "more than a spike in each step"),
    ],
)
def test_what_is_no_noise_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(integrate_and_fire())

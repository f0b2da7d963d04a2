"""Neuron models against their closed forms, each alone in Brian2, driven by a constant current."""

from __future__ import annotations

from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import Hz, ms, second

from conversion.brian.groups import initialise, make_group
from models.neurons import (
    accumulator,
    integrate_and_fire,
    leaky_integrate_and_fire,
    phase_coded,
    signed_integrate_and_fire,
)

DRIVE = "drive : Hz (constant)\nv_th : 1 (constant)"


def spike_rates(neuron, drives, duration=1.0, dt=0.1):
    """Firing rates in Hz of neurons with constant drives in 1/s; dt in ms."""
    group = brian2.NeuronGroup(
        len(drives), neuron.equations, threshold=neuron.threshold, reset=neuron.reset, method=neuron.method,
        refractory=neuron.refractory if neuron.refractory > 0 * ms else False, namespace=dict(neuron.parameters),
        dt=dt * ms, name="alone",
    )  # fmt: skip
    for variable, expression in neuron.initial.items():
        setattr(group, variable, expression)
    group.drive = drives * Hz
    monitor = brian2.SpikeMonitor(group, record=False, name="count")
    brian2.Network(group, monitor).run(duration * second, namespace={})
    return np.asarray(monitor.count) / duration


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("v_th", [1.0, 2.5])
def test_integrate_and_fire_rate_is_drive_over_threshold(reset, v_th):
    drives = np.array([0.0, 10.0, 55.0, 300.0])
    rates = spike_rates(integrate_and_fire(v_th=v_th, reset=reset), drives)
    expected = drives / v_th
    if reset == "zero":  # what lies above the threshold is lost: an interval is a whole number of steps
        expected[1:] = 1 / (np.ceil(v_th / (drives[1:] * 0.1e-3)) * 0.1e-3)
    np.testing.assert_allclose(rates, expected, atol=1)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.25, 1.0])
@pytest.mark.parametrize("v_th", [1.0, 2.5])
def test_signed_rate_is_the_leaky_relu_of_the_drive(alpha, v_th):
    """drive / v_th above zero and alpha * drive / v_th below (Kim 2020); with alpha 0 there are no negative spikes."""
    drives = np.array([-400.0, -55.0, 0.0, 55.0, 400.0])
    rates = signed_rates(signed_integrate_and_fire(v_th=v_th), alpha, drives)
    np.testing.assert_allclose(rates, np.where(drives > 0, drives, alpha * drives) / v_th, atol=1)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0])
def test_balanced_thresholds_have_slope_1_below_zero_whatever_alpha_is(alpha):
    drives = np.array([-400.0, -55.0, 0.0, 55.0, 400.0])
    rates = signed_rates(signed_integrate_and_fire(v_th=2.0, balanced=True), alpha, drives)
    np.testing.assert_allclose(rates, np.where((drives > 0) | (alpha > 0), drives, 0) / 2, atol=1)


def signed_rates(neuron, alpha, drives, duration=1.0):
    """Positive less negative spikes per second of neurons with constant drives in 1/s."""
    group = make_group("alone", neuron, len(drives), brian2.Clock(0.5 * ms))
    initialise(group, neuron)
    group.alpha, group.drive = alpha, drives * Hz
    positive = brian2.SpikeMonitor(group, record=False, name="positive")
    negative = brian2.EventMonitor(group, "negative_spike", record=False, name="negative")
    with np.errstate(over="ignore"):  # Brian2 compares float32 with 1e50
        brian2.Network(group, positive, negative).run(duration * second, namespace={})
    return (np.asarray(positive.count) - np.asarray(negative.count)) / duration


@pytest.mark.parametrize("tau_ms", [5.0, 20.0, 100.0])
def test_leaky_rate_with_hard_reset_is_the_textbook_formula(tau_ms):
    """1 / (tau log(tau I / (tau I - v_th))) above the rheobase v_th / tau, else 0 (Gerstner et al., section 1.3)."""
    rheobase = 1 / (tau_ms * 1e-3)
    drives = rheobase * np.array([0.5, 0.99, 1.2, 2.0, 4.0])
    above = drives > rheobase
    expected = np.zeros(len(drives))
    scaled = drives[above] / rheobase
    expected[above] = rheobase / np.log(scaled / (scaled - 1))
    rates = spike_rates(leaky_integrate_and_fire(tau_ms * ms, reset="zero"), drives, dt=tau_ms / 250)
    np.testing.assert_allclose(rates, expected, rtol=0.015, atol=1.1)


@pytest.mark.parametrize("t_ref_ms", [1.0, 5.0])
def test_refractory_period_adds_to_every_interval(t_ref_ms):
    drives = np.array([20.0, 100.0, 400.0])
    free = spike_rates(integrate_and_fire(reset="zero"), drives)
    slowed = spike_rates(integrate_and_fire(reset="zero", refractory=t_ref_ms * ms), drives)
    np.testing.assert_allclose(1 / slowed, 1 / free + t_ref_ms * 1e-3, rtol=0.05)


def test_a_very_slow_leak_is_no_leak():
    drives = np.array([15.0, 80.0])
    leaky = spike_rates(leaky_integrate_and_fire(1e6 * ms), drives)
    np.testing.assert_allclose(leaky, spike_rates(integrate_and_fire(), drives), atol=1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"v_th": 0.0}, r"v_th is 0\.0"),
        ({"v_min": 0.5}, r"v_min is 0\.5; a lower clamp is at most 0"),
        ({"reset": "soft"}, "reset is 'soft'; known are 'subtract', 'zero'"),
        ({"v_init": "random"}, "v_init is 'random'; known are 'zero', 'half', 'uniform'"),
    ],
)
def test_bad_parameters_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        integrate_and_fire(**settings)


def test_a_membrane_time_constant_is_positive():
    with pytest.raises(ValueError, match="tau_m is"):
        leaky_integrate_and_fire(0 * ms)


def test_a_phase_code_has_few_phases():
    with pytest.raises(ValueError, match="period is 17; a phase code has from 1 to 16 phases"):
        phase_coded(17)


@pytest.mark.parametrize("period", [1, 4, 8])
def test_phase_weights_halve_and_begin_again(period):
    neuron = phase_coded(period)
    group = make_group("alone", neuron, 1, brian2.Clock(1 * ms))
    initialise(group, neuron)
    monitor = brian2.StateMonitor(group, "weight", record=True, when="thresholds", name="weights")
    with np.errstate(over="ignore"):  # Brian2 compares float32 with 1e50
        brian2.Network(group, monitor).run(3 * period * ms, namespace={})
    np.testing.assert_array_equal(monitor.weight[0], np.tile(0.5 ** np.arange(1, period + 1), 3))


def test_an_accumulator_has_no_threshold():
    assert accumulator().threshold == ""


@pytest.mark.parametrize(
    ("changes", "random"),
    [
        ({}, False),
        ({"initial": {"v_th": "1", "v": "rand() * v_th"}}, True),
        ({"equations": f"dv/dt = drive + xi * second**-0.5 : 1\n{DRIVE}"}, True),
        ({"equations": f"dv/dt = drive + xi_left * second**-0.5 : 1\n{DRIVE}"}, True),
        ({"threshold": "rand() < v"}, True),
        ({"reset": "v = randn()"}, True),
        ({"update": "grand = taxi + rand_max", "parameters": {"taxi": 1, "rand_max": 2}}, False),
    ],
    ids=str,
)
def test_a_model_is_random_if_its_text_draws_numbers(changes: dict, random: bool) -> None:
    assert replace(integrate_and_fire(), **changes).is_random is random

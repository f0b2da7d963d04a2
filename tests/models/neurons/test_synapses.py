"""Synapses against the closed forms of postsynaptic potentials, each neuron alone in Brian2."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import Clock, Hz, Quantity, ms, mV

from conversion.brian.groups import SCHEDULE, initialise, make_group
from conversion.compiled import GroupLoop
from models.neurons import (
    Neuron,
    accumulator,
    alpha_current,
    conductances,
    exponential_current,
    integrate_and_fire,
    leaky_integrate_and_fire,
    phase_coded,
)

TAU_M, TAU_S = 10.0, 4.0  # ms
IN_MV = Neuron(
    equations="dv/dt = (E_L - v) / tau_m + drive : volt\ndrive : volt/second (constant)",
    threshold="v > -50*mV",
    reset="v = E_L",
    source="",
    input_unit=20 * mV,
    initial={"v": "E_L"},
    parameters={"E_L": -70 * mV, "tau_m": TAU_M * ms},
)
OTHER_REST = replace(
    IN_MV,
    equations=IN_MV.equations.replace("E_L", "rest"),
    reset="v = rest",
    initial={"v": "rest"},
    parameters={"rest": -70 * mV, "tau_m": TAU_M * ms},
)


def silent(neuron: Neuron) -> Neuron:
    return replace(neuron, threshold="", reset="", refractory=0 * ms)


def response(neuron: Neuron, weight: float, dt: Quantity, duration: Quantity, drive: float = 0.0) -> np.ndarray:
    """The potential after each step, of a neuron that a spike reaches at time 0."""
    group = make_group("alone", silent(neuron), 1, Clock(dt, name="lone_clock"))
    initialise(group, neuron)
    group.variables["drive"].set_value(drive)
    variable = neuron.inhibitory_variable if weight < 0 and neuron.inhibitory_variable else neuron.input_variable
    raised = abs(weight) if neuron.inhibitory_variable else weight
    group.variables[variable].get_value()[:] += raised * float(neuron.input_unit)
    seen: list[float] = []
    potential = group.variables[neuron.potential or neuron.input_variable]
    look = brian2.NetworkOperation(lambda: seen.append(float(potential.get_value()[0])), clock=group.clock, when="end")
    loop = GroupLoop(group, SCHEDULE)
    network = brian2.Network(group, loop, look)
    network.schedule = SCHEDULE
    with np.errstate(over="ignore"):
        network.run(duration, namespace={})
    assert loop.parts, "it is compiled"
    return np.array(seen)


@pytest.mark.parametrize("dt_ms", [0.1, 0.5])
def test_an_exponential_current_into_a_leaky_membrane_is_a_difference_of_exponentials(dt_ms: float) -> None:
    """w tau_m / (tau_m - tau_s) (exp(-t / tau_m) - exp(-t / tau_s))."""
    neuron = exponential_current(leaky_integrate_and_fire(TAU_M * ms), TAU_S * ms)
    found = response(neuron, 1.5, dt_ms * ms, 50 * ms)
    t = dt_ms * np.arange(1, len(found) + 1)
    expected = 1.5 * TAU_M / (TAU_M - TAU_S) * (np.exp(-t / TAU_M) - np.exp(-t / TAU_S))
    np.testing.assert_allclose(found, expected, atol=2e-3 * dt_ms**2)


def test_an_alpha_current_into_a_leaky_membrane_has_its_closed_form() -> None:
    """The convolution of t / tau_s^2 exp(-t / tau_s) and exp(-t / tau_m)."""
    neuron = alpha_current(leaky_integrate_and_fire(TAU_M * ms), TAU_S * ms)
    t = 0.1 * np.arange(1, 501)
    k = 1 / TAU_S - 1 / TAU_M
    expected = np.exp(-t / TAU_M) / TAU_S**2 * (1 - (1 + k * t) * np.exp(-k * t)) / k**2
    np.testing.assert_allclose(response(neuron, 1.0, 0.1 * ms, 50 * ms), expected, atol=2e-5)


@pytest.mark.parametrize("dt_ms", [0.5, 1.0, 5.0])
@pytest.mark.parametrize("tau_ms", [0.5, 4.0])
@pytest.mark.parametrize(
    ("synapse", "missing"),
    [
        (exponential_current, lambda t, tau: math.exp(-t / tau)),
        (alpha_current, lambda t, tau: (1 + t / tau) * math.exp(-t / tau)),
    ],
)
def test_a_membrane_without_a_leak_has_received_the_integral_of_the_current_after_every_step(
    synapse: Callable, missing: Callable, tau_ms: float, dt_ms: float
) -> None:
    """At any time step: the whole weight in the end."""
    found = response(synapse(integrate_and_fire(), tau_ms * ms), -0.75, dt_ms * ms, 50 * ms)
    expected = [-0.75 * (1 - missing(dt_ms * k, tau_ms)) for k in range(1, len(found) + 1)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("weight", [0.02, -0.02, 2.0, -2.0])
@pytest.mark.parametrize(
    ("neuron", "E_e", "E_i", "unit", "tau_m"),
    [
        (leaky_integrate_and_fire(TAU_M * ms), 6, -2, 1, TAU_M),
        (replace(IN_MV, method="exact"), 0, -0.08, 0.02, TAU_M),
        (integrate_and_fire(), 6, -2, 1, math.inf),
    ],
    ids=["leaky", "in mV", "without a leak"],
)
def test_conductances_against_a_fine_loop(
    neuron: Neuron, E_e: float, E_i: float, unit: float, tau_m: float, weight: float
) -> None:
    """dv/dt = -(v - v_ref) / tau_m + g (E - v), g = |w| / tau / |E - v_ref| exp(-t / tau), in steps of 1 us."""
    wrapped, tau, reversal = conductances(neuron, TAU_S * ms, 7 * ms), TAU_S, E_e
    if weight < 0:
        tau, reversal = 7.0, E_i
    v_ref = v = 0.0 if unit == 1 else -0.07
    expected, dt = [], 0.001
    for k in range(1, 30_001):
        g = abs(weight) * unit / tau / abs(reversal - v_ref) * math.exp(-(k - 0.5) * dt / tau)
        v += dt * (-(v - v_ref) / tau_m + g * (reversal - v))
        if k % 100 == 0:
            expected.append(v)
    found = response(wrapped, weight, 0.1 * ms, 30 * ms)
    np.testing.assert_allclose(found, expected, atol=3e-4 * abs(weight) * unit)
    assert np.sign(found[-1] - v_ref) == np.sign(weight)


def test_at_the_reference_potential_a_conductance_brings_the_charge_of_the_delta_synapse() -> None:
    """A weight so small that the membrane stays there; to any leak it would be lost again."""
    for weight in (1e-3, -1e-3):
        neuron = conductances(integrate_and_fire(), TAU_S * ms, 7 * ms, E_e=14 / 3, E_i=-2 / 3)
        assert response(neuron, weight, 1 * ms, 200 * ms)[-1] == pytest.approx(weight, rel=2e-3)


@pytest.mark.parametrize("dt_ms", [0.1, 1.0])
def test_inhibition_however_strong_ends_at_its_reversal_potential(dt_ms: float) -> None:
    found = response(conductances(integrate_and_fire(), 5 * ms, 10 * ms), -1000.0, dt_ms * ms, 40 * ms)
    assert found.min() >= -2.0001
    assert found[-1] == pytest.approx(-2, abs=1e-3)


@pytest.mark.parametrize("synapse", [exponential_current, alpha_current])
def test_a_drive_passes_the_synapse_by(synapse: Callable) -> None:
    found = response(synapse(integrate_and_fire(), 5 * ms), 0.0, 1 * ms, 10 * ms, drive=20.0)
    np.testing.assert_allclose(found, 0.02 * np.arange(1, 11), rtol=1e-5)


def test_what_is_left_of_a_current_after_the_refractory_period_still_counts() -> None:
    """v is held for 5 ms, in which the current decays: 0.9 (exp(-5 / 4) - exp(-t / 4)) of it come after that."""
    neuron = exponential_current(integrate_and_fire(refractory=5 * ms, reset="zero"), TAU_S * ms)
    group = make_group("held", neuron, 1, Clock(0.1 * ms, name="lone_clock"))
    initialise(group, neuron)
    group.variables["v"].set_value(2.0)  # spikes in the first step
    group.variables["I_syn"].set_value(0.9 * float(neuron.input_unit))
    network = brian2.Network(group, GroupLoop(group, SCHEDULE))
    network.schedule = SCHEDULE
    with np.errstate(over="ignore"):
        network.run(5 * ms, namespace={})
        assert group.variables["v"].get_value()[0] == 0
        network.run(35 * ms, namespace={})
    expected = 0.9 * (math.exp(-5 / TAU_S) - math.exp(-40 / TAU_S))
    assert group.variables["v"].get_value()[0] == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("synapse", [exponential_current, alpha_current])
def test_units_of_a_neuron_in_mv(synapse: Callable) -> None:
    """20 mV for a weight of 1, into a leak of 10 ms; the drive keeps what an activation of 1 adds."""
    neuron = synapse(IN_MV, TAU_S * ms)
    assert float(neuron.current_unit) == 0.02
    assert neuron.input_unit == 20 * mV / (TAU_S * ms)
    area = (response(neuron, 1.0, 0.1 * ms, 200 * ms) + 0.07).sum() * 1e-4
    assert area == pytest.approx(0.02 * TAU_M * 1e-3, rel=0.02)  # charge times tau_m


def test_the_output_that_accumulates_sums_what_comes_through_the_same_synapses() -> None:
    for wrapped in (exponential_current(IN_MV, 4 * ms), conductances(IN_MV, 4 * ms, 4 * ms)):
        sums = wrapped.accumulator
        assert sums is not None
        for weight in (0.5, -300.0):
            expected = weight * (1 - np.exp(-np.arange(1, 31) / 4))
            np.testing.assert_allclose(response(sums, weight, 1 * ms, 30 * ms), expected, rtol=1e-4)
    assert integrate_and_fire().accumulator is None


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: exponential_current(integrate_and_fire(), 0 * ms), "tau_s is 0. s; the time constant of a synapse"),
        (lambda: alpha_current(integrate_and_fire(), 5 * Hz), "tau_s is 5. Hz; the time constant of a synapse"),
        (lambda: conductances(integrate_and_fire(), 5 * ms, -1 * ms), "tau_i is -1. ms; the time constant"),
        (
            lambda: exponential_current(phase_coded(), 5 * ms),
            "no other synapse: 'received', which input raises, has no",
        ),
        (
            lambda: exponential_current(exponential_current(accumulator(), 1 * ms), 5 * ms),
            "'I_syn', which input raises",
        ),
        (lambda: conductances(integrate_and_fire(), 5 * ms, 5 * ms, E_e=0 * mV), "E_e is 0. V; it must be in the unit"),
        (lambda: conductances(integrate_and_fire(), 5 * ms, 5 * ms, E_i=0.5), "are 0.5, 0.0 and 6.0; they must rise"),
        (lambda: conductances(OTHER_REST, 5 * ms, 5 * ms), "no parameter `E_L`; say at which v_ref"),
        (
            lambda: exponential_current(exponential_current(IN_MV, 1 * ms), 5 * ms),
            "'I_syn', which input raises",
        ),
    ],
)
def test_what_makes_no_synapse_is_refused(make: Callable, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make()


def test_equations_of_several_lines_and_comments_keep_what_is_beside_the_drive() -> None:
    """Only the drive of the equation that input raises gets a current, and only that."""
    text = """
    dw/dt = (drive * tau_w - w) / tau_w : 1  # the drive here, too
    dv/dt = drive
        - w / tau_w : 1 (unless refractory)
    drive : Hz (constant)
    """
    neuron = Neuron(
        equations=text, threshold="", reset="", source="", initial={"v": "0", "w": "0"}, parameters={"tau_w": 5 * ms}
    )
    found = exponential_current(neuron, 5 * ms).equations
    assert found.count("I_syn * exprel") == 1
    equations = brian2.Equations(found)
    assert "I_syn" in equations["v"].identifiers
    assert "I_syn" not in equations["w"].identifiers
    assert equations["I_syn"].unit == Hz
    assert equations["v"].flags == ["unless refractory"]


def test_a_leak_that_was_solved_exactly_still_is() -> None:
    assert exponential_current(leaky_integrate_and_fire(9 * ms), 5 * ms).method == "exponential_euler"
    assert conductances(leaky_integrate_and_fire(9 * ms), 5 * ms, 5 * ms).method == "exponential_euler"
    assert exponential_current(IN_MV, 5 * ms).method == conductances(IN_MV, 5 * ms, 5 * ms).method == "euler"

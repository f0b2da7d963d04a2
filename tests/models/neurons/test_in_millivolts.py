"""The neurons in mV against closed forms, quadrature, and an independent loop, each alone under a constant current."""

from __future__ import annotations

import math
from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import Quantity, ms, mV, nS, pA, pF, second, volt
from numpy.typing import NDArray
from scipy.integrate import quad

from conversion.brian import measure_rates
from conversion.brian.groups import SCHEDULE, initialise, make_group
from models.neurons import (
    ADAPTIVE_EXPONENTIAL_PATTERNS,
    IZHIKEVICH_PATTERNS,
    NEURONS,
    Neuron,
    adaptive_current,
    adaptive_exponential,
    adaptive_threshold,
    exponential_integrate_and_fire,
    izhikevich,
    leaky_membrane,
    quadratic_integrate_and_fire,
    relative_refractory,
)

TAU_M, V_TH, C_M = 20e-3, 15e-3, 200e-12  # of the leaky neurons, in base units; they are reset to their rest
T_REF = 2e-3
DT = 0.05 * ms
INTERVALS = np.array([8e-3, 20e-3, 50e-3])  # without the refractory period


def rates_of(neuron: Neuron, drives: NDArray[np.float64], dt: Quantity = DT) -> NDArray[np.float64]:
    return measure_rates(neuron, "drive", drives, dt, 2 * second)


def drive_of(height: NDArray[np.float64]) -> NDArray[np.float64]:
    """The drive that takes a leaky neuron from rest to a height above it within `INTERVALS`."""
    return height / (TAU_M * (1 - np.exp(-INTERVALS / TAU_M)))


def test_the_leaky_membrane_has_the_textbook_curve_and_rheobase() -> None:
    drives = drive_of(np.full(3, V_TH))
    np.testing.assert_allclose(rates_of(leaky_membrane(), drives), 1 / (INTERVALS + T_REF), rtol=0.01)
    free = rates_of(leaky_membrane(refractory=0 * ms), drives)
    np.testing.assert_allclose(free, 1 / INTERVALS, rtol=0.01)
    near = rates_of(leaky_membrane(), V_TH / TAU_M * np.array([0.999, 1.001]))
    assert near[0] == 0 < near[1]


def test_a_current_is_the_capacitance_times_the_drive() -> None:
    """Twice the capacitance and twice the conductance are twice the current, and the same curve in drives."""
    drives = drive_of(np.full(3, V_TH))
    doubled = leaky_membrane(C_m=400 * pF, g_L=20 * nS)
    np.testing.assert_array_equal(rates_of(doubled, drives), rates_of(leaky_membrane(), drives))


def test_relative_refractoriness_raises_the_threshold_that_the_next_spike_meets() -> None:
    drives = drive_of(V_TH + 10e-3 * np.exp(-(INTERVALS + T_REF) / 10e-3))
    np.testing.assert_allclose(rates_of(relative_refractory(), drives), 1 / (INTERVALS + T_REF), rtol=0.015)


def test_an_adaptive_threshold_sums_what_all_spikes_have_left() -> None:
    drives = drive_of(V_TH + 2e-3 / np.expm1((INTERVALS + T_REF) / 200e-3))
    np.testing.assert_allclose(rates_of(adaptive_threshold(), drives), 1 / (INTERVALS + T_REF), rtol=0.015)


@pytest.mark.parametrize("tau_w_ms", [100.0, 20.001])
def test_an_adaptive_current_settles_where_a_period_repeats_itself(tau_w_ms: float) -> None:
    """At tau_w = tau_m the closed form, and an exact solver, would divide by 0."""
    tau_w = tau_w_ms * 1e-3
    w = 20e-12 / (1 - np.exp(-INTERVALS / tau_w))
    braked = (np.exp(-INTERVALS / tau_w) - np.exp(-INTERVALS / TAU_M)) / (1 / TAU_M - 1 / tau_w)
    drives = drive_of(V_TH + w / C_M * braked)
    neuron = adaptive_current(tau_w=tau_w_ms * ms, refractory=0 * ms)
    np.testing.assert_allclose(rates_of(neuron, drives), 1 / INTERVALS, rtol=0.015)
    equal = rates_of(replace(neuron, parameters={**neuron.parameters, "tau_w": 20 * ms}), drives)
    assert np.all(equal > 0) or tau_w_ms != 20.001


def test_the_quadratic_neuron_has_the_rate_of_its_two_arctangents() -> None:
    tau_m, v_th, drives = 10e-3, 15e-3, np.array([0.38, 0.5, 1.0, 3.0])
    beta = np.sqrt(v_th * tau_m * drives - v_th**2 / 4)
    peak, reset = 20e-3 + 57.5e-3, -80e-3 + 57.5e-3  # above the middle of rest and threshold
    expected = beta / (v_th * tau_m * (np.arctan(peak / beta) - np.arctan(reset / beta)))
    np.testing.assert_allclose(rates_of(quadratic_integrate_and_fire(), drives, 0.02 * ms), expected, rtol=0.02)
    assert rates_of(quadratic_integrate_and_fire(), np.array([0.37]))[0] == 0  # below v_th / (4 tau_m) = 0.375


def test_the_exponential_neuron_has_the_interval_of_the_integral() -> None:
    drives = np.array([0.2, 0.4, 1.0, 3.0])  # in mV/ms

    def pace(v: float, drive: float) -> float:
        return (-65 - v + 3.48 * np.exp((v + 59.9) / 3.48)) / 10 + drive

    intervals = [1.7 + quad(lambda v, d=d: 1 / pace(v, d), -68, -30, limit=200)[0] for d in drives]
    rates = rates_of(exponential_integrate_and_fire(), drives, 0.02 * ms)
    np.testing.assert_allclose(rates, 1e3 / np.array(intervals), rtol=0.02)
    onset = (-59.9 + 65 - 3.48) / 10
    near = rates_of(exponential_integrate_and_fire(), onset * np.array([0.99, 1.02]))
    assert near[0] == 0 < near[1]


# Firing patterns, from the switching-on of a current, against loops in 64 bits


def spikes_of(neuron: Neuron, drive: float, duration: float, dt: Quantity) -> NDArray[np.float64]:
    """Times of spikes in ms, of one neuron alone in Brian2; the drive in mV/ms, the duration in ms."""
    group = make_group("alone", neuron, 1, brian2.Clock(dt, name="pattern_clock"))
    initialise(group, neuron)
    group.variables["drive"].set_value(drive)
    monitor = brian2.SpikeMonitor(group, name="pattern")
    network = brian2.Network(group, monitor)
    network.schedule = SCHEDULE
    with np.errstate(over="ignore"):  # Brian2 compares float32 with 1e50
        network.run(duration * ms, namespace={})
    assert np.isfinite(np.asarray(group.v)).all()
    return np.asarray(monitor.t / ms)


def adex_loop(current: float, duration: float, dt: float = 0.01, **changed: Quantity) -> list[float]:
    """Spikes of Naud's equations in pF, nS, mV, ms and pA, with a spike where the potential is 20 mV."""
    p = {"C_m": 200 * pF, "g_L": 10 * nS, "E_L": -70 * mV, "a": 2 * nS, "tau_w": 30 * ms, "b": 0 * pA,
         "V_reset": -58 * mV} | changed  # fmt: skip
    units = {"C_m": pF, "g_L": nS, "E_L": mV, "a": nS, "tau_w": ms, "b": pA, "V_reset": mV}
    C, g, E, a, tau, b, reset = (float(p[name] / unit) for name, unit in units.items())
    v, w, spikes = E, 0.0, []
    for k in range(int(duration / dt)):
        dv = (g * (E - v) + g * 2 * math.exp((v + 50) / 2) - w + current) / C
        v, w = v + dt * dv, w + dt * (a * (v - E) - w) / tau
        if v >= 20:
            v, w = reset, w + b
            spikes.append(k * dt)
    return spikes


CURRENTS = {"tonic": 500, "adapting": 500, "initial_burst": 400, "bursting": 210}  # pA, table 1 of Naud et al. 2008


@pytest.mark.parametrize("pattern", ADAPTIVE_EXPONENTIAL_PATTERNS)
def test_the_patterns_of_adex_are_those_of_naud(pattern: str) -> None:
    changed = ADAPTIVE_EXPONENTIAL_PATTERNS[pattern]
    neuron = adaptive_exponential(**changed)
    drive = CURRENTS[pattern] / float(neuron.parameters["C_m"] / pF)
    spikes = spikes_of(neuron, drive, 600, 0.02 * ms)
    expected = adex_loop(CURRENTS[pattern], 600, **changed)
    assert abs(len(spikes) - len(expected)) <= 1
    np.testing.assert_allclose(spikes[:5], expected[:5], rtol=0.03, atol=0.3)
    intervals = np.diff(spikes)
    if pattern == "tonic":
        assert np.ptp(intervals[2:]) < 0.05 * intervals[-1]
    if pattern == "adapting":
        assert np.all(np.diff(intervals) > -0.05)
        assert intervals[-1] > 2 * intervals[0]
    if pattern == "initial_burst":
        assert intervals[0] < 0.5 * intervals[-1]
        assert np.ptp(intervals[-3:]) < 0.05 * intervals[-1]
    if pattern == "bursting":  # short intervals and long ones, over and over
        is_long = intervals > 3 * intervals.min()
        assert is_long.sum() >= 3
        assert (~is_long).sum() >= 3


def izhikevich_loop(current: float, duration: float, a: float, b: float, c: float, d: float, h: float) -> list[float]:
    """The spikes of the paper's equations from rest on, in ms, in steps of h."""
    v = (b - 5 - math.sqrt((5 - b) ** 2 - 22.4)) / 0.08
    u, spikes = b * v, []
    for k in range(round(duration / h)):
        v, u = v + h * (0.04 * v**2 + 5 * v + 140 - u + current), u + h * a * (b * v - u)
        if v >= 30:
            spikes.append(k * h)
            v, u = c, u + d
    return spikes


VALUES = {  # a, b, c, d of his figure 2
    "rs": (0.02, 0.2, -65, 8), "ib": (0.02, 0.2, -55, 4), "ch": (0.02, 0.2, -50, 2), "fs": (0.1, 0.2, -65, 2),
    "lts": (0.02, 0.25, -65, 2),
}  # fmt: skip


@pytest.mark.parametrize("pattern", IZHIKEVICH_PATTERNS)
def test_the_patterns_of_izhikevich_are_those_of_his_equations(pattern: str) -> None:
    neuron = izhikevich(**IZHIKEVICH_PATTERNS[pattern])
    spikes = spikes_of(neuron, 10.0, 500, 0.1 * ms)
    expected = izhikevich_loop(10.0, 500, *VALUES[pattern], h=0.1)
    assert len(spikes) == pytest.approx(len(expected), rel=0.05, abs=1)
    np.testing.assert_allclose(spikes[:3], expected[:3], rtol=0.02, atol=0.2)
    intervals = np.diff(spikes)
    if pattern == "rs":
        assert intervals[-1] > 1.5 * intervals[0]
    if pattern in ("fs", "lts"):
        assert 1000 / intervals[-1] > 20
    if pattern == "fs":
        assert np.ptp(intervals[5:]) <= 1
    if pattern == "ch":
        assert np.median(intervals) < 10
        assert np.sum(intervals > 3 * np.median(intervals)) >= 3


# What all of them have in common

IN_MILLIVOLTS = {name: make for name, make in NEURONS.items() if name not in ("if", "lif", "signed", "balanced")}


def kicked(neuron: Neuron, weight: float) -> Neuron:
    """The neuron at rest, but for its potential, that a spike of some weight has just moved."""
    moved = {"v": f"({neuron.initial['v']}) + {weight * float(neuron.input_unit)} * volt"}
    at_rest = {"u": "b * v_rest"} if "u" in neuron.initial else {}
    return replace(neuron, initial={**neuron.initial, **moved, **at_rest})


@pytest.mark.parametrize("make", IN_MILLIVOLTS.values(), ids=IN_MILLIVOLTS)
@pytest.mark.parametrize("weight", [-300.0, 300.0])
def test_strong_input_neither_breaks_a_neuron_nor_fires_it_where_it_inhibits(make, weight: float) -> None:
    """A spike of weight 300, each way: it fires at once, or not at all, and is then at rest again."""
    neuron = make()
    spikes = spikes_of(kicked(neuron, weight), 0.0, 20, 0.5 * ms)
    assert (len(spikes) > 0) == (weight > 0)


@pytest.mark.parametrize("make", IN_MILLIVOLTS.values(), ids=IN_MILLIVOLTS)
def test_a_weight_of_one_is_what_takes_it_from_rest_to_threshold(make) -> None:
    """At first no more than the leak acts: of 0.9 the neuron is silent, of 1.1 and a slow soft threshold it fires."""
    neuron = make()
    soft = 2.0 if "Delta_T" in neuron.parameters or {"peak", "v_rest"} & neuron.parameters.keys() else 1.1
    fired = [len(spikes_of(kicked(neuron, weight), 0.0, 30, 0.1 * ms)) > 0 for weight in (0.9, soft)]
    assert fired == [False, True]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: leaky_membrane(C_m=3 * mV), r"C_m is 3\. mV; it should be one number in F"),
        (lambda: leaky_membrane(V_th=[-50, -40] * mV), "V_th is .* it should be one number in V"),
        (lambda: leaky_membrane(g_L=0 * nS), r"g_L is 0\. S; it should be above 0"),
        (lambda: leaky_membrane(V_th=-70 * mV), "E_L is -65. mV and V_th is -70. mV; E_L should be below V_th"),
        (lambda: leaky_membrane(V_reset=-40 * mV), "V_reset should be below V_th"),
        (lambda: relative_refractory(tau_h=0 * ms), "tau_h is"),
        (lambda: adaptive_current(b=1 * nS), r"b is 1\. nS; it should be one number in A"),
        (lambda: quadratic_integrate_and_fire(V_reset=-90 * mV), "V_reset is -90. mV; it should not be below E_L"),
        (lambda: exponential_integrate_and_fire(Delta_T=0 * volt), "Delta_T is"),
        (lambda: adaptive_exponential(V_reset=-30 * mV), "V_reset should be below end_of_a_spike"),
        (lambda: izhikevich(b=0.3 / ms), r"b is 300. Hz; above 0.267 / ms there is no potential at rest"),
        (lambda: izhikevich(a=1.0), r"a is 1.0; it should be one number in Hz"),
    ],
)
def test_arguments_that_make_no_neuron_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()

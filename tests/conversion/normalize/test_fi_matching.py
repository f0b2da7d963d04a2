"""Matching against closed forms of the f-I curve, and what it does to a network of leaky neurons."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms, mV, second, volt

from conversion.brian import measure_rates
from conversion.normalize import fi_curve, match_fi
from conversion.plan.populations import ConversionError
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent
from models.graph import Dense, sequential
from models.neurons import (
    Neuron,
    alpha_current,
    conductances,
    exponential_current,
    integrate_and_fire,
    leaky_integrate_and_fire,
    phase_coded,
)

DT = 0.5 * ms


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("v_th", [1.0, 0.25])
def test_a_neuron_without_a_leak_is_a_relu_already(reset, v_th: float) -> None:
    """f(I) = I / v_th: the onset is 0, and one spike is worth a threshold."""
    neuron = integrate_and_fire(reset=reset, v_th=v_th)
    curve = fi_curve(neuron, 100.0, DT)
    assert curve.onset == pytest.approx(0, abs=0.02 * v_th)
    assert curve.full == pytest.approx(100 * v_th, rel=0.01)
    matched = match_fi(neuron, 100.0, DT)
    assert float(matched.input_unit) == pytest.approx(v_th, rel=0.01)
    assert curve.bend < 0.06  # rates are those of whole steps


@pytest.mark.parametrize("refractory_ms", [0, 2])
@pytest.mark.parametrize("tau_ms", [5, 20])
def test_of_a_leaky_neuron_onset_and_gain_have_closed_forms(tau_ms: int, refractory_ms: int) -> None:
    """f(I) = 1 / (t_ref + tau log(tau I / (tau I - 1))) from 1 / tau on (Gerstner et al., eq. 1.12)."""
    neuron = leaky_integrate_and_fire(tau_ms * ms, reset="zero", refractory=refractory_ms * ms)
    tau, rate = tau_ms * 1e-3, 100.0
    curve = fi_curve(neuron, rate, DT)
    assert curve.onset == pytest.approx(1 / tau, rel=1e-3)
    held = max(0, refractory_ms - 0.5) * 1e-3  # in steps of 0.5 ms; that of the spike is the first
    full = 1 / (tau * (1 - math.exp(-(1 / rate - held) / tau)))
    assert curve.full == pytest.approx(full, rel=0.002)
    for share in (1.0, 0.8):
        matched = match_fi(neuron, rate, DT, share)
        assert matched.background == pytest.approx(share / tau, rel=1e-3)
        assert float(matched.input_unit) == pytest.approx((full - share / tau) / rate, rel=0.04)


@pytest.mark.parametrize(
    "synapse",
    [exponential_current, alpha_current, lambda neuron, tau: conductances(neuron, tau, tau)],
    ids=["exponential", "alpha", "conductances"],
)
def test_a_synapse_changes_neither_the_curve_nor_the_charge_of_a_spike(synapse) -> None:
    """Background and gain are those of the neuron with delta synapses; a current spreads the gain over 5 ms."""
    neuron = leaky_integrate_and_fire(10 * ms, reset="zero")
    plain, found = match_fi(neuron, 100.0, DT, 0.9), match_fi(synapse(neuron, 5 * ms), 100.0, DT, 0.9)
    assert found.background == pytest.approx(plain.background, rel=1e-4)
    assert float(found.current_unit) == pytest.approx(float(plain.input_unit), rel=1e-3)
    spread = 1 if found.inhibitory_variable else 5e-3
    assert float(found.input_unit) * spread == pytest.approx(float(plain.input_unit), rel=1e-3)


def test_a_matched_neuron_has_the_rate_of_activation_one_and_none_below_zero() -> None:
    """As a current, activation z is background + gain * rate * z."""
    neuron = match_fi(leaky_integrate_and_fire(10 * ms, reset="zero"), 200.0, DT)
    z = np.array([-0.5, -0.01, 1.0])
    currents = neuron.background + float(neuron.input_unit) * 200 * z
    rates = measure_rates(neuron, "drive", currents, DT, 1 * second)
    assert rates.tolist()[:2] == [0, 0]
    assert rates[2] == pytest.approx(200, rel=0.01)


def test_units_stay_what_they_are() -> None:
    """A neuron in mV with the same time constant has the same gain, in mV times its threshold."""
    plain = leaky_integrate_and_fire(10 * ms, reset="zero")
    in_mv = replace(
        plain, equations="dv/dt = drive - v / tau_m : volt\ndrive : volt/second (constant)\nv_th : volt (constant)",
        initial={"v_th": "20 * mV", "v": "0 * mV"}, input_unit=20 * mV, reset="v = 0 * mV",
    )  # fmt: skip
    one, other = (match_fi(neuron, 100.0, DT) for neuron in (plain, in_mv))
    assert other.input_unit / volt == pytest.approx(0.02 * float(one.input_unit), rel=1e-2)
    assert other.background == pytest.approx(0.02 * one.background, rel=1e-2)


def test_with_the_background_leaky_neurons_have_the_rates_of_relus() -> None:
    """Constant currents below the onset are lost without it: rates over activations, within the bend of the curve."""
    neuron = leaky_integrate_and_fire(10 * ms, reset="zero")
    weight = np.linspace(-0.5, 1, 31, dtype=np.float32)[:, None]
    graph = sequential((1,), Dense(name="fc", inputs=(), weight=weight))
    rates = []
    for model in (neuron, match_fi(neuron, 100.0, DT)):
        simulation = Simulation(neuron=model, encoder=ConstantCurrent(100 * Hz), duration=1 * second, dt=DT)
        counts = simulate(graph, np.ones((1, 1), np.float32), replace(simulation, read_at=1 * second)).output_counts
        rates.append(counts[-1, 0] / 100)
    relu = np.maximum(weight[:, 0], 0)
    assert np.abs(rates[0] - relu).max() == pytest.approx(1, abs=0.02)  # the rheobase is at activation 1
    assert np.abs(rates[1] - relu).max() < fi_curve(neuron, 100.0, DT).bend + 0.02
    assert np.all(rates[1][relu == 0] == 0)


def test_neurons_that_cannot_be_matched_are_refused() -> None:
    with pytest.raises(ConversionError, match=r"fires at .* Hz at most, and activation 1 stands for 600 Hz"):
        fi_curve(leaky_integrate_and_fire(10 * ms, refractory=2 * ms), 600.0, 1 * ms)
    with pytest.raises(ConversionError, match="'received', which input raises, has no differential equation"):
        fi_curve(phase_coded(), 100.0, 1 * ms)
    tonic = Neuron(
        equations="dv/dt = drive + 20 * Hz : 1\ndrive : Hz (constant)\nv_th : 1 (constant)", threshold="v >= v_th",
        reset="v = 0", source="", initial={"v_th": "1.0", "v": "0"},
    )  # fmt: skip
    with pytest.raises(ConversionError, match="fires without any current"):
        fi_curve(tonic, 100.0, 1 * ms)


def test_curves_of_neurons_whose_parameters_have_changed_places_are_not_confused() -> None:
    """One has tau 0.01 s and threshold 2, the other 2 s and 0.01, with the names in another order."""
    text = {
        "equations": "dv/dt = drive - v / (tau * second) : 1\ndrive : Hz (constant)", "threshold": "v >= theta",
        "reset": "v = 0", "source": "", "initial": {"v": "0"},
    }  # fmt: skip
    one = Neuron(**text, parameters={"tau": 0.01, "theta": 2.0, "second": second})
    other = Neuron(**text, parameters={"theta": 0.01, "tau": 2.0, "second": second})
    assert fi_curve(one, 100.0, DT).onset == pytest.approx(2.0 / 0.01, rel=1e-3)
    assert fi_curve(other, 100.0, DT).onset == pytest.approx(0.01 / 2.0, abs=0.1)

"""What the keys of a condition mean to the engine: neurons, input code, and the settings of its simulations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from brian2 import Hz, Quantity, ms

from conversion.brian import max_rate
from conversion.normalize import match_fi
from conversion.options import Output
from conversion.settings import Simulation
from models.encoders import Burst, ConstantCurrent, Encoder, OnOff, Phase, Poisson
from models.neurons import Neuron, integrate_and_fire, leaky_integrate_and_fire, phase_coded, signed_integrate_and_fire
from studies.declare import SIGNED, Condition

RATE_CODES: Mapping[str, Callable[[Quantity], Encoder]] = {
    "poisson": Poisson,
    "on_off": OnOff,
    "constant": ConstantCurrent,
}


def simulation_of(c: Condition) -> Simulation:
    """What the simulation of the test images is told."""
    return Simulation(
        neuron=neuron_of(c),
        encoder=encoder_of(c),
        duration=c.duration_ms * ms,
        dt=c.dt_ms * ms,
        seed=c.seed,
        output=output_of(c),
        connectivity=c.connectivity,
        half_threshold_offset=c.current_offset == "half",
        memory_limit=c.memory_gb * 1e9,
    )


def calibration_of(c: Condition) -> Simulation:
    """What the simulations of calibration images are told."""
    window = c.duration_ms if c.calibration_ms is None else c.calibration_ms
    return replace(simulation_of(c), duration=window * ms, connectivity="shared")


def output_of(c: Condition) -> Output:
    """What the output neurons do; the times of their spikes are read where they spike."""
    return "accumulating" if c.readout == "potential" else "spiking"


def is_random(c: Condition) -> bool:
    """Whether the seed has an effect."""
    return encoder_of(c).is_random or _unmatched(c).is_random


def neuron_of(c: Condition) -> Neuron:
    """The neuron model of a condition, with the background and the gain of `matching`."""
    if c.matching == "none":
        return _unmatched(c)
    rate = float(max_rate(encoder_of(c), c.dt_ms * ms))
    return match_fi(_unmatched(c), rate, c.dt_ms * ms, 1.0 if c.onset_share is None else c.onset_share)


def _unmatched(c: Condition) -> Neuron:
    if c.phase_period is not None:
        return phase_coded(c.phase_period, v_th=c.v_th, v_init=c.v_init)
    if c.neuron in SIGNED:
        return signed_integrate_and_fire(v_th=c.v_th, v_init=c.v_init, balanced=c.neuron == "balanced")
    common: dict[str, Any] = {"v_th": c.v_th, "reset": c.reset, "v_init": c.v_init, "v_min": c.v_min}
    common["refractory"] = c.refractory_ms * ms
    tau_m_ms = _tau_m_ms(c)
    return integrate_and_fire(**common) if math.isinf(tau_m_ms) else leaky_integrate_and_fire(tau_m_ms * ms, **common)


def rheobase(c: Condition, max_rate_hz: float) -> float:
    """The smallest activation that, as a constant current, lets a neuron spike: the drive times tau_m reaches v_th.

    Without a leak it is 0 (Gerstner et al., Neuronal Dynamics, section 1.3). A current offset and the background of
    `matching` take their parts of it.
    """
    neuron, offset = neuron_of(c), 1 / (2 * c.duration_ms) if c.current_offset == "half" else 0.0
    missing = c.v_th * (1 / _tau_m_ms(c) - offset) * 1e3 - neuron.background
    return max(0.0, missing / (max_rate_hz * float(neuron.current_unit)))


def encoder_of(c: Condition) -> Encoder:
    """The input code of a condition."""
    if c.phase_period is not None:
        return Phase(c.phase_period)
    if c.max_rate_hz is None:
        return Burst()
    return RATE_CODES[c.encoder](c.max_rate_hz * Hz)


def _tau_m_ms(c: Condition) -> float:
    return math.inf if c.tau_m_ms is None else c.tau_m_ms

"""What the keys of a condition mean to the engine: neurons, input code, and the settings of its simulations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from brian2 import Hz, Quantity, ms

from conversion.brian import max_rate
from conversion.normalize import fi_curve, match_fi
from conversion.options import Output
from conversion.plan import ConversionError
from conversion.settings import Simulation
from models.encoders import Burst, ConstantCurrent, Encoder, OnOff, Phase, Poisson
from models.neurons import LINEAR, Neuron
from studies.declare import Condition
from studies.run.files import Job
from studies.run.neurons import made_neuron

RATE_CODES: Mapping[str, Callable[[Quantity], Encoder]] = {
    "poisson": Poisson,
    "on_off": OnOff,
    "constant": ConstantCurrent,
}


def simulation_of(job: Job) -> Simulation:
    """What the simulation of the test images is told."""
    c = job.condition
    return Simulation(
        neuron=neuron_of(job),
        encoder=encoder_of(c),
        duration=c.duration_ms * ms,
        dt=c.dt_ms * ms,
        seed=c.seed,
        output=output_of(c),
        connectivity=c.connectivity,
        half_threshold_offset=c.current_offset == "half",
        memory_limit=c.memory_gb * 1e9,
    )


def calibration_of(job: Job) -> Simulation:
    """What the simulations of calibration images are told."""
    c = job.condition
    window = c.duration_ms if c.calibration_ms is None else c.calibration_ms
    return replace(simulation_of(job), duration=window * ms, connectivity="shared")


def output_of(c: Condition) -> Output:
    """What the output neurons do; the times of their spikes are read where they spike."""
    return "accumulating" if c.readout == "potential" else "spiking"


def is_random(job: Job) -> bool:
    """Whether the seed has an effect."""
    return encoder_of(job.condition).is_random or made_neuron(job).is_random


def neuron_of(job: Job) -> Neuron:
    """The neuron model of a condition as it is simulated."""
    return matched_neuron(job)


def matched_neuron(job: Job) -> Neuron:
    """The neuron model with the background and the gain of `matching`, as yet without synapses and noise."""
    c, neuron = job.condition, made_neuron(job)
    if c.matching == "none":
        return neuron
    rate = float(max_rate(encoder_of(c), c.dt_ms * ms))
    return match_fi(neuron, rate, c.dt_ms * ms, 1.0 if c.onset_share is None else c.onset_share)


def rheobase(job: Job) -> float:
    """The smallest activation that, as a constant current, lets a neuron spike; nan where none is found.

    Without a leak it is 0, with one the drive times tau_m reaches v_th (Gerstner et al., Neuronal Dynamics, section
    1.3); of other equations it is measured. A current offset and the background of `matching` take their parts of it.
    """
    c, neuron = job.condition, matched_neuron(job)
    rate = float(max_rate(encoder_of(c), c.dt_ms * ms))
    offset = _v_th(neuron) / (2e-3 * c.duration_ms) if c.current_offset == "half" else 0.0
    missing = _onset(neuron, rate, c.dt_ms * ms) - offset - neuron.background
    return float(np.maximum(0.0, missing / (rate * float(neuron.current_unit))))


def encoder_of(c: Condition) -> Encoder:
    """The input code of a condition."""
    if c.phase_period is not None:
        return Phase(c.phase_period)
    if c.max_rate_hz is None:
        return Burst()
    return RATE_CODES[c.encoder](c.max_rate_hz * Hz)


def _onset(neuron: Neuron, rate: float, dt: Quantity) -> float:
    """The current, in base units of `drive`, from which on a neuron fires."""
    if neuron.equations in LINEAR:
        return _v_th(neuron) / float(neuron.parameters.get("tau_m", math.inf))
    try:
        return fi_curve(neuron, rate, dt).onset
    except ConversionError:
        return math.nan


def _v_th(neuron: Neuron) -> float:
    return float(neuron.initial.get("v_th", "nan"))

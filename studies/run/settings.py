"""What the keys of a condition mean to the engine: neurons, input code, and the settings of its simulations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from brian2 import Hz, Quantity, have_same_dimensions, ms

from conversion.brian import max_rate
from conversion.delays import Delays
from conversion.normalize import FICurve, fi_curve, match_fi
from conversion.options import Output
from conversion.plan import ConversionError, Plan
from conversion.settings import Simulation
from conversion.variability import Variability
from models.encoders import Burst, ConstantCurrent, Encoder, OnOff, Phase, Poisson
from models.neurons import LINEAR, Neuron
from studies.declare import Condition, StudyError
from studies.run.files import Job
from studies.run.neurons import arguments_of, made_neuron, spreads_of, with_noise, with_synapse
from studies.run.quantities import quantity

MATCHED_IMAGES = 50  # of those to calibrate on; more change little
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
        network_seed=network_seed_of(c),
        thresholds={name: v_th / _common_v_th(c) for name, v_th in arguments_of(c, "v_th").items()},
        delays=delays_of(c),
        variability=variability_of(job),
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


def network_seed_of(c: Condition) -> int:
    """The seed of what is drawn once for a network."""
    return c.seed if c.network_seed is None else c.network_seed


def delays_of(c: Condition) -> Delays:
    """How long spikes take on their way."""
    of_layers = arguments_of(c, "delay")
    for name, time in of_layers.items():
        if not (isinstance(time, Quantity) and have_same_dimensions(time, ms)):
            raise StudyError(f"delay.{name} is {dict(c.arguments)[f'delay.{name}']!r}; it must have a unit such as ms")
    every = quantity("delay", c.delay, ms)
    return Delays(of_layers or every, sd=quantity("delay_sd", c.delay_sd, ms), jitter=quantity("jitter", c.jitter, ms))


def threshold_of(c: Condition, layer: str) -> float:
    """The threshold of the neurons of a layer, in units of the (normalised) activation."""
    return float(arguments_of(c, "v_th").get(layer, _common_v_th(c)))


def check_thresholds(c: Condition, plan: Plan) -> None:
    """Raise unless the layers with a threshold of their own have neurons that spike.

    Raises
    ------
    StudyError
    """
    spiking = [
        p.name for p in plan.populations if p.role == "neuron" and (c.readout != "potential" or p != plan.output)
    ]
    for name in arguments_of(c, "v_th"):
        if name not in spiking:
            raise StudyError(
                f"v_th.{name} is of no layer whose neurons spike; those are {', '.join(spiking) or 'none'}"
            )


def _common_v_th(c: Condition) -> float:
    return 1.0 if c.v_th is None else c.v_th


def variability_of(job: Job) -> Variability:
    """What differs between the neurons and synapses of a network."""
    c = job.condition
    return Variability(
        cv={name: float(cv) for name, cv in spreads_of(job).items()},
        dead_share=c.dead_share,
        lost_share=c.lost_share,
        release_probability=c.release_probability,
    )


def is_random(job: Job) -> bool:
    """Whether the seed has an effect."""
    c = job.condition
    return (
        encoder_of(c).is_random
        or with_noise(c, made_neuron(job)).is_random
        or c.release_probability < 1
        or delays_of(c).jitter > 0 * ms
        or (c.network_seed is None and draws_a_network(job))
    )


def draws_a_network(job: Job) -> bool:
    """Whether something is drawn once for a network."""
    c = job.condition
    return any((delays_of(c).sd > 0 * ms, c.dead_share, c.lost_share, c.weight_noise, any(spreads_of(job).values())))


def neuron_of(job: Job) -> Neuron:
    """The neuron model of a condition as it is simulated: matched, then with its synapse, then with its noise."""
    return with_noise(job.condition, with_synapse(job.condition, matched_neuron(job)))


def matched_neuron(job: Job) -> Neuron:
    """The neuron model with the background and the gain of `matching`, as yet without synapses and noise."""
    c, neuron = job.condition, made_neuron(job)
    if c.matching == "none":
        return neuron
    rate = float(max_rate(encoder_of(c), c.dt_ms * ms))
    return match_fi(neuron, rate, c.dt_ms * ms, 1.0 if c.onset_share is None else c.onset_share)


def curve_of(job: Job) -> FICurve:
    """The f-I curve of a condition's neurons alone, up to the rate that stands for the activation 1.

    Raises
    ------
    ConversionError
        See `conversion.normalize.fi_curve`.
    """
    dt = job.condition.dt_ms * ms
    return fi_curve(made_neuron(job), float(max_rate(encoder_of(job.condition), dt)), dt)


def rheobase(job: Job) -> float:
    """The smallest activation that, as a constant current, lets a neuron spike; nan if none is found, or one a layer.

    Without a leak it is 0, with one the drive times tau_m reaches v_th (Gerstner et al., Neuronal Dynamics, section
    1.3); of other equations it is measured. A current offset and the background of `matching` take their parts of it.
    """
    c = job.condition
    if c.matching == "calibrated":  # every layer has a background of its own
        return math.nan
    neuron = matched_neuron(job)
    if "tau_m" in neuron.parameters and arguments_of(c, "v_th"):
        return math.nan
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

"""What each input code means for the network: its input neurons, its largest rate, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import brian2
import numpy as np
from brian2 import Clock, Hz, PoissonGroup, Quantity, SpikeGeneratorGroup, SpikeMonitor, ms, second, volt
from numpy.typing import NDArray

from conversion.brian.code_generation import choose_target
from conversion.brian.groups import SCHEDULE, initialise, make_group
from conversion.plan import ConversionError, MaxConnection, Plan
from models.encoders import Burst, ConstantCurrent, Encoder, OnOff, Phase, Poisson, SpikeTrains
from models.graph import INPUT, Array, Concat, MaxPool2d
from models.neurons import Neuron, accumulator

BURST_CALIBRATION = 4 * second
LONGEST_BURST_STEP = 1 * ms


def check_encoder(encoder: Encoder, neuron: Neuron, plan: Plan, dt: Quantity) -> None:
    """Raise unless an input code goes with the neurons, the layers and the time step.

    Raises
    ------
    ConversionError
        If the neurons speak another code, or a layer cannot relay this one.
    ValueError
        If an input would spike more than once a step, or the time step is too long for its equations.
    """
    _require_the_same_code(encoder, neuron)
    match encoder:
        case Poisson(max_rate=rate) | OnOff(max_rate=rate) if (probability := float(rate * dt)) > 1 + 1e-9:
            raise ValueError(
                f"max_rate * dt is {rate} * {dt} = {probability:g}, but an input spikes at most once a step"
            )
        case Burst() if dt > LONGEST_BURST_STEP * (1 + 1e-9):
            raise ValueError(f"dt is {dt}; the steps of an Izhikevich neuron are at most {LONGEST_BURST_STEP}")
        case Phase():
            _require_no_max_pooling(plan)
        case ConstantCurrent():
            _require_no_relays_of_the_input(plan)


def check_values(encoder: Encoder, images: Array) -> None:
    """Raise a `ValueError` unless all values are finite and in the range that an input code can carry."""
    lowest = -1 if isinstance(encoder, OnOff | ConstantCurrent) else 0
    if not np.isfinite(images).all() or images.min() < lowest or images.max() > 1:
        reach = f"pixels reach from {images.min()} to {images.max()}"
        hint = "" if lowest else "; OnOff and ConstantCurrent also take negative ones, down to -1"
        raise ValueError(f"{reach}; firing rates of {type(encoder).__name__} need finite values in [{lowest}, 1]{hint}")


def _require_the_same_code(encoder: Encoder, neuron: Neuron) -> None:
    period = neuron.parameters.get("phase_period")
    if isinstance(encoder, Phase) and period != encoder.period:
        raise ConversionError(f"{encoder} needs neurons of the same code; use phase_coded({encoder.period})")
    if not isinstance(encoder, Phase) and period is not None:
        raise ConversionError(
            f"the neurons read phase-coded input, and {type(encoder).__name__} is none; use Phase({period})"
        )


def _require_no_relays_of_the_input(plan: Plan) -> None:
    for projection in plan.projections:
        if projection.source == INPUT and isinstance(projection.layer, MaxPool2d | Concat):
            raise ConversionError(
                f"{projection.target!r} relays spikes, and a constant-current input has none; use Poisson"
            )


def _require_no_max_pooling(plan: Plan) -> None:
    for projection in plan.projections:
        if isinstance(projection.connection, MaxConnection):
            raise ConversionError(
                f"{projection.target!r} compares numbers of spikes, but phase coding weights them; use average pooling"
            )


def max_rate(encoder: Encoder, dt: Quantity) -> Quantity:
    """The firing rate that stands for the activation 1; under phase coding, the sum of weights per second."""
    match encoder:
        case Phase(period=period):
            return (1 - 2.0**-period) / (period * dt)
        case Burst(current=current):
            return _burst_rate(float(current), float(dt)) * Hz
    return encoder.max_rate


@lru_cache
def _burst_rate(current: float, dt: float) -> float:
    """Spikes per second of one input of value 1, by simulating it once for `BURST_CALIBRATION`; base units."""
    neuron = Burst(current * volt / second).neuron
    group = make_group("calibrated", neuron, 1, Clock(dt * second, name="calibration_clock"))
    initialise(group, neuron)
    group.variables["value"].set_value(1)
    monitor = SpikeMonitor(group, record=False, name="calibration")
    network = brian2.Network(group, monitor)
    network.schedule = SCHEDULE
    with choose_target(neuron_updates=1):
        network.run(BURST_CALIBRATION, namespace={})
    if monitor.num_spikes == 0:
        raise ValueError(f"current is {current:g} mV/ms, at which an Izhikevich neuron never spikes")
    return float(monitor.num_spikes / BURST_CALIBRATION)


def spike_weights(encoder: Encoder, steps: int) -> NDArray:
    """What a spike carries in each step of a window; whole numbers where all carry the same."""
    if isinstance(encoder, Phase):
        return np.float32(2.0) ** -(1 + np.arange(steps) % encoder.period)
    return np.ones(steps, np.int32)


def equation_neurons(encoder: Encoder) -> Mapping[str, Neuron]:
    """The neuron model of the input group, where it is one."""
    return {"input": encoder.neuron} if isinstance(encoder, OnOff | Phase | Burst) else {}


def output_accumulator(encoder: Encoder, neuron: Neuron) -> Neuron:
    """The output neuron that only accumulates; under phase coding it weights what it receives, as `neuron` does."""
    return replace(neuron, threshold="", reset="") if isinstance(encoder, Phase) else accumulator()


def input_group(encoder: Encoder, size: int, clock: Clock) -> Mapping[str, brian2.Group]:
    """The group of input neurons; none under constant current."""
    match encoder:
        case Poisson():
            return {"input": PoissonGroup(size, np.zeros(size) * Hz, clock=clock, name="input", namespace={})}
        case SpikeTrains():
            return {"input": SpikeGeneratorGroup(size, [], [] * second, clock=clock, name="input")}
        case OnOff() | Phase() | Burst():
            return {"input": make_group("input", encoder.neuron, size, clock)}
    return {}


def write_values(encoder: Encoder, group: brian2.Group, values: NDArray) -> None:
    """Show the input neurons the values of a batch, flat; spike trains are set for all batches at once instead."""
    match encoder:
        case Poisson(max_rate=rate):
            group.variables["rates"].set_value(values * float(rate))
        case OnOff() | Phase() | Burst():
            group.variables["value"].set_value(values)

"""What each input code means for the network: its input neurons, its largest rate, and what goes with it."""

from __future__ import annotations

from collections.abc import Mapping

import brian2
import numpy as np
from brian2 import Clock, Hz, PoissonGroup, Quantity, SpikeGeneratorGroup, SpikeMonitor, second
from numpy.typing import NDArray

from conversion.brian.code_generation import interrupts_raise, numpy_for_the_rest
from conversion.brian.groups import SCHEDULE, initialise, make_group
from conversion.plan import ConversionError, MaxConnection, Plan
from models.encoders import Encoder, SpikeTrains
from models.graph import INPUT, Concat, MaxPool2d, Upsample2d
from models.neurons import Neuron, accumulator

RATE_CALIBRATION = 4 * second
_measured: dict[tuple, float] = {}


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
    encoder.check_step(dt)
    if not encoder.spikes_alike:
        _require_no_max_pooling(plan)
    if not encoder.spikes_at_input:
        _require_no_relays_of_the_input(plan)


def _require_the_same_code(encoder: Encoder, neuron: Neuron) -> None:
    period = neuron.parameters.get("phase_period")
    if period == encoder.phase_period:
        return
    if encoder.phase_period is not None:
        raise ConversionError(f"{encoder} needs neurons of the same code; use phase_coded({encoder.phase_period})")
    raise ConversionError(
        f"the neurons read phase-coded input, and {type(encoder).__name__} is none; use Phase({period})"
    )


def _require_no_relays_of_the_input(plan: Plan) -> None:
    for projection in plan.projections:
        if projection.source == INPUT and isinstance(projection.layer, MaxPool2d | Concat | Upsample2d):
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
    """The firing rate that stands for the activation 1; under phase coding, the sum of weights per second.

    Where the code does not know it, one input of value 1 is simulated for `RATE_CALIBRATION`, once for equal equations.

    Raises
    ------
    ValueError
        If that input never spikes.
    """
    known = encoder.rate_of_one(dt)
    if known is not None:
        return known
    neuron = encoder.neuron
    assert neuron is not None, "a code without a known rate has neurons"
    parameters = {name: float(value) for name, value in neuron.parameters.items()}
    key = (neuron.equations, *parameters.items(), float(dt))
    if key not in _measured:
        _measured[key] = _measure_rate(neuron, dt)
    if _measured[key] == 0:
        raise ValueError(f"{type(encoder).__name__}: an input of value 1 never spikes; raise its current")
    return _measured[key] * Hz


def _measure_rate(neuron: Neuron, dt: Quantity) -> float:
    """Spikes per second of one input of value 1."""
    group = make_group("calibrated", neuron, 1, Clock(dt, name="calibration_clock"))
    initialise(group, neuron)
    group.variables["value"].set_value(1)
    monitor = SpikeMonitor(group, record=False, name="calibration")
    network = brian2.Network(group, monitor)
    network.schedule = SCHEDULE
    with numpy_for_the_rest(), interrupts_raise():
        network.run(RATE_CALIBRATION, namespace={})
    return float(monitor.num_spikes / RATE_CALIBRATION)


def input_neurons(encoder: Encoder) -> Mapping[str, Neuron]:
    """The neuron model of the input group, where it is one."""
    return {} if encoder.neuron is None else {"input": encoder.neuron}


def output_accumulator(encoder: Encoder, neuron: Neuron) -> Neuron:
    """The output neuron that only accumulates; where spikes are not alike it weights what it receives, as `neuron`."""
    if encoder.spikes_alike:
        return neuron.accumulator or accumulator()
    return neuron.without("threshold", "reset")


def input_group(encoder: Encoder, size: int, clock: Clock) -> Mapping[str, brian2.Group]:
    """The group of input neurons; none under constant current."""
    if not encoder.spikes_at_input:
        return {}
    if encoder.neuron is not None:
        return {"input": make_group("input", encoder.neuron, size, clock)}
    if isinstance(encoder, SpikeTrains):
        return {"input": SpikeGeneratorGroup(size, [], [] * second, clock=clock, name="input")}
    return {"input": PoissonGroup(size, np.zeros(size) * Hz, clock=clock, name="input", namespace={})}


def write_values(group: brian2.Group, values: NDArray, rate: float) -> None:
    """Show the input neurons the values of a batch, flat; `rate` in Hz is that of the value 1."""
    if "value" in group.variables:
        group.variables["value"].set_value(values)
    else:
        group.variables["rates"].set_value(values * rate)

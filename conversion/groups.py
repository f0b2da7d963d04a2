"""A neuron model as a Brian2 group, and the order of what happens in a step."""

from __future__ import annotations

import brian2
import numpy as np
from brian2 import Clock, NeuronGroup
from numpy.typing import NDArray

from models.neurons import Neuron

NEGATIVE_SPIKE = "negative_spike"
SCHEDULE = ["start", "groups", "thresholds", "resets", "synapses", "end"]


def make_group(name: str, neuron: Neuron, size: int, clock: Clock) -> NeuronGroup:
    """Neurons of one model, not yet in their initial state."""
    group = NeuronGroup(
        size,
        neuron.equations,
        threshold=neuron.threshold or None,
        reset=neuron.reset or None,
        events={NEGATIVE_SPIKE: neuron.negative_threshold} if neuron.is_signed else {},
        refractory=neuron.refractory if neuron.refractory > 0 * brian2.ms else False,
        method=neuron.method,
        namespace=dict(neuron.parameters),
        clock=clock,
        dtype=np.float32,
        name=name,
    )
    if neuron.is_signed:  # in the slots of the positive spikes: nobody can spike both ways in one step
        group.set_event_schedule(NEGATIVE_SPIKE, when="thresholds")
        if neuron.negative_reset:
            group.run_on_event(NEGATIVE_SPIKE, neuron.negative_reset, when="resets")
    if neuron.update:
        group.run_regularly(neuron.update, clock=clock, when="before_thresholds", name=f"{name}_update")
    if neuron.every_step:
        group.run_regularly(neuron.every_step, clock=clock, when="after_resets", name=f"{name}_every_step")
    return group


def initialise(group: NeuronGroup, neuron: Neuron, v_th_factors: NDArray | None = None) -> None:
    """Put neurons into their initial state; `v_th_factors`, one per neuron, multiply the thresholds."""
    for variable, expression in neuron.initial.items():
        setattr(group, variable, expression)
        if variable == "v_th" and v_th_factors is not None:
            group.variables["v_th"].get_value()[:] *= v_th_factors
    if "lastspike" in group.variables:
        group.variables["lastspike"].set_value(-1e4)
        group.variables["not_refractory"].set_value(True)

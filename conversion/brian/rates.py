"""Firing rates of single neurons under constant input, measured: a point of the f-I curve for each value."""

from __future__ import annotations

import brian2
import numpy as np
from brian2 import BrianObject, Clock, NeuronGroup, Quantity
from numpy.typing import NDArray

from conversion.brian.code_generation import heap_frozen, interrupts_raise, numpy_for_the_rest
from conversion.brian.groups import SCHEDULE, initialise, make_group
from conversion.compiled import GroupLoop
from models.neurons import Neuron


def measure_rates(
    neuron: Neuron, variable: str, values: NDArray[np.float64], dt: Quantity, window: Quantity
) -> NDArray[np.float64]:
    """The rate in Hz of one neuron for each value of a variable, once it has settled.

    Between the first and the last spike of the second half of the window there is a whole number of intervals; a neuron
    with fewer than two spikes there is silent.

    Parameters
    ----------
    neuron : Neuron
    variable : str
        That the equations declare, such as "drive".
    values : array, shape (n,)
        In base units.
    dt, window : Quantity

    Returns
    -------
    array, shape (n,)
    """
    group = make_group("measured", neuron, len(values), Clock(dt, name="measuring_clock"))
    initialise(group, neuron)
    group.variables[variable].set_value(values)
    late = _LateSpikes(group, round(float(window / dt) / 2))
    network = brian2.Network(group, GroupLoop(group, SCHEDULE), late)
    network.schedule = SCHEDULE
    with numpy_for_the_rest(), interrupts_raise(), heap_frozen(), np.errstate(over="ignore"):
        network.run(window, namespace={})
    intervals = np.maximum(late.counts - 1, 0)
    return intervals / np.maximum(late.last - late.first, 1) / float(dt)


class _LateSpikes(BrianObject):
    """How often each neuron spikes from a step on, and in which step first and last; faster than Brian2's monitors."""

    def __init__(self, group: NeuronGroup, start: int) -> None:
        super().__init__(clock=group.clock, when="end", name="late_spikes")
        self.events, self.start, self.k = group.variables["_spikespace"].get_value(), start, 0
        self.counts, self.first, self.last = np.zeros((3, len(group)), np.int64)

    def run(self) -> None:
        if self.k >= self.start:
            spikes = self.events[: self.events[-1]]
            self.first[spikes] = np.where(self.counts[spikes] == 0, self.k, self.first[spikes])
            self.last[spikes] = self.k
            self.counts[spikes] += 1
        self.k += 1

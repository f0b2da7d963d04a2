"""Firing rates of single neurons under constant input, measured: a point of the f-I curve for each value."""

from __future__ import annotations

import brian2
import numpy as np
from brian2 import Clock, Quantity, SpikeMonitor
from numpy.typing import NDArray

from conversion.brian.code_generation import interrupts_raise, numpy_for_the_rest
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
    monitor = SpikeMonitor(group, name="measuring")
    loop = GroupLoop(group, SCHEDULE)
    network = brian2.Network(group, loop, monitor)
    network.schedule = SCHEDULE
    with numpy_for_the_rest(), interrupts_raise(), np.errstate(over="ignore"):
        network.run(window, namespace={})
    late = np.asarray(monitor.t) >= float(window) / 2
    neurons, times = np.asarray(monitor.i)[late], np.asarray(monitor.t)[late]
    counts = np.bincount(neurons, minlength=len(values))
    first, last = np.full(len(values), np.inf), np.zeros(len(values))
    np.minimum.at(first, neurons, times)
    np.maximum.at(last, neurons, times)
    return np.where(counts > 1, (counts - 1) / np.where(counts > 1, last - first, 1), 0.0)

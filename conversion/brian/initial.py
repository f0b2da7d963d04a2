"""The initial state of a group of neurons: the same for every batch, unless it is random or follows the input."""

from __future__ import annotations

import brian2
import numpy as np
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_UNITS
from brian2.utils.stringtools import get_identifiers
from numpy.typing import NDArray

from conversion.brian.groups import initialise
from models.neurons import Neuron

FIXED = {"i", "N", *DEFAULT_CONSTANTS, *DEFAULT_UNITS, *(name for name, f in DEFAULT_FUNCTIONS.items() if f.stateless)}


class InitialState:
    """Puts a group into its initial state again and again; Brian2 takes 10 ms for an expression, so once if it may.

    `v_th_factors` are those of `conversion.brian.groups.initialise`.
    """

    def __init__(self, group: brian2.Group, neuron: Neuron, v_th_factors: NDArray | None = None) -> None:
        self.group, self.neuron, self.v_th_factors = group, neuron, v_th_factors
        self.is_fixed = _is_fixed(neuron)
        self.known: dict[str, NDArray | np.generic] = {}

    def restore(self) -> None:
        for name, value in self.known.items():
            self.group.variables[name].get_value()[:] = value
        if not self.known:
            initialise(self.group, self.neuron, self.v_th_factors)
        if self.is_fixed and not self.known:
            names = [*self.neuron.initial, *({"lastspike", "not_refractory"} & self.group.variables.keys())]
            self.known = {name: _remembered(self.group.variables[name].get_value()) for name in names}


def _is_fixed(neuron: Neuron) -> bool:
    """Whether the expressions name only each other, constants, and functions that are no random numbers."""
    numbers = {name for name, value in neuron.parameters.items() if not callable(value)}
    return all(get_identifiers(e) <= FIXED | numbers | neuron.initial.keys() for e in neuron.initial.values())


def _remembered(values: NDArray) -> NDArray | np.generic:
    """A copy, or one number where all are equal."""
    return values[0] if np.all(values == values[0]) else values.copy()

"""Neuron models as Brian2 groups: those of the network, the relays, which of them send negative spikes (Kim 2020).

Max pooling and concatenation are made of relays, neurons that pass spikes on and integrate nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import brian2
import numpy as np
from brian2 import Clock, Equations, NeuronGroup, Quantity
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_UNITS
from brian2.utils.stringtools import get_identifiers
from numpy.typing import NDArray

from conversion.plan import ConversionError, Plan, Population, neuron_order
from conversion.refusals import refused
from models.neurons import Neuron, require_background_step

NEGATIVE_SPIKE = "negative_spike"
RELAY = """
v : 1
wins : 1
"""
SIGNED_RELAY = """
v : 1
wins : 1
above : 1
level : 1
"""
SCHEDULE = ["start", "groups", "thresholds", "resets", "synapses", "end"]
FIXED = {"i", "N", *DEFAULT_CONSTANTS, *DEFAULT_UNITS, *(name for name, f in DEFAULT_FUNCTIONS.items() if f.stateless)}

Factors = Mapping[str, NDArray]
NO_FACTORS: Factors = {}


def make_group(name: str, neuron: Neuron, size: int, clock: Clock) -> NeuronGroup:
    """Neurons of one model, not yet in their initial state.

    Raises
    ------
    ConversionError
        If Brian2 refuses the model.
    ValueError
        If the step is too long for it.
    """
    require_background_step(neuron, clock.dt)
    with refused("read the neuron's equations, threshold and reset", Exception):
        return _group(name, neuron, size, clock)


def _group(name: str, neuron: Neuron, size: int, clock: Clock) -> NeuronGroup:
    group = NeuronGroup(
        size,
        neuron.equations,
        threshold=neuron.threshold or None,
        reset=neuron.reset or None,
        events={NEGATIVE_SPIKE: neuron.negative_threshold} if neuron.is_signed else {},
        refractory=_refractory(neuron),
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


def _refractory(neuron: Neuron) -> Quantity | str | bool:
    if "refractory_period" in Equations(neuron.equations):
        return "refractory_period"
    return neuron.refractory if neuron.refractory > 0 * brian2.ms else False


def initialise(group: NeuronGroup, neuron: Neuron, factors: Factors = NO_FACTORS) -> None:
    """Put neurons into their initial state; `factors` of a variable, one per neuron, multiply its initial value."""
    for variable, expression in neuron.initial.items():
        with refused(f"set {variable!r} to its initial {expression!r}", Exception):
            setattr(group, variable, _number(expression))
        if variable in factors:
            group.variables[variable].get_value()[:] *= factors[variable]
    if "lastspike" in group.variables:
        group.variables["lastspike"].set_value(-1e4)
        group.variables["not_refractory"].set_value(True)


def _number(expression: str) -> float | str:
    """As a number, if it is one, for which Brian2 need not make code."""
    try:
        return float(expression)
    except ValueError:
        return expression


class InitialState:
    """Puts a group into its initial state again and again; Brian2 takes 10 ms for an expression, so once if it may.

    `factors` are those of `conversion.brian.groups.initialise`.
    """

    def __init__(self, group: brian2.Group, neuron: Neuron, factors: Factors = NO_FACTORS) -> None:
        self.group, self.neuron, self.factors = group, neuron, factors
        self.is_fixed = _is_fixed(neuron)
        self.known: dict[str, NDArray | np.generic] = {}

    def restore(self) -> None:
        for name, value in self.known.items():
            self.group.variables[name].get_value()[:] = value
        if not self.known:
            initialise(self.group, self.neuron, self.factors)
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


def relay() -> Neuron:
    """Passes a spike on, one step later; what max pooling and concatenation are made of.

    `wins` counts its own spikes, which is what the units of a max-pooling region have to beat.
    """
    return Neuron(
        equations=RELAY, threshold="v > 0.5", reset="v = 0\nwins += 1", source="", initial={"v": "0", "wins": "0"}
    )


def signed_relay() -> Neuron:
    """Passes on positive and negative spikes, each as what it is, one step later.

    Max pooling with shared weights adds to `v` by how much the largest signed count in the region has changed, and
    so does concatenation with every spike that it relays. Max pooling as plain `Synapses` writes `above` and `level`
    instead: how many units of the region have a larger count than `wins`, the largest one so far, and how many have at
    least that. With none left at that level the largest count has fallen.
    """
    return Neuron(
        equations=SIGNED_RELAY,
        threshold="v > 0.5 or above > 0.5",
        reset="v = 0\nwins += 1",
        negative_threshold="v < -0.5 or level < 0.5",
        negative_reset="v = 0\nwins -= 1",
        source="",
        initial={"v": "0", "wins": "0", "above": "0", "level": "1"},
    )


def make_signed(
    plan: Plan, neurons: Mapping[str, Neuron], members: Mapping[str, Iterable[Population]]
) -> dict[str, Neuron]:
    """The models of neurons and relays: they send negative spikes if any of theirs can be negative, and only then.

    Raises
    ------
    ConversionError
        If the equations of neurons that have to be signed do not declare `alpha`.
    """
    signed = {group for group, populations in members.items() if any(p.name in plan.slopes for p in populations)}
    neuron = neurons["neurons"]
    if "neurons" not in signed:
        neuron = neuron.without("negative_threshold", "negative_reset")
    elif "alpha" not in Equations(neuron.equations).names:
        raise ConversionError("the neurons are signed, but their equations declare no `alpha`, the slope below zero")
    return {"neurons": neuron, "relays": signed_relay() if "relays" in signed else neurons["relays"]}


def write_slopes(
    plan: Plan,
    neurons: Mapping[str, Neuron],
    groups: Mapping[str, brian2.Group],
    members: Mapping[str, Iterable[Population]],
    batch_size: int,
) -> None:
    """Write the slope of every neuron of a batch, 0 where it is never negative."""
    if "neurons" in groups and neurons["neurons"].is_signed:
        slopes = (plan.slopes.get(p.name, np.zeros(p.shape)) for p in members["neurons"])
        by_neuron = (slope.ravel()[np.argsort(neuron_order(slope.shape))] for slope in slopes)
        groups["neurons"].alpha = np.concatenate([np.tile(slope, batch_size) for slope in by_neuron])

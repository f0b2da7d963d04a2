"""Which neurons of a network send negative spikes, and the slope of each below zero (Kim 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import brian2
import numpy as np
from brian2 import Equations

from conversion.connections import neuron_order
from conversion.plan import ConversionError, Plan, Population
from models.neurons import Neuron
from models.relays import signed_relay


def signed_where_needed(
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
        neuron = replace(neuron, negative_threshold="", negative_reset="")
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

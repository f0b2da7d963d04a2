"""The neurons under the names by which a study calls them; a pattern is a name of its own, with its own defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from brian2 import Quantity

from models.neurons.izhikevich import IZHIKEVICH_PATTERNS, izhikevich
from models.neurons.leaky import adaptive_current, adaptive_threshold, leaky_membrane, relative_refractory
from models.neurons.linear import integrate_and_fire, leaky_integrate_and_fire
from models.neurons.neuron import Neuron
from models.neurons.nonlinear import (
    ADAPTIVE_EXPONENTIAL_PATTERNS,
    adaptive_exponential,
    exponential_integrate_and_fire,
    quadratic_integrate_and_fire,
)
from models.neurons.signed import signed_integrate_and_fire
from models.neurons.synapses import alpha_current, conductances, exponential_current

NEURONS: Mapping[str, Callable[..., Neuron]] = {
    "if": integrate_and_fire,
    "lif": leaky_integrate_and_fire,
    "signed": signed_integrate_and_fire,
    "balanced": partial(signed_integrate_and_fire, balanced=True),
    "lif_mv": leaky_membrane,
    "lif_relative_refractory": relative_refractory,
    "alif": adaptive_current,
    "adaptive_threshold": adaptive_threshold,
    "qif": quadratic_integrate_and_fire,
    "eif": exponential_integrate_and_fire,
    **{
        f"adex_{name}": partial(adaptive_exponential, **values)
        for name, values in ADAPTIVE_EXPONENTIAL_PATTERNS.items()
    },
    **{f"izhikevich_{name}": partial(izhikevich, **values) for name, values in IZHIKEVICH_PATTERNS.items()},
}


def _conductance(neuron: Neuron, tau_s: Quantity, *, tau_i: Quantity | None = None, **potentials: Any) -> Neuron:
    """`conductances` whose excitation decays with `tau_s`, and inhibition too, unless `tau_i` is given."""
    return conductances(neuron, tau_s, tau_s if tau_i is None else tau_i, **potentials)


SYNAPSES: Mapping[str, Callable[..., Neuron]] = {
    "exponential": exponential_current,
    "alpha": alpha_current,
    "conductance": _conductance,
}

"""The neuron models by the names that a study calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from models.neurons.linear import integrate_and_fire, leaky_integrate_and_fire
from models.neurons.neuron import Neuron
from models.neurons.signed import signed_integrate_and_fire

NEURONS: Mapping[str, Callable[..., Neuron]] = {
    "if": integrate_and_fire,
    "lif": leaky_integrate_and_fire,
    "signed": signed_integrate_and_fire,
    "balanced": lambda **arguments: signed_integrate_and_fire(balanced=True, **arguments),
}

"""Neuron models as whole Brian2 equations with units, each with the paper that it comes from."""

from models.neurons.linear import accumulator, integrate_and_fire, leaky_integrate_and_fire
from models.neurons.neuron import Neuron
from models.neurons.phase import NEXT_PHASE, phase_coded, require_phase_period
from models.neurons.signed import signed_integrate_and_fire
from models.neurons.synapses import alpha_current, conductances, exponential_current

__all__ = [
    "NEXT_PHASE",
    "Neuron",
    "accumulator",
    "alpha_current",
    "conductances",
    "exponential_current",
    "integrate_and_fire",
    "leaky_integrate_and_fire",
    "phase_coded",
    "require_phase_period",
    "signed_integrate_and_fire",
]

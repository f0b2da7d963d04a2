"""Neuron models as whole Brian2 equations with units, each with the paper that it comes from."""

from models.neurons.linear import accumulator, integrate_and_fire, leaky_integrate_and_fire
from models.neurons.neuron import Neuron
from models.neurons.noise import membrane_noise, poisson_background, require_background_step
from models.neurons.phase import NEXT_PHASE, phase_coded, require_phase_period
from models.neurons.signed import signed_integrate_and_fire

__all__ = [
    "NEXT_PHASE",
    "Neuron",
    "accumulator",
    "integrate_and_fire",
    "leaky_integrate_and_fire",
    "membrane_noise",
    "phase_coded",
    "poisson_background",
    "require_background_step",
    "require_phase_period",
    "signed_integrate_and_fire",
]

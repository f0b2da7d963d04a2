"""Neuron models as whole Brian2 equations with units, each with the paper that it comes from."""

from models.neurons.izhikevich import IZHIKEVICH_PATTERNS, izhikevich
from models.neurons.leaky import adaptive_current, adaptive_threshold, leaky_membrane, relative_refractory
from models.neurons.linear import LINEAR, accumulator, integrate_and_fire, leaky_integrate_and_fire
from models.neurons.named import NEURONS, SYNAPSES
from models.neurons.neuron import Neuron
from models.neurons.noise import membrane_noise, poisson_background, require_background_step
from models.neurons.nonlinear import (
    ADAPTIVE_EXPONENTIAL_PATTERNS,
    adaptive_exponential,
    exponential_integrate_and_fire,
    quadratic_integrate_and_fire,
)
from models.neurons.phase import NEXT_PHASE, phase_coded, require_phase_period
from models.neurons.signed import signed_integrate_and_fire
from models.neurons.synapses import alpha_current, conductances, exponential_current

__all__ = [
    "ADAPTIVE_EXPONENTIAL_PATTERNS",
    "IZHIKEVICH_PATTERNS",
    "LINEAR",
    "NEURONS",
    "NEXT_PHASE",
    "SYNAPSES",
    "Neuron",
    "accumulator",
    "adaptive_current",
    "adaptive_exponential",
    "adaptive_threshold",
    "alpha_current",
    "conductances",
    "exponential_current",
    "exponential_integrate_and_fire",
    "integrate_and_fire",
    "izhikevich",
    "leaky_integrate_and_fire",
    "leaky_membrane",
    "membrane_noise",
    "phase_coded",
    "poisson_background",
    "quadratic_integrate_and_fire",
    "relative_refractory",
    "require_background_step",
    "require_phase_period",
    "signed_integrate_and_fire",
]

"""Noise at the membrane: Gaussian, and the Poisson spikes of neurons that are not in the network. Neuron -> Neuron.

Both are statements of every step, between the update of the state and the threshold, so that the neuron keeps its
equations and how they are integrated: a leak that is exact stays so. What arrives in a refractory period is lost where
the variable is flagged `(unless refractory)`, as input is. The random numbers of a neuron belong to the seed, the
image and the step, whatever the batch; an output that only accumulates has no noise.
"""

from __future__ import annotations

import math
from dataclasses import replace

from brian2 import Equations, Quantity, have_same_dimensions, second

from models.neurons.neuron import Neuron

SIGMA, RATE, WEIGHT = "membrane_sigma", "background_rate", "background_weight"


def membrane_noise(neuron: Neuron, sigma: Quantity) -> Neuron:
    """The neuron with white noise on its potential, `sigma * xi` in Brian2's terms, by the Euler-Maruyama method.

    Without a leak, from a fixed start, the variance of the potential is sigma**2 * t. With a leak it becomes
    sigma**2 * dt / (1 - exp(-2 * dt / tau_m)), which for short steps is sigma**2 * tau_m / 2 (Gerstner et al.,
    *Neuronal Dynamics*, section 8.1).

    Parameters
    ----------
    neuron : Neuron
    sigma : Quantity
        In the unit of the potential per square root of time, such as `0.1 / ms**0.5` or `1 * mV / ms**0.5`. With 0 the
        neuron is as it was.

    Raises
    ------
    ValueError
        If it is negative, not finite or of another unit, or the neuron has such noise already.
    """
    potential = neuron.potential or neuron.input_variable
    unit = Equations(neuron.equations)[potential].unit
    if not (have_same_dimensions(sigma, unit / second**0.5) and 0 <= float(sigma) < math.inf):
        raise ValueError(
            f"sigma is {sigma}; it is finite, 0 or more, in the unit of {potential!r} per root of a second"
        )
    if SIGMA in neuron.parameters:
        raise ValueError(f"the neuron has membrane noise of {neuron.parameters[SIGMA]}; give it once")
    if float(sigma) == 0:
        return neuron
    return _with_statement(neuron, f"{potential} += {SIGMA} * sqrt(dt) * randn()", {SIGMA: sigma})


def poisson_background(neuron: Neuron, rate: Quantity, weight: float) -> Neuron:
    """The neuron with a synapse of its own from outside the network, of Poisson spikes that no other neuron gets.

    In the mean it adds `rate * weight` to the input per second, with a variance of `rate * (1 - rate * dt) * weight**2`
    per second. Called twice, it gives excitation and inhibition.

    Parameters
    ----------
    neuron : Neuron
    rate : Quantity
        At most one spike per step. With 0 the neuron is as it was, and so it is with a weight of 0.
    weight : float
        As that of a synapse of the network: 1 adds `input_unit` to the input variable. It may be negative.

    Raises
    ------
    ValueError
        If the rate is no rate, or the weight not finite.
    """
    if not (have_same_dimensions(rate, 1 / second) and 0 <= float(rate) < math.inf):
        raise ValueError(f"rate is {rate}; the rate of a background is a finite number of Hz from 0 on")
    if not math.isfinite(weight):
        raise ValueError(f"weight is {weight}; that of a background is a finite number")
    if not (float(rate) and weight):
        return neuron
    raised = neuron.inhibitory_variable if weight < 0 else ""
    amount = abs(weight) if raised else weight
    number = sum(name.startswith(RATE) for name in neuron.parameters) + 1
    rate_name, weight_name = f"{RATE}_{number}", f"{WEIGHT}_{number}"
    return _with_statement(
        neuron,
        f"{raised or neuron.input_variable} += {weight_name} * int(rand() < {rate_name} * dt)",
        {rate_name: rate, weight_name: amount * neuron.input_unit},
    )


def require_background_step(neuron: Neuron, dt: Quantity) -> None:
    """Raise ValueError if a background has more than one spike in a step."""
    for name, rate in neuron.parameters.items():
        if name.startswith(RATE) and float(rate * dt) > 1:
            raise ValueError(
                f"the neuron has a background of {rate}, more than a spike in each step of {dt}; take shorter steps, "
                "or fewer spikes of a larger weight"
            )


def _with_statement(neuron: Neuron, statement: str, parameters: dict[str, Quantity | float]) -> Neuron:
    """The neuron with a statement before all that runs before its threshold."""
    update = f"{statement}\n{neuron.update}".rstrip()
    return replace(neuron, update=update, parameters={**neuron.parameters, **parameters})

"""Whether spiking neurons keep below the ceilings of their activation functions, such as that of ReLU6.

A neuron knows no ceiling but its fastest rate, one spike per step, which stands for so much of activation 1 as its rate
exceeds `max_rate`. Up to there a ceiling holds by itself; one that lies lower would be exceeded.
"""

from __future__ import annotations

import math

import numpy as np
from brian2 import Hz

from conversion.plan import ConversionError, Plan
from conversion.settings import Simulation
from models.graph import Graph

ROUNDING = 1e-4


def has_ceilings(graph: Graph) -> bool:
    """Whether any layer has a ceiling, so that it is worth normalising a network only for `check_ceilings`."""
    return any(bool(np.any(np.isfinite(layer.activation.ceiling))) for layer in graph)


def check_ceilings(graph: Graph, plan: Plan, simulation: Simulation, rate: float) -> None:
    """Raise a ConversionError if a neuron can fire faster than the ceiling of its activation function.

    Nothing is simulated, so that a study can ask before it starts.

    Parameters
    ----------
    graph : Graph
        Normalised.
    plan : Plan
        Of this network, under any normalisation.
    simulation : Simulation
    rate : float
        The rate in Hz that stands for the activation 1.
    """
    fastest = _fastest(simulation, rate)
    accumulating = plan.output.name if simulation.output == "accumulating" else None
    for name in (p.name for p in plan.populations if p.role == "neuron" and p.name != accumulating):
        ceiling, threshold = float(np.min(graph[name].activation.ceiling)), simulation.thresholds.get(name, 1.0)
        if ceiling < fastest * threshold * (1 - ROUNDING):
            ceiling /= threshold
            raise ConversionError(
                f"{name!r} has its ceiling at {ceiling:.3g} times the rate {rate * Hz} of activation 1, but at steps "
                f"of {simulation.dt} its neurons reach {fastest:.3g} times; {_remedy(simulation, ceiling, fastest)}"
            )


def _fastest(simulation: Simulation, rate: float) -> float:
    """The largest activation that a neuron can send, a spike in every step in which it is not refractory."""
    dt, encoder = float(simulation.dt), simulation.encoder
    between = max(1, math.ceil(float(simulation.neuron.refractory) / dt - 1e-6))
    carried = float(np.mean(encoder.spike_weights(encoder.phase_period or 1)))
    return carried / (rate * dt * between)


def _remedy(simulation: Simulation, ceiling: float, fastest: float) -> str:
    """Both ways bring the ceiling to the fastest rate, as the scales of these two are never above it by themselves."""
    headroom = (
        'normalise by "percentile" or "channel" with a headroom of at most '
        f"{min(ceiling, 1.0) / fastest:.2g} (times the present one, if that is below 1)"
    )
    if ceiling < 1 - ROUNDING or not hasattr(simulation.encoder, "max_rate"):
        return headroom
    return f"set max_rate to {simulation.encoder.max_rate * (fastest / ceiling)} or more, or {headroom}"

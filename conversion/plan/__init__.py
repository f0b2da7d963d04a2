"""From layers to populations and projections, and what a spike delivers through each connection."""

from conversion.plan.connections import Connection, MaxConnection, average, neuron_order, window
from conversion.plan.kernels import count_spikes
from conversion.plan.populations import ConversionError, Plan, Population, Projection, plan

__all__ = [
    "Connection",
    "ConversionError",
    "MaxConnection",
    "Plan",
    "Population",
    "Projection",
    "average",
    "count_spikes",
    "neuron_order",
    "plan",
    "window",
]

"""From layers to populations and projections, and what a spike delivers through each connection."""

from conversion.plan.average_pooling import average
from conversion.plan.connections import Connection
from conversion.plan.geometry import Ends, neuron_order
from conversion.plan.max_pooling import MaxConnection
from conversion.plan.populations import ConversionError, Plan, Population, Projection, connect, fan_out, make_plan

__all__ = [
    "Connection",
    "ConversionError",
    "Ends",
    "MaxConnection",
    "Plan",
    "Population",
    "Projection",
    "average",
    "connect",
    "fan_out",
    "make_plan",
    "neuron_order",
]

"""From layers to populations and projections, and what a spike delivers through each connection."""

from conversion.plan.average_pooling import average
from conversion.plan.connections import Connection
from conversion.plan.currents import by_neuron, constant_currents
from conversion.plan.geometry import neuron_order
from conversion.plan.max_pooling import MaxConnection
from conversion.plan.populations import ConversionError, Plan, Population, Projection, connect, fan_out, make_plan

__all__ = [
    "Connection",
    "ConversionError",
    "MaxConnection",
    "Plan",
    "Population",
    "Projection",
    "average",
    "by_neuron",
    "connect",
    "constant_currents",
    "fan_out",
    "make_plan",
    "neuron_order",
]

"""From layers to populations and projections, and what a spike delivers through each connection."""

from conversion.plan.average_pooling import average
from conversion.plan.connections import Connection, SparseConnection
from conversion.plan.currents import by_neuron, constant_currents
from conversion.plan.geometry import Ends, neuron_order
from conversion.plan.max_pooling import MaxConnection
from conversion.plan.populations import ConversionError, Plan, Population, Projection, connect, fan_out, make_plan
from conversion.plan.release import ReleaseConnection, without

__all__ = [
    "Connection",
    "ConversionError",
    "Ends",
    "MaxConnection",
    "Plan",
    "Population",
    "Projection",
    "ReleaseConnection",
    "SparseConnection",
    "average",
    "by_neuron",
    "connect",
    "constant_currents",
    "fan_out",
    "make_plan",
    "neuron_order",
    "without",
]

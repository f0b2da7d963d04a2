"""Synapses that are missing or fail. Plan -> Plan, in which each of the remaining synapses is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from conversion.draws import key_of
from conversion.plan import ConversionError, Plan, Projection, ReleaseConnection, SparseConnection, without
from conversion.variability.settings import Variability

BYTES, BYTES_WHILE_MADE = 8, 40  # of a synapse, for good, and while its projection is unrolled


def unreliable(plan: Plan, variability: Variability, network_seed: int, memory_limit: float) -> Plan:
    """The plan without the synapses that are lost, and with those that fail.

    Which synapse is lost depends on the seed, the name of the projection, and the neurons that it joins.

    Raises
    ------
    ConversionError
        If the synapses take more than so many bytes.
    """
    if variability.spares_synapses:
        return plan
    relays = {population.name for population in plan.populations if population.role == "relay"}
    hit = [projection for projection in plan.projections if projection.target not in relays]
    _require_memory(hit, memory_limit)
    changed = {p.name: _unreliable(p, variability, network_seed) for p in hit}
    return replace(plan, projections=tuple(changed.get(p.name, p) for p in plan.projections))


def _unreliable(projection: Projection, variability: Variability, network_seed: int) -> Projection:
    weight = projection.connection.unrolled()
    if variability.lost_share:
        weight = without(weight, variability.lost_share, key_of(network_seed, projection.name, "lost"))
    if variability.release_probability == 1:
        return replace(projection, connection=SparseConnection(weight))
    key = key_of(0, projection.name)
    return replace(projection, connection=ReleaseConnection(weight, variability.release_probability, key))


def _require_memory(projections: Iterable[Projection], memory_limit: float) -> None:
    synapses = [int(projection.connection.fan_out().sum()) for projection in projections]
    needed = BYTES * sum(synapses) + BYTES_WHILE_MADE * max(synapses, default=0)
    if needed > memory_limit:
        raise ConversionError(
            f"lost and failing synapses are stored one by one, and {sum(synapses):,} take {needed / 1e9:.2g} GB, more "
            f"than the memory limit of {memory_limit / 1e9:.2g} GB; raise the limit"
        )

"""What the arithmetic of a network costs, as an ANN and as spikes: operations counted exactly, times a constant each.

Constants: 4.6 pJ for a multiplication with addition (MAC: 3.7 + 0.9) and 0.9 pJ for an addition (AC), both of 32-bit
floating-point numbers in 45 nm CMOS (Horowitz, ISSCC 2014, "Computing's energy problem"). A weighted synapse of the
ANN costs a MAC; pooling and junctions cost an AC per value they read, concatenation nothing. In the spiking network
every spike costs an AC per synapse that it reaches.
"""

from __future__ import annotations

from collections.abc import Mapping

from conversion.plan import Projection, plan
from models.graph import INPUT, Concat, Conv2d, Dense, Graph

MAC_PJ = 4.6
AC_PJ = 0.9
CAVEAT = "Energy: arithmetic only, no data movement (4.6 pJ per MAC, 0.9 pJ per AC, 45 nm; Horowitz, ISSCC 2014)."


def operations(graph: Graph) -> Mapping[str, tuple[int, int]]:
    """(MACs, ACs) of the ANN for each population, per image; a synapse that would read the padding is not counted."""
    counts: dict[str, tuple[int, int]] = {}
    for projection in plan(graph).projections:
        macs, acs = counts.get(projection.target, (0, 0))
        more_macs, more_acs = _operations(projection)
        counts[projection.target] = (macs + more_macs, acs + more_acs)
    return counts


def ann_energy_nj(graph: Graph) -> float:
    """Energy in nJ of one image through the ANN."""
    return sum(MAC_PJ * macs + AC_PJ * acs for macs, acs in operations(graph).values()) / 1000


def input_energy_nj(graph: Graph, encoder: str) -> float:
    """Energy in nJ to enter one image: under constant current the first layer is computed once, as in the ANN.

    Poisson input spikes are counted with the synaptic operations, so this is 0 for them.
    """
    if encoder != "constant":
        return 0.0
    first = (_operations(p) for p in plan(graph).projections if p.source == INPUT)
    return sum(MAC_PJ * macs + AC_PJ * acs for macs, acs in first) / 1000


def _operations(projection: Projection) -> tuple[int, int]:
    synapses = int(projection.connection.fan_out().sum())
    match projection.layer:
        case Conv2d() | Dense():
            return synapses, 0
        case Concat():
            return 0, 0
    return 0, synapses

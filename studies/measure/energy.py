"""What the arithmetic of a network costs, as an ANN and as spikes: operations counted exactly, times a constant each.

Constants: 4.6 pJ for a multiplication with addition (MAC: 3.7 + 0.9) and 0.9 pJ for an addition (AC), both of 32-bit
floating-point numbers in 45 nm CMOS (Horowitz, ISSCC 2014, "Computing's energy problem"). A weighted synapse of the
ANN costs a MAC; pooling and junctions cost an AC per value they read, concatenation nothing. In the spiking network
every spike costs an AC per synapse that it reaches, also under phase coding, where its weight is a shift. What hidden
neurons do in a step on their own is not counted, nor are the random numbers of a Poisson input; Izhikevich neurons as
input are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversion.plan import Plan, Projection, make_plan
from models.encoders import Encoder
from models.graph import INPUT, Concat, Conv2d, Dense, Graph, Upsample2d

MAC_PJ = 4.6
AC_PJ = 0.9


def operations(plan: Plan) -> Mapping[str, tuple[int, int]]:
    """(MACs, ACs) of the ANN for each population, per image; a synapse that would read the padding is not counted."""
    counts: dict[str, tuple[int, int]] = {}
    for projection in plan.projections:
        macs, acs = counts.get(projection.target, (0, 0))
        more_macs, more_acs = _operations(projection)
        counts[projection.target] = (macs + more_macs, acs + more_acs)
    return counts


def ann_energy_nj(graph: Graph) -> float:
    """Energy in nJ of one image through the ANN."""
    return _ann_energy_nj(make_plan(graph, signed=True))


def energies(graph: Graph, encoder: Encoder, steps: NDArray[np.int64]) -> dict[str, Any]:
    """What is spent beside the spikes, in nJ per image: `ann_energy_nj`, and `input_energy_nj` for so many steps.

    The latter is that of entering an image, without its spikes, which the synaptic operations count. Under constant
    current the first layer is computed once, as in the ANN; under burst coding every input is an Izhikevich neuron,
    computed in every step. Poisson, ON/OFF and phase-coded input cost nothing but their spikes.
    """
    plan = make_plan(graph, signed=True)
    first = () if encoder.spikes_at_input else [_operations(p) for p in plan.projections if p.source == INPUT]
    in_every_step = math.prod(graph.input_shape) * _energy_pj(encoder.operations_per_step)
    return {
        "ann_energy_nj": _ann_energy_nj(plan),
        "input_energy_nj": (sum(map(_energy_pj, first)) + steps * in_every_step) / 1000,
    }


def _ann_energy_nj(plan: Plan) -> float:
    return sum(map(_energy_pj, operations(plan).values())) / 1000


def _energy_pj(operations: tuple[int, int]) -> float:
    macs, acs = operations
    return MAC_PJ * macs + AC_PJ * acs


def _operations(projection: Projection) -> tuple[int, int]:
    synapses = int(projection.connection.fan_out().sum())
    match projection.layer:
        case Conv2d() | Dense():
            return synapses, 0
        case Concat() | Upsample2d():
            return 0, 0
    return 0, synapses

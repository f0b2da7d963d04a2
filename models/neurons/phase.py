"""The neuron of phase coding, whose threshold oscillates."""

from __future__ import annotations

from dataclasses import replace

from models.neurons.linear import INITIAL_POTENTIALS, integrate_and_fire
from models.neurons.neuron import Neuron
from models.options import InitialPotential

PHASE_CODED = """
dv/dt = drive : 1
received : 1
weight : 1
drive : Hz (constant)
v_th : 1 (constant)
"""
NEXT_PHASE = "weight = int(weight > 2.0**-phase_period) * weight / 2 + int(weight <= 2.0**-phase_period) / 2"


def phase_coded(period: int = 8, *, v_th: float = 1.0, v_init: InitialPotential = "zero") -> Neuron:
    """The neuron with an oscillating threshold, for `models.encoders.Phase`: spikes carry the weight of their phase.

    In step k of a period `weight` is 2**-(1 + k): the threshold is `v_th * weight`, a spike carries `weight` and takes
    `v_th * weight` from the potential, and what was `received` counts `weight` each, because all spikes that arrive
    were sent in the same phase. Every neuron counts the phases from the opening of its own window, so a deep layer is
    in the phase of its input although it runs some steps behind. A bias is a constant current.

    Parameters
    ----------
    period : int
        Steps of a period, K, from 1 to 16.
    v_th, v_init : float, str
        As of `integrate_and_fire`.
    """
    require_phase_period(period)
    return replace(
        integrate_and_fire(v_th=v_th, v_init=v_init),
        equations=PHASE_CODED,
        input_variable="received",
        potential="v",
        update="v += weight * received\nreceived = 0",
        threshold="v >= v_th * weight",
        reset="v -= v_th * weight",
        every_step=NEXT_PHASE,
        initial={"v_th": repr(float(v_th)), "v": INITIAL_POTENTIALS[v_init], "received": "0", "weight": "0.5"},
        parameters={"phase_period": period},
        source="Kim, Kim, Huh, Lee, Choi, Neurocomputing 2018",
    )


def require_phase_period(period: int) -> None:
    """Raise ValueError unless it is a number of phases whose weights a 32-bit potential resolves."""
    if not 1 <= period <= 16:
        raise ValueError(f"period is {period}; a phase code has from 1 to 16 phases")

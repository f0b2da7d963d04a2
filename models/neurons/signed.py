"""The signed neuron of Kim 2020, which sends negative spikes too."""

from __future__ import annotations

from dataclasses import replace

from models.neurons.linear import integrate_and_fire
from models.neurons.neuron import Neuron
from models.options import InitialPotential

SIGNED_INTEGRATE_AND_FIRE = """
dv/dt = drive : 1
drive : Hz (constant)
v_th : 1 (constant)
alpha : 1 (constant)
"""


def signed_integrate_and_fire(
    *, v_th: float = 1.0, v_init: InitialPotential = "zero", balanced: bool = False
) -> Neuron:
    """The signed neuron with imbalanced threshold of Kim 2020, for leaky ReLU, PReLU and linear layers.

    It sends +1 if v >= v_th, and -1 if v <= -v_th / alpha, where alpha is the slope of its layer below zero: 0.1 for
    the leaky ReLU of YOLO, 1 for a linear layer, one per channel for PReLU, 0 for ReLU, which is never negative. Each
    spike takes from v what it stands for. A constant drive I thus gives the rate I / v_th above zero and
    alpha * I / v_th below it, which is the leaky ReLU.

    Parameters
    ----------
    v_th, v_init : float, str
        As of `integrate_and_fire`. Half a threshold rounds positive activity, and moves negative activity by alpha / 2
        spikes; with 0, both sides are rounded towards 0.
    balanced : bool
        Both thresholds are `v_th`, so that the slope below zero is 1 wherever it is not 0: what the imbalance is for.
    """
    negative_threshold, negative_reset = "alpha * v <= -v_th", "v += v_th / alpha"  # alpha may be 0: do not divide
    if balanced:
        negative_threshold, negative_reset = "v <= -v_th and alpha > 0", "v += v_th"
    return replace(
        integrate_and_fire(v_th=v_th, v_init=v_init),
        equations=SIGNED_INTEGRATE_AND_FIRE,
        negative_threshold=negative_threshold,
        negative_reset=negative_reset,
        source="Kim, Park, Na, Yoon, AAAI 2020",
    )

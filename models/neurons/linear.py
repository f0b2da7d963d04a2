"""The linear neurons of the papers: non-leaky and leaky integrate-and-fire, and the output that only accumulates."""

from __future__ import annotations

import math
from collections.abc import Mapping

from brian2 import Hz, Quantity, have_same_dimensions, ms

from models.neurons.neuron import Neuron
from models.options import InitialPotential, Reset

RESETS: Mapping[Reset, str] = {"subtract": "v -= v_th", "zero": "v = 0"}
INITIAL_POTENTIALS: Mapping[InitialPotential, str] = {"zero": "0", "half": "v_th / 2", "uniform": "rand() * v_th"}

INTEGRATE_AND_FIRE = """
dv/dt = drive : 1
drive : Hz (constant)
v_th : 1 (constant)
"""
REFRACTORY_INTEGRATE_AND_FIRE = """
dv/dt = drive : 1 (unless refractory)
drive : Hz (constant)
v_th : 1 (constant)
"""
LEAKY_INTEGRATE_AND_FIRE = """
dv/dt = drive - v / tau_m : 1
drive : Hz (constant)
v_th : 1 (constant)
"""
REFRACTORY_LEAKY_INTEGRATE_AND_FIRE = """
dv/dt = drive - v / tau_m : 1 (unless refractory)
drive : Hz (constant)
v_th : 1 (constant)
"""
LINEAR = (
    INTEGRATE_AND_FIRE,
    REFRACTORY_INTEGRATE_AND_FIRE,
    LEAKY_INTEGRATE_AND_FIRE,
    REFRACTORY_LEAKY_INTEGRATE_AND_FIRE,
)  # the equations whose rheobase is v_th / tau_m, or 0
ACCUMULATOR = """
dv/dt = drive : 1
drive : Hz (constant)
"""


def integrate_and_fire(
    *,
    v_th: float = 1.0,
    reset: Reset = "subtract",
    v_init: InitialPotential = "zero",
    refractory: Quantity = 0 * ms,
    v_min: float = -math.inf,
    leak: Quantity = 0 * Hz,
) -> Neuron:
    """The non-leaky neuron of Cao 2015 and Diehl 2015: v sums its weighted input and spikes at `v_th`.

    Parameters
    ----------
    v_th : float
        Threshold, in units of activation.
    reset : {"subtract", "zero"}
        `v -= v_th` keeps what is above the threshold (Rueckauer 2017, Han 2020); `v = 0` is the papers' hard reset.
    v_init : {"zero", "half", "uniform"}
        Potential at the start: 0, half a threshold (Bu 2022), or uniform in [0, v_th).
    refractory : Quantity
        Input that arrives during the refractory period is lost.
    v_min : float
        Lower clamp, at most 0: v never stays below it (Cao 2015, with 0); by default there is none.
    leak : Quantity
        What v gains in a second, below 0 what it loses, whatever it is: L of Cao 2015, which is that of a step. Neurons
        that only accumulate have none.
    """
    return Neuron(
        equations=REFRACTORY_INTEGRATE_AND_FIRE if refractory > 0 * ms else INTEGRATE_AND_FIRE,
        source="Cao, Chen, Khosla, IJCV 2015; Diehl et al., IJCNN 2015",
        background=_per_second(leak),
        **_common(v_th, reset, v_init, refractory, v_min),
    )


def leaky_integrate_and_fire(
    tau_m: Quantity,
    *,
    v_th: float = 1.0,
    reset: Reset = "subtract",
    v_init: InitialPotential = "zero",
    refractory: Quantity = 0 * ms,
    v_min: float = -math.inf,
) -> Neuron:
    """The leaky neuron: between spikes v decays to 0 with the membrane time constant `tau_m`, solved exactly.

    With a constant drive I its rate is 1 / (t_ref + tau_m * log(tau_m I / (tau_m I - v_th))) under a reset to
    zero, and 0 below the rheobase I = v_th / tau_m (Gerstner et al., *Neuronal Dynamics*, eq. 1.12). The other
    parameters are those of `integrate_and_fire`.
    """
    if not tau_m > 0 * ms:
        raise ValueError(f"tau_m is {tau_m}; a membrane time constant is positive")
    return Neuron(
        equations=REFRACTORY_LEAKY_INTEGRATE_AND_FIRE if refractory > 0 * ms else LEAKY_INTEGRATE_AND_FIRE,
        source="Lapicque 1907; Gerstner et al., Neuronal Dynamics, section 1.3",
        method="exact",
        **_common(v_th, reset, v_init, refractory, v_min, {"tau_m": tau_m}),
    )


def accumulator() -> Neuron:
    """The output neuron that never spikes: v sums its input for ever (Rueckauer 2017, Kim 2020)."""
    return Neuron(equations=ACCUMULATOR, threshold="", reset="", source="Kim et al., AAAI 2020", initial={"v": "0"})


def _per_second(leak: Quantity) -> float:
    if not (have_same_dimensions(leak, Hz) and math.isfinite(float(leak))):
        raise ValueError(f"leak is {leak}; a constant leak is a finite number of Hz")
    return float(leak)


def _common(
    v_th: float,
    reset: Reset,
    v_init: InitialPotential,
    refractory: Quantity,
    v_min: float,
    parameters: Mapping[str, Quantity] | None = None,
) -> dict:
    if not v_th > 0:
        raise ValueError(f"v_th is {v_th}; a threshold is positive")
    if not v_min <= 0:
        raise ValueError(f"v_min is {v_min}; a lower clamp is at most 0, and -inf is none")
    for name, value, known in (("reset", reset, RESETS), ("v_init", v_init, INITIAL_POTENTIALS)):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; known are {', '.join(map(repr, known))}")
    clamp = {} if v_min == -math.inf else {"v_min": v_min}
    return {
        "threshold": "v >= v_th",
        "reset": RESETS[reset],
        "initial": {"v_th": repr(float(v_th)), "v": INITIAL_POTENTIALS[v_init]},
        "refractory": refractory,
        "every_step": "v = clip(v, v_min, inf)" if clamp else "",
        "parameters": {**(parameters or {}), **clamp},
    }

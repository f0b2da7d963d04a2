"""Neuron models as text: whole Brian2 equations with units, and the paper each comes from.

A potential of 1 is the activation 1 of the (normalised) network. The engine writes three variables where the
equations declare them: `drive`, the constant current of a bias or of constant-current input, `v_th`, the threshold, and
`alpha`, the slope of the activation function below zero. Write your own `Neuron` the same way; nothing here is special.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from brian2 import Quantity, ms

from models.options import InitialPotential, Reset

RESETS: Mapping[Reset, str] = {"subtract": "v -= v_th", "zero": "v = 0"}
INITIAL_POTENTIALS: Mapping[InitialPotential, str] = {"zero": "0", "half": "v_th / 2", "uniform": "rand() * v_th"}


RANDOM = re.compile(r"\b(randn?|xi\w*|poisson|binomial)\b")  # Brian2's own functions and its noise


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """A spiking neuron in Brian2's language.

    Parameters
    ----------
    equations, threshold, reset : str
        As `brian2.NeuronGroup` takes them.
    input_variable : str
        The variable that a presynaptic spike raises by the synaptic weight.
    input_unit : Quantity or float
        What a weight of 1 adds to it; also the unit of `drive` (times 1/s) and of `v_th`.
    background : float
        A constant current on top of the `drive` of every neuron that spikes, in base units of `drive`.
    potential : str
        The variable that is read as the membrane potential; by default the input variable.
    initial : mapping of str to str
        Variables at the start of each image, as Brian2 expressions, evaluated in this order.
    parameters : mapping of str to Quantity
        The constants that the equations name.
    refractory : Quantity
        How long a neuron stays silent after a spike; flag its equations `(unless refractory)`.
    update : str
        Statements that run in every step before the threshold is tested, for what no differential equation says.
    every_step : str
        Statements that run in every step after the resets, such as a lower clamp.
    negative_threshold, negative_reset : str
        When a neuron sends a negative spike, and what that does to it; by default it never does. Both apply to every
        layer, so they have to name `alpha`, which is 0 in layers that are never negative. A refractory period does not
        hold negative spikes back.
    method : str
        Brian2's integration method.
    source : str
        The paper.
    """

    equations: str
    threshold: str
    reset: str
    source: str
    input_variable: str = "v"
    input_unit: Quantity | float = 1.0
    background: float = 0.0
    potential: str = ""
    initial: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Quantity | float] = field(default_factory=dict)
    refractory: Quantity = field(default_factory=lambda: 0 * ms)
    update: str = ""
    every_step: str = ""
    negative_threshold: str = ""
    negative_reset: str = ""
    method: str = "euler"

    @property
    def is_signed(self) -> bool:
        """Whether it can send negative spikes."""
        return bool(self.negative_threshold)

    @property
    def is_random(self) -> bool:
        """Whether its equations or its initial state draw random numbers."""
        texts = (
            self.equations, self.threshold, self.reset, self.update, self.every_step, self.negative_threshold,
            self.negative_reset, *self.initial.values(),
        )  # fmt: skip
        return any(RANDOM.search(text) for text in texts)


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
SIGNED_INTEGRATE_AND_FIRE = """
dv/dt = drive : 1
drive : Hz (constant)
v_th : 1 (constant)
alpha : 1 (constant)
"""
ACCUMULATOR = """
dv/dt = drive : 1
drive : Hz (constant)
"""
PHASE_CODED = """
dv/dt = drive : 1
received : 1
weight : 1
drive : Hz (constant)
v_th : 1 (constant)
"""
NEXT_PHASE = "weight = int(weight > 2.0**-phase_period) * weight / 2 + int(weight <= 2.0**-phase_period) / 2"


def integrate_and_fire(
    *,
    v_th: float = 1.0,
    reset: Reset = "subtract",
    v_init: InitialPotential = "zero",
    refractory: Quantity = 0 * ms,
    v_min: float = -math.inf,
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
    """
    return Neuron(
        equations=REFRACTORY_INTEGRATE_AND_FIRE if refractory > 0 * ms else INTEGRATE_AND_FIRE,
        source="Cao, Chen, Khosla, IJCV 2015; Diehl et al., IJCNN 2015",
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


def accumulator() -> Neuron:
    """The output neuron that never spikes: v sums its input for ever (Rueckauer 2017, Kim 2020)."""
    return Neuron(equations=ACCUMULATOR, threshold="", reset="", source="Kim et al., AAAI 2020", initial={"v": "0"})


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

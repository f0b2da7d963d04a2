"""Synapses that take time: functions from a neuron to the same neuron with other synapses.

By itself a spike moves the membrane at once, a delta synapse. Here it raises a current or a conductance that decays,
and that brings as much charge in the end. What decays does so exactly, and the membrane receives its mean over each
step, so that the charge is right at any time step and whatever method integrates the membrane: the propagator of
Rotter and Diesmann, "Exact digital simulation of time-invariant linear systems", Biological Cybernetics 81, 1999. In
the limit of a short time constant that is the delta synapse, in the same step.

A refractory period holds the membrane, not its synapses: what is left of a current when it ends still counts. The
`drive` of biases and of constant input needs no synapse. An output that only accumulates has the same synapses as the
other neurons and sums what comes through them.

The windows of layers do not move by the mean lag of a synapse, as they do by a delay: its first charge comes at once.
Moved by 5 ms a layer, the windows of the ConvNet with exponential currents of 5 ms held better rates, but 35 ms after
the image it said 9 % of 100 digits instead of 96 %, and from 45 ms on as many (and the fully connected network
likewise). So the first answers of a short window come late; `conversion.recording.delay_evaluation` leaves them out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from brian2 import Equations, Quantity, have_same_dimensions, ms, mV
from brian2.utils.stringtools import get_identifiers

from models.neurons.linear import accumulator
from models.neurons.neuron import Neuron

EXACT = ("exact", "linear", "exponential_euler")  # for a current, or a conductance, that is constant in a step
REVERSALS = {"dimensionless": (6.0, -2.0), "mV": (0 * mV, -80 * mV)}  # excitatory, inhibitory


def exponential_current(neuron: Neuron, tau_s: Quantity) -> Neuron:
    """The neuron with synapses whose current decays with `tau_s`: dI_syn/dt = -I_syn / tau_s.

    A spike of weight w raises `I_syn`, which adds to `drive`, by w * input_unit / tau_s.

    Raises
    ------
    ValueError
        If a time constant is not positive, or what input raises has no differential equation with `drive` in it.
    """
    one = partial(_with_exponential_current, tau_s=tau_s)
    return replace(one(neuron), accumulator=one(accumulator()))


def alpha_current(neuron: Neuron, tau_s: Quantity) -> Neuron:
    """The neuron with synapses whose current rises and decays: I_syn = w * input_unit * t / tau_s^2 exp(-t / tau_s).

    A spike raises `I_rise`, from which the current comes: dI_syn/dt = (I_rise - I_syn) / tau_s,
    dI_rise/dt = -I_rise / tau_s. Raises as `exponential_current`.
    """
    one = partial(_with_alpha_current, tau_s=tau_s)
    return replace(one(neuron), accumulator=one(accumulator()))


def conductances(
    neuron: Neuron,
    tau_e: Quantity,
    tau_i: Quantity,
    *,
    E_e: Quantity | float | None = None,
    E_i: Quantity | float | None = None,
    v_ref: Quantity | float | None = None,
) -> Neuron:
    """The neuron with excitatory and inhibitory conductances that decay with `tau_e` and `tau_i`.

    A weight w above 0 raises `g_e` and one below 0 raises `g_i`, by |w| * input_unit. Both are in the unit of the
    membrane potential: what they would still add to it, or take from it, if it stayed at `v_ref`. The conductances in
    units of the membrane's capacitance are g_e / (tau_e * (E_e - v_ref)) and g_i / (tau_i * (v_ref - E_i)). So at
    `v_ref` the charge is that of the delta synapse; nearer to the reversal potential a spike brings less.

    An output that only accumulates sums what the conductances would bring at `v_ref`, since its potential has no limit.

    Parameters
    ----------
    E_e, E_i : Quantity or float
        Reversal potentials. By default those of Vogels and Abbott, "Signal propagation and logic gating in networks of
        integrate-and-fire neurons", Journal of Neuroscience 25, 2005: 0 and -80 mV; for dimensionless neurons in units
        of the way from their rest at -60 mV to their threshold at -50 mV, 6 and -2.
    v_ref : Quantity or float
        By default 0 for dimensionless neurons, and else the parameter `E_L` of the neuron.

    Raises
    ------
    ValueError
        As `exponential_current`; or unless E_i < v_ref < E_e, all in the unit of the membrane potential.
    """
    taus = {"tau_e": tau_e, "tau_i": tau_i}
    _require_positive(**taus)
    found = _with_conductances(neuron, {**taus, **_potentials(neuron, E_e, E_i, v_ref)})
    return replace(found, accumulator=_with_sums(accumulator(), taus))


@dataclass(frozen=True, kw_only=True)
class _Synapse:
    """What is added to the equations of a neuron.

    `current` adds to its drive, and both are multiplied by `factor`. Each of `states` is 0 at first and decays with its
    time constant, after `update`; their unit is that of "drive" or "potential". `expressions` are further equations.
    """

    current: str
    states: Mapping[str, str]
    unit: str
    parameters: Mapping[str, Quantity | float]
    factor: str = ""
    update: str = ""
    expressions: tuple[str, ...] = ()


def _with_exponential_current(neuron: Neuron, tau_s: Quantity) -> Neuron:
    _require_positive(tau_s=tau_s)
    synapse = _Synapse(
        current="I_syn * exprel(-dt / tau_s)", states={"I_syn": "tau_s"}, unit="drive", parameters={"tau_s": tau_s}
    )
    return _with(neuron, synapse, input_unit=neuron.input_unit / tau_s)


def _with_alpha_current(neuron: Neuron, tau_s: Quantity) -> Neuron:
    _require_positive(tau_s=tau_s)
    synapse = _Synapse(
        current="I_syn * exprel(-dt / tau_s) + I_rise * (exprel(-dt / tau_s) - exp(-dt / tau_s))",
        states={"I_rise": "tau_s", "I_syn": "tau_s"},
        unit="drive",
        parameters={"tau_s": tau_s},
        update="I_syn += I_rise * dt / tau_s\n",
    )
    return _with(neuron, synapse, input_unit=neuron.input_unit / tau_s)


def _with_conductances(neuron: Neuron, parameters: Mapping[str, Quantity | float]) -> Neuron:
    """G_e and G_i are the means over a step.

    Exponential Euler, which solves a leaky membrane under constant conductances, divides by the leak. Where there may
    be none, Euler does the same with a factor, exactly if there is none.
    """
    v = neuron.input_variable
    synapse = _Synapse(
        current=f"G_e * (E_e - {v}) + G_i * (E_i - {v})",
        states={"g_e": "tau_e", "g_i": "tau_i"},
        unit="potential",
        parameters=parameters,
        factor="" if neuron.method in EXACT else " * exprel(-dt * (G_e + G_i))",
        expressions=(
            "G_e = g_e * exprel(-dt / tau_e) / (tau_e * (E_e - v_ref)) : Hz",
            "G_i = g_i * exprel(-dt / tau_i) / (tau_i * (v_ref - E_i)) : Hz",
        ),
    )
    return _with(neuron, synapse, inhibitory_variable="g_i")


def _with_sums(neuron: Neuron, taus: Mapping[str, Quantity]) -> Neuron:
    """What conductances would bring to a membrane that stays where it is."""
    synapse = _Synapse(
        current="g_e * exprel(-dt / tau_e) / tau_e - g_i * exprel(-dt / tau_i) / tau_i",
        states={"g_e": "tau_e", "g_i": "tau_i"},
        unit="potential",
        parameters=taus,
    )
    return _with(neuron, synapse, inhibitory_variable="g_i")


def _with(neuron: Neuron, synapse: _Synapse, **changes: Any) -> Neuron:
    """The neuron whose input raises the first state of a synapse."""
    _require_a_drive(neuron)
    _require_free_names(neuron, {*synapse.states, *synapse.parameters, *(e[:3] for e in synapse.expressions)})
    v = neuron.input_variable
    head, expression, unit = _differential(neuron.equations, v)
    unit = {"drive": _declared(neuron.equations, "drive"), "potential": unit}[synapse.unit]
    current = f"(drive + {synapse.current}){synapse.factor}"
    driven = head + re.sub(r"\bdrive\b", lambda _: current, expression)
    added = (*synapse.expressions, *(f"{state} : {unit}" for state in synapse.states))
    decays = "\n".join(f"{state} *= exp(-dt / {tau})" for state, tau in synapse.states.items())
    return replace(
        neuron,
        equations="\n".join((neuron.equations.replace(head + expression, driven).rstrip(), *added, "")),
        input_variable=next(iter(synapse.states)),
        drive_unit=neuron.current_unit,
        potential=neuron.potential or v,
        initial={**neuron.initial, **{state: f"0 * {unit}" for state in synapse.states}},
        parameters={**neuron.parameters, **synapse.parameters},
        update="\n".join(filter(None, (neuron.update, synapse.update + decays))),
        method="exponential_euler" if neuron.method in EXACT else neuron.method,
        **changes,
    )


def _differential(equations: str, variable: str) -> tuple[str, str, str]:
    """The differential equation of a variable as it is written: up to its =, up to its colon, and its unit."""
    found = re.search(rf"(d{variable}\s*/\s*dt\s*=)([^:]*):([^(\n#]*)", equations)
    assert found, "Brian2 finds it too"
    head, expression, unit = found.groups()
    return head, expression, unit.strip()


def _declared(equations: str, parameter: str) -> str:
    """The unit of a parameter as it is written."""
    found = re.search(rf"^\s*{parameter}\s*:([^(\n#]*)", equations, re.MULTILINE)
    assert found, "Brian2 finds it too"
    return found[1].strip()


def _require_a_drive(neuron: Neuron) -> None:
    equations, raised = Equations(neuron.equations), neuron.input_variable
    expression = dict(equations.diff_eq_expressions).get(raised)
    if expression is None or "drive" not in get_identifiers(expression.code) or "drive" not in equations:
        raise ValueError(
            f"the neuron takes no other synapse: {raised!r}, which input raises, has no differential equation with "
            "`drive` in it"
        )


def _require_free_names(neuron: Neuron, names: set[str]) -> None:
    taken = sorted(names & (neuron.parameters.keys() | Equations(neuron.equations).names))
    if taken:
        raise ValueError(f"the neuron already has {', '.join(map(repr, taken))}, as its synapse would; rename it")


def _require_positive(**taus: Quantity) -> None:
    for name, tau in taus.items():
        if not have_same_dimensions(tau, ms) or not 0 < float(tau) < float("inf"):
            raise ValueError(f"{name} is {tau}; the time constant of a synapse is a positive time")


def _potentials(
    neuron: Neuron, E_e: Quantity | float | None, E_i: Quantity | float | None, v_ref: Quantity | float | None
) -> dict[str, Quantity | float]:
    _require_a_drive(neuron)
    unit = Equations(neuron.equations)[neuron.input_variable].unit
    kind = "dimensionless" if have_same_dimensions(unit, 1) else "mV"
    if v_ref is None:
        v_ref = 0.0 if kind == "dimensionless" else neuron.parameters.get("E_L")
    if v_ref is None:
        raise ValueError("the neuron has no parameter `E_L`; say at which v_ref a spike has its full charge")
    excitatory, inhibitory = REVERSALS[kind]
    found = {"E_e": excitatory if E_e is None else E_e, "E_i": inhibitory if E_i is None else E_i, "v_ref": v_ref}
    for name, value in found.items():
        if not have_same_dimensions(value, unit):
            raise ValueError(f"{name} is {value}; it must be in the unit of {neuron.input_variable!r}, {unit}")
    if not found["E_i"] < found["v_ref"] < found["E_e"]:
        raise ValueError(f"E_i, v_ref and E_e are {found['E_i']}, {v_ref} and {found['E_e']}; they must rise")
    return found

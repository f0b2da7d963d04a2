"""Leaky integrate-and-fire neurons in mV: plain, with relative refractoriness, and with two kinds of adaptation.

Here and in all models in mV, `drive` is a current over the capacitance: I = C_m * drive. The `v_th` of the equations is
how far the threshold lies above the rest, so that a factor on it is a factor on the input that it takes. A spike of
weight 1 brings just that much. A rate 1 / T follows from a drive in closed form, given here as the drive of an interval
T without refractoriness, with u = V_reset - E_L and tau_m = C_m / g_L; a refractory period adds to T.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brian2 import Quantity, ms, mV, nS, pA, pF

from models.neurons.arguments import held, require_positive, require_rising, require_units
from models.neurons.neuron import Neuron

LEAKY = """
dv/dt = (E_L - v) * g_L / C_m + drive : volt (unless refractory)
drive : volt/second (constant)
v_th : volt (constant)
"""
RAISED_THRESHOLD = """
dv/dt = (E_L - v) * g_L / C_m + drive : volt (unless refractory)
dh/dt = -h / tau_h : volt
drive : volt/second (constant)
v_th : volt (constant)
"""
ADAPTIVE_CURRENT = """
dv/dt = ((E_L - v) * g_L - w) / C_m + drive : volt (unless refractory)
dw/dt = -w / tau_w : amp
drive : volt/second (constant)
v_th : volt (constant)
"""


def leaky_membrane(
    *,
    C_m: Quantity = 200 * pF,
    g_L: Quantity = 10 * nS,
    E_L: Quantity = -65 * mV,
    V_th: Quantity = -50 * mV,
    V_reset: Quantity = -65 * mV,
    refractory: Quantity = 2 * ms,
) -> Neuron:
    """The leaky neuron with a capacitance and a conductance, solved exactly at any dt.

    The capacitance and the leak are those of Vogels and Abbott 2005; rest, threshold, reset and refractory period those
    of Potjans and Diesmann 2014. Its f-I curve is that of `leaky_integrate_and_fire` with a hard reset: an interval T
    needs the drive (v_th - u exp(-T / tau_m)) / (tau_m (1 - exp(-T / tau_m))), and below v_th / tau_m it is silent.

    Parameters
    ----------
    C_m, g_L, E_L : Quantity
        Capacitance, leak conductance, and the potential at rest.
    V_th, V_reset : Quantity
        Threshold, and the potential after a spike.
    refractory : Quantity
        For so long the potential stays at its reset, and input is lost.

    Raises
    ------
    ValueError
        If an argument has another unit, or the threshold does not lie above rest and reset.
    """
    require_units(leaky_membrane, locals())
    require_positive(C_m=C_m, g_L=g_L)
    require_rising(E_L=E_L, V_th=V_th)
    require_rising(V_reset=V_reset, V_th=V_th)
    return Neuron(
        equations=held(LEAKY, refractory),
        threshold="v >= E_L + v_th",
        reset="v = V_reset",
        input_unit=V_th - E_L,
        initial={"v_th": "V_th - E_L", "v": "E_L"},
        parameters={"C_m": C_m, "g_L": g_L, "E_L": E_L, "V_th": V_th, "V_reset": V_reset},
        refractory=refractory,
        method="exact",
        source="Vogels, Abbott, J. Neuroscience 2005; Potjans, Diesmann, Cerebral Cortex 2014",
    )


def relative_refractory(
    *,
    h: Quantity = 10 * mV,
    tau_h: Quantity = 10 * ms,
    C_m: Quantity = 200 * pF,
    g_L: Quantity = 10 * nS,
    E_L: Quantity = -65 * mV,
    V_th: Quantity = -50 * mV,
    V_reset: Quantity = -65 * mV,
    refractory: Quantity = 2 * ms,
) -> Neuron:
    """The leaky neuron whose threshold is raised by `h` after a spike, and comes back within `tau_h`.

    Only the last spike counts. An interval T needs the drive of `leaky_membrane` with v_th + h exp(-T' / tau_h) in the
    place of v_th, where T' is T and the refractory period. Threshold and time constant are the fast ones that Kobayashi
    et al. 2009 found for a fast-spiking neuron. Solved exactly at any dt.

    Parameters
    ----------
    h, tau_h : Quantity
        How far a spike raises the threshold, and the time constant of its decay.
    C_m, g_L, E_L, V_th, V_reset, refractory : Quantity
        As of `leaky_membrane`.
    """
    require_units(relative_refractory, locals())
    require_positive(tau_h=tau_h)
    membrane = leaky_membrane(C_m=C_m, g_L=g_L, E_L=E_L, V_th=V_th, V_reset=V_reset, refractory=refractory)
    return _raised(membrane, "v = V_reset\nh = raised", h, tau_h)


def adaptive_threshold(
    *,
    h: Quantity = 2 * mV,
    tau_h: Quantity = 200 * ms,
    C_m: Quantity = 200 * pF,
    g_L: Quantity = 10 * nS,
    E_L: Quantity = -65 * mV,
    V_th: Quantity = -50 * mV,
    V_reset: Quantity = -65 * mV,
    refractory: Quantity = 2 * ms,
) -> Neuron:
    """The leaky neuron whose threshold rises by `h` with every spike, and comes back within `tau_h`.

    The rises add up. In the long run, an interval T needs the drive of `leaky_membrane` with
    v_th + h / (exp(T' / tau_h) - 1) in the place of v_th, where T' is T and the refractory period; at high rates the
    threshold is h tau_h times the rate above v_th. Step and time constant are the slow ones that Kobayashi et al. 2009
    found for a regular-spiking neuron; Bellec et al. 2018 train networks of such neurons. Solved exactly at any dt.

    Parameters
    ----------
    h, tau_h : Quantity
        How far a spike raises the threshold, and the time constant of its decay.
    C_m, g_L, E_L, V_th, V_reset, refractory : Quantity
        As of `leaky_membrane`.
    """
    require_units(adaptive_threshold, locals())
    require_positive(tau_h=tau_h)
    membrane = leaky_membrane(C_m=C_m, g_L=g_L, E_L=E_L, V_th=V_th, V_reset=V_reset, refractory=refractory)
    return _raised(membrane, "v = V_reset\nh += raised", h, tau_h)


def adaptive_current(
    *,
    b: Quantity = 20 * pA,
    tau_w: Quantity = 100 * ms,
    C_m: Quantity = 200 * pF,
    g_L: Quantity = 10 * nS,
    E_L: Quantity = -65 * mV,
    V_th: Quantity = -50 * mV,
    V_reset: Quantity = -65 * mV,
    refractory: Quantity = 2 * ms,
) -> Neuron:
    """The adaptive leaky neuron: every spike adds `b` to a current that brakes it, and that decays within `tau_w`.

    In the long run and without refractoriness, an interval T needs the drive of `leaky_membrane` with v_th + w K / C_m
    in the place of v_th, where w = b / (1 - exp(-T / tau_w)) is the current after a spike, and
    K = (exp(-T / tau_w) - exp(-T / tau_m)) / (1 / tau_m - 1 / tau_w) what it takes from the potential until the next
    one. At high rates the current is b tau_w times the rate. Good up to a dt of 1 ms: the current is held within a
    step, which makes rates wrong by about dt / tau_w.

    Parameters
    ----------
    b, tau_w : Quantity
        What a spike adds to the current, and the time constant of its decay.
    C_m, g_L, E_L, V_th, V_reset, refractory : Quantity
        As of `leaky_membrane`.
    """
    require_units(adaptive_current, locals())
    require_positive(tau_w=tau_w)
    membrane = leaky_membrane(C_m=C_m, g_L=g_L, E_L=E_L, V_th=V_th, V_reset=V_reset, refractory=refractory)
    return _extended(
        membrane,
        {"w": "0 * pA"},
        {"b": b, "tau_w": tau_w},
        equations=held(ADAPTIVE_CURRENT, refractory),
        reset="v = V_reset\nw += b",
        method="exponential_euler",
        source="Gerstner et al., Neuronal Dynamics, section 6.1; Treves, Network 1993",
    )


def _raised(membrane: Neuron, reset: str, h: Quantity, tau_h: Quantity) -> Neuron:
    return _extended(
        membrane,
        {"h": "0 * mV"},
        {"raised": h, "tau_h": tau_h},
        equations=held(RAISED_THRESHOLD, membrane.refractory),
        threshold="v >= E_L + v_th + h",
        reset=reset,
        source="Kobayashi, Tsubo, Shinomoto, Frontiers in Computational Neuroscience 2009",
    )


def _extended(
    membrane: Neuron, initial: Mapping[str, str], parameters: Mapping[str, Quantity], **changes: Any
) -> Neuron:
    """The neuron with other equations that need more of both."""
    return replace(
        membrane,
        initial={**membrane.initial, **initial},
        parameters={**membrane.parameters, **parameters},
        **changes,
    )

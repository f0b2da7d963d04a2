"""Neurons that make their own spikes: the quadratic, the exponential, and the adaptive exponential one.

As in `models.neurons.leaky`, `drive` is a current over the capacitance, the `v_th` of the equations is how far the
threshold V_T lies above the rest, and a spike of weight 1 brings just that much. Above V_T the potential runs away by
itself; where it is cut off decides little, as it would be infinite soon after.

The steps are those of Euler: up to 0.1 ms for rates within 1 or 2 %, up to 0.5 ms for a network, whose matching
measures the curve at its own dt. At 1 ms, rates of 200 Hz are up to a tenth too low.
"""

from __future__ import annotations

from collections.abc import Mapping

from brian2 import Quantity, ms, mV, nS, pA, pF

from models.neurons.arguments import held, require_positive, require_rising, require_units
from models.neurons.neuron import Neuron

QUADRATIC = """
dv/dt = (x * (x / v_th - 1) + (2 * x / v_th - 1) * (u - x)) / tau_m + drive : volt
u = v - E_L : volt
x = clip(u, -v_th, peak * v_th) : volt
drive : volt/second (constant)
v_th : volt (constant)
"""
EXPONENTIAL = """
dv/dt = (E_L - v + Delta_T * upstroke) / tau_m + drive : volt (unless refractory)
upstroke = exp(clip((v - E_L - v_th) / Delta_T, -inf, cut)) : 1
drive : volt/second (constant)
v_th : volt (constant)
"""
ADAPTIVE_EXPONENTIAL = """
dv/dt = (g_L * (E_L - v + Delta_T * upstroke) - w) / C_m + drive : volt
upstroke = exp(clip((v - E_L - v_th) / Delta_T, -inf, cut)) : 1
dw/dt = (a * (v - E_L) - w) / tau_w : amp
drive : volt/second (constant)
v_th : volt (constant)
"""
CUT = 5  # Delta_T above V_T a spike is cut off, as in Brette and Gerstner's program: at e^5 times the leak


def quadratic_integrate_and_fire(
    *,
    tau_m: Quantity = 10 * ms,
    E_L: Quantity = -65 * mV,
    V_T: Quantity = -50 * mV,
    V_peak: Quantity = 20 * mV,
    V_reset: Quantity = -80 * mV,
) -> Neuron:
    """The quadratic neuron: tau_m dv/dt = (v - E_L) (v - V_T) / (V_T - E_L) + tau_m drive, reset at `V_peak`.

    It fires from the drive v_th / (4 tau_m) on, with v_th = V_T - E_L. With x = v - (E_L + V_T) / 2 and
    beta^2 = v_th tau_m drive - v_th^2 / 4, its rate is

        beta / (v_th tau_m (arctan(x_peak / beta) - arctan(x_reset / beta))),

    which between infinite potentials is beta / (pi v_th tau_m), a square root. Below E_L - v_th, where only
    inhibition brings it, the parabola goes on as its tangent, or else a step would leap over the rest, to a spike.

    Parameters
    ----------
    tau_m, E_L, V_T : Quantity
        Membrane time constant and potential at rest, and the potential that has to be exceeded.
    V_peak, V_reset : Quantity
        Where a spike ends, and where the next interval begins, not below E_L - v_th.

    Raises
    ------
    ValueError
        If an argument has another unit, or the potentials are in another order.
    """
    require_units(quadratic_integrate_and_fire, locals())
    require_positive(tau_m=tau_m)
    require_rising(E_L=E_L, V_T=V_T, V_peak=V_peak)
    require_rising(V_reset=V_reset, V_peak=V_peak)
    if V_reset < 2 * E_L - V_T:
        raise ValueError(f"V_reset is {V_reset}; it should not be below E_L - (V_T - E_L) = {2 * E_L - V_T}")
    return Neuron(
        equations=QUADRATIC,
        threshold="u >= peak * v_th",
        reset="v = V_reset",
        input_unit=V_T - E_L,
        initial={"v_th": "V_T - E_L", "v": "E_L"},
        parameters={
            "tau_m": tau_m, "E_L": E_L, "V_T": V_T, "V_reset": V_reset, "peak": float((V_peak - E_L) / (V_T - E_L)),
        },
        source="Ermentrout, Neural Computation 1996; Latham et al., J. Neurophysiology 2000",
    )  # fmt: skip


def exponential_integrate_and_fire(
    *,
    tau_m: Quantity = 10 * ms,
    E_L: Quantity = -65 * mV,
    V_T: Quantity = -59.9 * mV,
    Delta_T: Quantity = 3.48 * mV,
    V_reset: Quantity = -68 * mV,
    refractory: Quantity = 1.7 * ms,
) -> Neuron:
    """The exponential neuron: tau_m dv/dt = E_L - v + Delta_T exp((v - V_T) / Delta_T) + tau_m drive.

    It fires from the drive (V_T - E_L - Delta_T) / tau_m on. The interval is `refractory` and the integral of
    dv / (dv/dt) from `V_reset` to the end of the spike, which has no closed form. The values are those that
    Fourcaud-Trocme et al. 2003 fitted to a conductance-based neuron.

    Parameters
    ----------
    tau_m, E_L : Quantity
        Membrane time constant and potential at rest.
    V_T, Delta_T : Quantity
        Soft threshold, and how sharp it is: `leaky_membrane` at 0.
    V_reset, refractory : Quantity
        The potential after a spike, and for how long it stays there.

    Raises
    ------
    ValueError
        If an argument has another unit, or the potentials are in another order.
    """
    require_units(exponential_integrate_and_fire, locals())
    require_positive(tau_m=tau_m, Delta_T=Delta_T)
    require_rising(E_L=E_L, V_T=V_T)
    require_rising(V_reset=V_reset, end_of_a_spike=V_T + CUT * Delta_T)
    return Neuron(
        equations=held(EXPONENTIAL, refractory),
        threshold="v >= E_L + v_th + cut * Delta_T",
        reset="v = V_reset",
        input_unit=V_T - E_L,
        initial={"v_th": "V_T - E_L", "v": "E_L"},
        parameters={
            "tau_m": tau_m, "E_L": E_L, "V_T": V_T, "Delta_T": Delta_T, "V_reset": V_reset, "cut": float(CUT),
        },
        refractory=refractory,
        source="Fourcaud-Trocme, Hansel, van Vreeswijk, Brunel, J. Neuroscience 2003",
    )  # fmt: skip


def adaptive_exponential(
    *,
    C_m: Quantity = 200 * pF,
    g_L: Quantity = 10 * nS,
    E_L: Quantity = -70 * mV,
    V_T: Quantity = -50 * mV,
    Delta_T: Quantity = 2 * mV,
    a: Quantity = 2 * nS,
    tau_w: Quantity = 30 * ms,
    b: Quantity = 0 * pA,
    V_reset: Quantity = -58 * mV,
) -> Neuron:
    """The adaptive exponential neuron (AdEx), tonic by default; `ADAPTIVE_EXPONENTIAL_PATTERNS` has other patterns.

    C_m dv/dt = g_L (E_L - v) + g_L Delta_T exp((v - V_T) / Delta_T) - w + C_m drive, tau_w dw/dt = a (v - E_L) - w, and
    a spike adds `b` to w. A current that rises slowly makes it fire from
    (g_L + a) (V_T - E_L - Delta_T + Delta_T log(1 + a / g_L)) on, where a / g_L is below tau_m / tau_w; one that is
    switched on, from less. Its f-I curve, in the long run, is measured; at high rates w is b tau_w times the rate.

    Parameters
    ----------
    C_m, g_L, E_L : Quantity
        Capacitance, leak conductance, and the potential at rest.
    V_T, Delta_T : Quantity
        Soft threshold, and how sharp it is.
    a, tau_w, b : Quantity
        How adaptation follows the potential, its time constant, and what a spike adds to it.
    V_reset : Quantity
        The potential after a spike; above V_T it makes bursts.

    Raises
    ------
    ValueError
        If an argument has another unit, or the potentials are in another order.
    """
    require_units(adaptive_exponential, locals())
    require_positive(C_m=C_m, g_L=g_L, Delta_T=Delta_T, tau_w=tau_w)
    require_rising(E_L=E_L, V_T=V_T)
    require_rising(V_reset=V_reset, end_of_a_spike=V_T + CUT * Delta_T)
    return Neuron(
        equations=ADAPTIVE_EXPONENTIAL,
        threshold="v >= E_L + v_th + cut * Delta_T",
        reset="v = V_reset\nw += b",
        input_unit=V_T - E_L,
        initial={"v_th": "V_T - E_L", "v": "E_L", "w": "0 * pA"},
        parameters={
            "C_m": C_m, "g_L": g_L, "E_L": E_L, "V_T": V_T, "Delta_T": Delta_T, "a": a, "tau_w": tau_w, "b": b,
            "V_reset": V_reset, "cut": float(CUT),
        },
        source="Brette, Gerstner, J. Neurophysiology 2005; Naud et al., Biological Cybernetics 2008",
    )  # fmt: skip


ADAPTIVE_EXPONENTIAL_PATTERNS: Mapping[str, Mapping[str, Quantity]] = {  # Naud et al. 2008, table 1
    "tonic": {},
    "adapting": {"g_L": 12 * nS, "tau_w": 300 * ms, "b": 60 * pA},
    "initial_burst": {
        "C_m": 130 * pF, "g_L": 18 * nS, "E_L": -58 * mV, "a": 4 * nS, "tau_w": 150 * ms, "b": 120 * pA,
        "V_reset": -50 * mV,
    },
    "bursting": {"E_L": -58 * mV, "tau_w": 120 * ms, "b": 100 * pA, "V_reset": -46 * mV},
}  # fmt: skip

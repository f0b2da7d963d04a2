"""The simple model of Izhikevich 2003."""

from __future__ import annotations

import math
from collections.abc import Mapping

from brian2 import Quantity, ms, mV

from models.neurons.arguments import require_positive, require_units
from models.neurons.neuron import Neuron

IZHIKEVICH = """
dv/dt = 0.04/ms/mV * x**2 + 5/ms * x + 140*mV/ms + (0.08/ms/mV * x + 5/ms) * (v - x) - u + drive : volt
du/dt = a * (b * x - u) : volt/second
x = clip(v, v_rest, 30*mV) : volt
drive : volt/second (constant)
"""


def izhikevich(
    *,
    a: Quantity = 0.02 / ms,
    b: Quantity = 0.2 / ms,
    c: Quantity = -65 * mV,
    d: Quantity = 8 * mV / ms,
) -> Neuron:
    """The model of Izhikevich 2003, regular spiking by default; `IZHIKEVICH_PATTERNS` has other patterns.

    With v in mV and the time in ms, v' = 0.04 v^2 + 5 v + 140 - u + drive, u' = a (b v - u), and a spike, from 30 mV
    on, sets v to c and adds d to u. Without a jump of u it fires from a drive of about (5 - b)^2 / 0.16 - 140 mV/ms on,
    4 for b = 0.2; its f-I curve is measured. A spike of weight 1 takes it from rest to where it fires at once.

    Below its rest, where inhibition brings it, the parabola goes on as its tangent, a leak of 1.7 ms for b = 0.2, and u
    follows the rest: else a step would leap over the rest, to a spike, and u would make it rebound. So it does not
    rebound after inhibition, as the paper's does. It takes steps of at most 0.5 ms, as the half steps for v in the
    paper's program, whose u and spikes have steps of 1 ms and are later.

    Parameters
    ----------
    a, b : Quantity
        How fast u follows the potential, and how much of it, in 1/ms.
    c, d : Quantity
        The potential after a spike in mV, and what the spike adds to u in mV/ms.

    Raises
    ------
    ValueError
        If an argument has another unit, or there is no potential at rest.
    """
    require_units(izhikevich, locals())
    require_positive(a=a)
    slope = 5 - float(b * ms)
    if slope**2 < 0.16 * 140 or slope < 0:
        raise ValueError(f"b is {b}; above {5 - math.sqrt(0.16 * 140):.3f} / ms there is no potential at rest")
    v_rest = (-slope - math.sqrt(slope**2 - 0.16 * 140)) / 0.08
    v_fires = -5 / 0.04 - v_rest  # the other end of the parabola that begins at rest, while u stays as it is
    return Neuron(
        equations=IZHIKEVICH,
        threshold="v >= 30*mV",
        reset="v = c\nu += d",
        input_unit=(v_fires - v_rest) * mV,
        initial={"v": "v_rest", "u": "b * v"},
        parameters={"a": a, "b": b, "c": c, "d": d, "v_rest": v_rest * mV},
        source="Izhikevich, IEEE Transactions on Neural Networks 2003",
    )


IZHIKEVICH_PATTERNS: Mapping[str, Mapping[str, Quantity]] = {  # his figure 2
    "rs": {},
    "ib": {"c": -55 * mV, "d": 4 * mV / ms},
    "ch": {"c": -50 * mV, "d": 2 * mV / ms},
    "fs": {"a": 0.1 / ms, "d": 2 * mV / ms},
    "lts": {"b": 0.25 / ms, "d": 2 * mV / ms},
}

"""Neurons as NIR's equations see them. Neuron -> Membrane, and back.

The potential is measured from rest, in units of what a spike of weight 1 adds to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from brian2 import second

from conversion.nir.losses import Loss
from conversion.plan import ConversionError
from models.neurons import (
    Neuron,
    accumulator,
    exponential_current,
    integrate_and_fire,
    leaky_integrate_and_fire,
    leaky_membrane,
    signed_integrate_and_fire,
)

AT_REST = ("0", "E_L")
TEXTS = ("equations", "threshold", "input_variable", "inhibitory_variable", "update", "potential")


@dataclass(frozen=True)
class Membrane:
    """tau_m dv/dt = -v + tau_m * (background + input); at v_th it spikes and is v_reset.

    `tau_m` and `tau_s` are in seconds: infinite without a leak, 0 where a spike moves the potential at once.
    `background` is per second.
    """

    tau_m: float = math.inf
    tau_s: float = 0.0
    v_th: float = 1.0
    v_reset: float = 0.0
    background: float = 0.0


def membrane_of(neuron: Neuron) -> tuple[Membrane, list[Loss]]:
    """The membrane of a neuron, and what of the neuron it is not.

    Raises
    ------
    ConversionError
        If its equations are none of NIR's.
    """
    tau_s = float(neuron.parameters.get("tau_s", 0.0))
    unit, raised = float(neuron.current_unit), float(neuron.input_unit) * (tau_s or 1.0)
    if not any(_is_like(neuron, known) for known in _known(neuron)) or not math.isclose(unit, raised, rel_tol=1e-9):
        raise ConversionError(
            f"NIR has no word for the equations of this neuron ({neuron.source}); it knows 'if', 'lif' and 'lif_mv', "
            "the leaky ones with exponential synapses too"
        )
    lost, tau_m = list(_losses(neuron)), _tau_m(neuron)
    if tau_s and math.isinf(tau_m):
        lost.append(Loss("synapses that take time before neurons that do not leak", "use 'lif', or delta synapses"))
        tau_s = 0.0
    return Membrane(tau_m, tau_s, _v_th(neuron) / unit, _v_reset(neuron) / unit, neuron.background / unit), lost


def neuron_of(membrane: Membrane) -> Neuron:
    """The neuron of a membrane, without a background."""
    leaky = math.isfinite(membrane.tau_m)
    make = partial(leaky_integrate_and_fire, membrane.tau_m * second) if leaky else integrate_and_fire
    neuron = make(v_th=membrane.v_th, reset="zero")
    if membrane.v_reset:
        parameters = {**neuron.parameters, "v_reset": membrane.v_reset}
        neuron = replace(neuron, reset="v = v_reset", parameters=parameters)
    return exponential_current(neuron, membrane.tau_s * second) if membrane.tau_s else neuron


def output_with_leak(neuron: Neuron, tau: float) -> Neuron:
    """The neuron whose output, where it only accumulates, decays with `tau` in seconds, which may be infinite."""
    plain = accumulator()
    if math.isinf(tau):
        return replace(neuron, accumulator=plain)
    equations = "dv/dt = drive - v / tau_out : 1\ndrive : Hz (constant)\n"
    leaky = replace(plain, equations=equations, method="exact", parameters={"tau_out": tau * second})
    return replace(neuron, accumulator=leaky)


def _known(neuron: Neuron) -> Iterator[Neuron]:
    """Neurons that NIR has, with as much refractoriness."""
    given, pause = neuron.parameters, {"refractory": neuron.refractory}
    bases = [integrate_and_fire(**pause), signed_integrate_and_fire()]
    if "tau_m" in given:
        bases.append(leaky_integrate_and_fire(given["tau_m"], **pause))
    if "C_m" in given:
        bases.append(leaky_membrane(**pause))
    yield from (exponential_current(base, given["tau_s"]) for base in bases) if "tau_s" in given else bases


def _is_like(neuron: Neuron, known: Neuron) -> bool:
    return all(getattr(neuron, text) == getattr(known, text) for text in TEXTS)


def _losses(neuron: Neuron) -> Iterator[Loss]:
    if neuron.reset == "v -= v_th":
        yield Loss("reset by subtraction", "reset 'zero' it can say")
    if float(neuron.refractory):
        yield Loss(f"a refractory period of {neuron.refractory}", "make it 0")
    if neuron.every_step:
        yield Loss(f"{neuron.every_step!r} in every step", "leave out the clamp v_min")
    if neuron.is_signed:
        yield Loss("negative spikes", "use a neuron that is not signed")
    if neuron.initial["v"] not in AT_REST:
        yield Loss(f"the initial potential {neuron.initial['v']!r}", "v_init 'zero' is the start of all simulators")


def _tau_m(neuron: Neuron) -> float:
    given = neuron.parameters
    return float(given["C_m"] / given["g_L"]) if "C_m" in given else float(given.get("tau_m", math.inf))


def _rest(neuron: Neuron) -> float:
    return float(neuron.parameters.get("E_L", 0.0))


def _v_th(neuron: Neuron) -> float:
    given = neuron.parameters
    return float(given["V_th"]) - _rest(neuron) if "V_th" in given else float(neuron.initial["v_th"])


def _v_reset(neuron: Neuron) -> float:
    """Above rest; where nothing says so, it is rest."""
    named = [float(v) for name, v in neuron.parameters.items() if neuron.reset == f"v = {name}"]
    return named[0] - _rest(neuron) if named else 0.0

"""Which keys of a condition go together, beyond what each of them takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from studies.declare.errors import StudyError

if TYPE_CHECKING:
    from studies.declare.conditions import Condition

SIGNED = ("signed", "balanced")
MOST_STEPS = 10_000_000


def check_together(c: Condition) -> None:
    said = "neuron.tau_m" in dict(c.arguments)
    if c.neuron == "lif" and c.tau_m_ms is None and not said:
        raise StudyError("tau_m_ms is missing; neuron 'lif' needs a membrane time constant, a number above 0, in ms")
    if c.neuron == "lif" and c.tau_m_ms is not None and said:
        raise StudyError(f"tau_m_ms is {c.tau_m_ms:g}, and neuron.tau_m says the same otherwise; keep one")
    for name in ("duration_ms", "readout_ms", "residual_ms", "calibration_ms", "evaluation_delay_ms"):
        value = getattr(c, name) or None
        if value is not None and value / c.dt_ms > MOST_STEPS:
            raise StudyError(f"{name} is {value:g}; it can be at most {MOST_STEPS} steps of dt_ms = {c.dt_ms:g}")
        if value is not None and (value < c.dt_ms or abs(value / c.dt_ms - round(value / c.dt_ms)) > 1e-6):
            raise StudyError(f"{name} is {value:g}; it must be a whole number of steps of dt_ms = {c.dt_ms:g}")
    if c.readout_ms is not None and c.readout_ms > c.duration_ms:
        raise StudyError(f"readout_ms is {c.readout_ms:g}; it must be at most duration_ms = {c.duration_ms:g}")
    if (c.evaluation_delay_ms or 0.0) >= c.duration_ms:
        raise StudyError(
            f"evaluation_delay_ms is {c.evaluation_delay_ms:g}; it must be less than duration_ms = {c.duration_ms:g}"
        )
    if c.neuron in SIGNED:
        _check_model(f"neuron {c.neuron!r}", c, reset="subtract", refractory_ms=0, v_min=-math.inf)
    if c.encoder == "phase":  # a neuron model too, the non-leaky one with an oscillating threshold that is subtracted
        plain = {"neuron": "if", "reset": "subtract", "refractory_ms": 0, "v_min": -math.inf, "current_offset": "none"}
        plain["synapse"] = "delta"
        _check_model("encoder 'phase'", c, **plain)
    if c.residual_ms > 0:
        kept = {"neuron": "if", "reset": "subtract", "refractory_ms": 0, "v_min": -math.inf}
        _check_model(f"residual_ms = {c.residual_ms:g}", c, **kept)
        if c.encoder == "phase":
            raise StudyError(f"encoder is 'phase'; with residual_ms = {c.residual_ms:g} it must be another")
    if c.normalization == "spike" and c.encoder == "phase":
        raise StudyError("normalization is 'spike'; Spike-Norm needs steps that are alike; encoder 'phase' has none")
    if c.normalization == "spike" and c.neuron not in ("if", "lif"):
        raise StudyError(
            f"normalization is 'spike' and neuron {c.neuron!r}; Spike-Norm looks at the positive input of neurons that "
            "are 'if' or 'lif'"
        )
    if any(name.startswith("v_th.") for name, _ in c.arguments):
        _check_thresholds(c)
    if c.matching != "none":
        _check_matching(c)
    if c.encoder == "burst" and c.dt_ms > 1:
        raise StudyError(f"dt_ms is {c.dt_ms:g}; the Izhikevich neurons of encoder 'burst' need at most 1 ms")
    if c.encoder in ("poisson", "on_off") and c.max_rate_hz is not None and c.max_rate_hz * c.dt_ms > 1000 * (1 + 1e-9):
        highest = f"a Poisson input spikes once a step at most, {1000 / c.dt_ms:g} Hz"
        raise StudyError(f"max_rate_hz is {c.max_rate_hz:g}; with dt_ms = {c.dt_ms:g} {highest}")


def _check_thresholds(c: Condition) -> None:
    """Thresholds of layers are those of neurons with a key for it, and nothing else finds them."""
    name, value = next((name, value) for name, value in c.arguments if name.startswith("v_th."))
    if c.v_th is None:
        raise StudyError(f"{name} is {value:g}; the neurons of {c.neuron!r} take no v_th; use 'if', 'lif' or 'signed'")
    if c.normalization == "spike":
        raise StudyError(f"{name} is {value:g}; Spike-Norm finds the thresholds; use another normalization")
    if c.matching != "none":
        raise StudyError(f"{name} is {value:g}; matching is {c.matching!r}, for one threshold of all; leave one out")


def _check_matching(c: Condition) -> None:
    """The f-I curve of a neuron with one threshold, which nothing else moves, from 0 to the rate of activation 1."""
    if c.neuron in SIGNED:
        raise StudyError(f"matching is {c.matching!r}; neuron is {c.neuron!r}, which needs none; it must be another")
    if c.encoder == "phase":
        raise StudyError(f"matching is {c.matching!r}; the neurons of encoder 'phase' have no rate; use another")
    if c.normalization == "spike":
        raise StudyError(
            f"matching is {c.matching!r}; Spike-Norm moves the thresholds that it rests on; use another normalization"
        )
    if "neuron.leak" in dict(c.arguments):
        leak = dict(c.arguments)["neuron.leak"]
        raise StudyError(f"neuron.leak is {leak!r}; matching is {c.matching!r}, which sets that current; leave one out")
    _check_model(f"matching {c.matching!r}", c, current_offset="none", residual_ms=0)


def _check_model(cause: str, c: Condition, **needed: Any) -> None:
    """A neuron model that leaves no choice of some keys."""
    for name, valid in needed.items():
        value = getattr(c, name)
        if value != valid:
            raise StudyError(f"{name} is {value!r}; with {cause} it must be {valid!r}")

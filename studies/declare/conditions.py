"""What a condition is: one point of a sweep, as typed values; which values each key takes, and when it matters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from conversion.options import CALIBRATED, Connectivity, Scheme
from models.options import InitialPotential, Reset
from models.standardisation import Values, as_values
from studies.declare.kinds import (
    CLAMP,
    COUNT,
    DATASET,
    FACTOR,
    MEMORY,
    MODEL,
    PAUSE,
    PERCENTILE,
    PERIOD,
    RATE,
    SEED,
    SHARE,
    THRESHOLD,
    TIME,
    TIME_CONSTANT,
    StudyError,
    one_of,
    says_what_is_read,
)

Readout = Literal["count", "potential", "first_spike", "k_th_spike"]
Normalization = Scheme | Literal["spike"]
NORMALIZATIONS: tuple[Normalization, ...] = (*get_args(Scheme), "spike")
SIGNED = ("signed", "balanced")
MOST_STEPS = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One network, one input, one neuron model and one seed. A key that has no effect on the others' values is None.

    Parameters
    ----------
    model : str
        A shipped network, or the path of an ONNX file, relative to the study's file.
    dataset, images : str, int
        The first `images` images of a dataset known by name, or of an npz file.
    scale, mean, std : float or list of float
        The network reads (scale * pixel - mean) / std of pixels in [0, 1], as `models.standardisation` says; by default
        what the dataset's file says, else the pixels.
    calibration, calibration_dataset : int, str
        Normalisation and bias calibration look at the last `calibration` images of `calibration_dataset` (by default
        `dataset`).
    neuron : str
        "signed" sends negative spikes too, for leaky ReLU, PReLU and linear layers (Kim 2020); "balanced" does so
        without the imbalance of its thresholds, and so with slope 1 below zero.
    normalization : str
        A scheme of `conversion.normalize`, or "spike" (Spike-Norm). That simulates the calibration images as the
        condition says, with its neurons, input code and seed, once per layer.
    bias_calibration : str
        "mean" shifts biases until the mean rates of the calibration images are right, simulated like those of "spike".
    calibration_ms : float
        The window of such simulations; by default `duration_ms`.
    negative_slope : str
        What becomes of leaky ReLU and PReLU where neurons send positive spikes only: "keep" refuses them, "drop" makes
        them ReLU.
    headroom : float
        Factor on the scales of a normalisation that looks at images (`conversion.normalize.schemes`).
    current_offset : str
        "half" brings every neuron half a threshold in the window, as a constant current (Deng and Gu 2021).
    residual_ms : float
        Above 0, length of a first stage after which neurons of negative potential are silenced (Hao 2023);
        `duration_ms` is that of the second, and `time_ms` counts both. Not while calibrating.
    v_min : float
        The potential is never below it (Cao 2015, with 0).
    matching, onset_share : str, float
        "fi" gives every neuron the gain and the background current that make its f-I curve, as measured, that of a
        ReLU (`conversion.normalize.fi_matching`); the background is this share of the current at which it begins to
        fire.
    pooling : str
        Whether average pooling has neurons of its own or becomes part of the next layer's weights.
    encoder, max_rate_hz, phase_period : str, float, int
        The input code (see `models.encoders`; "on_off" and "constant" take mean-subtracted images), the rate of the
        value 1 where that is a choice, and the steps of a period of phase coding.
    readout, readout_k, readout_ms : str, int, float
        Whether the answer is the largest spike count or potential, or the first class to spike once or k times, and how
        often it is read (by default 50 times).
    evaluation_delay_ms : float
        The count or potential of the output begins after this part of `duration_ms` (Hwang 2021, see
        `conversion.recording.delay_evaluation`).
    memory_gb : float
        What a batch of images may take; it sets the size of the batches, and so how the random numbers are dealt.
    """

    model: str = field(metadata=MODEL)
    dataset: str = field(metadata=DATASET)
    images: int = field(metadata=COUNT)
    scale: Values | None = field(default=None, metadata=says_what_is_read("scale", "above 0"))
    mean: Values | None = field(default=None, metadata=says_what_is_read("mean", "finite"))
    std: Values | None = field(default=None, metadata=says_what_is_read("std", "above 0"))
    calibration: int | None = field(default=1000, metadata=COUNT)
    calibration_dataset: str | None = field(default=None, metadata=DATASET)
    calibration_ms: float | None = field(default=None, metadata=TIME)
    duration_ms: float = field(default=100.0, metadata=TIME)
    dt_ms: float = field(default=1.0, metadata=TIME)
    encoder: str = field(default="poisson", metadata=one_of(("poisson", "on_off", "constant", "phase", "burst")))
    max_rate_hz: float | None = field(default=1000.0, metadata=RATE)
    phase_period: int | None = field(default=8, metadata=PERIOD)
    neuron: str = field(default="if", metadata=one_of(("if", "lif", *SIGNED)))
    tau_m_ms: float | None = field(default=None, metadata=TIME_CONSTANT)
    refractory_ms: float = field(default=0.0, metadata=PAUSE)
    reset: Reset = field(default="subtract", metadata=one_of(get_args(Reset)))
    v_th: float = field(default=1.0, metadata=THRESHOLD)
    v_min: float = field(default=-math.inf, metadata=CLAMP)
    v_init: InitialPotential = field(default="zero", metadata=one_of(get_args(InitialPotential)))
    negative_slope: str | None = field(default="keep", metadata=one_of(("keep", "drop")))
    current_offset: str = field(default="none", metadata=one_of(("none", "half")))
    residual_ms: float = field(default=0.0, metadata=PAUSE)
    normalization: Normalization = field(default="none", metadata=one_of(NORMALIZATIONS))
    percentile: float | None = field(default=None, metadata=PERCENTILE)
    headroom: float | None = field(default=1.0, metadata=FACTOR)
    bias_calibration: str = field(default="none", metadata=one_of(("none", "mean")))
    pooling: str = field(default="spiking", metadata=one_of(("spiking", "folded")))
    connectivity: Connectivity = field(default="shared", metadata=one_of(get_args(Connectivity)))
    matching: str = field(default="none", metadata=one_of(("none", "fi")))
    onset_share: float | None = field(default=1.0, metadata=SHARE)
    readout: Readout = field(default="count", metadata=one_of(get_args(Readout)))
    readout_k: int | None = field(default=3, metadata=COUNT)
    readout_ms: float | None = field(default=None, metadata=TIME)
    evaluation_delay_ms: float | None = field(default=0.0, metadata=PAUSE)
    memory_gb: float = field(default=1.0, metadata=MEMORY)
    seed: int = field(default=0, metadata=SEED)


KEYS: Mapping[str, Field] = {key.name: key for key in fields(Condition)}
_LOOKS_AT_IMAGES = {"normalization": ("data", "percentile", "channel", "spike"), "bias_calibration": ("mean",)}
MATTERS_ONLY_IF: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "max_rate_hz": {"encoder": ("poisson", "on_off", "constant")},
    "phase_period": {"encoder": ("phase",)},
    "readout_k": {"readout": ("k_th_spike",)},
    "evaluation_delay_ms": {"readout": ("count", "potential")},
    "tau_m_ms": {"neuron": ("lif",)},
    "negative_slope": {"neuron": ("if", "lif")},
    "headroom": {"normalization": CALIBRATED},
    "percentile": {"normalization": ("percentile", "channel", "spike")},
    "onset_share": {"matching": ("fi",)},
    "calibration": _LOOKS_AT_IMAGES,
    "calibration_dataset": _LOOKS_AT_IMAGES,
    "calibration_ms": {"normalization": ("spike",), "bias_calibration": ("mean",)},
}


def condition(values: Mapping[str, Any]) -> Condition:
    """The condition of some values, with the defaults filled in and every key that has no effect set to None.

    Raises
    ------
    StudyError
        If a key is unknown or missing, or a value is of the wrong type, out of range, or does not go with another.
    """
    for name, value in values.items():
        check_value(name, value)
    missing = [name for name, key in KEYS.items() if key.default is MISSING and name not in values]
    if missing:
        raise StudyError(f"{missing[0]} is missing; it is {KEYS[missing[0]].metadata['valid']}")
    complete = {name: values.get(name, key.default) for name, key in KEYS.items()}
    complete |= {name: None for name in MATTERS_ONLY_IF if not matters(name, complete)}
    result = Condition(**{name: _as_declared(name, value) for name, value in complete.items()})
    _check_together(result)
    return result


def check_value(name: str, value: Any) -> None:
    """Raise `StudyError` unless `name` is a key and `value` one that it takes."""
    require_known("key", name, KEYS)
    valid = KEYS[name].metadata
    unknown = isinstance(value, bool) or not isinstance(value, valid["kinds"])
    if unknown or (isinstance(value, int) and abs(value) >= 2**63) or not valid["accepts"](value):
        raise StudyError(f"{name} is {value!r}; it must be {valid['valid']}")


def require_known(what: str, name: str, known: Iterable[str]) -> None:
    """Raise `StudyError` unless `name` is one of the known names; suggest the nearest."""
    known = list(known)
    if name not in known:
        close = get_close_matches(str(name), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise StudyError(f"unknown {what} {name!r}{hint} (known: {', '.join(known)})")


def require_type(key: str, value: Any, kind: type, valid: str) -> Any:
    if not isinstance(value, kind):
        raise StudyError(
            f"{key} is missing; it must be {valid}" if value is None else f"{key} is {value!r}; it must be {valid}"
        )
    return value


def matters(name: str, values: Mapping[str, Any]) -> bool:
    """Whether a key has an effect, given the values of the others."""
    needed = MATTERS_ONLY_IF.get(name, {})
    return not needed or any(values.get(other, KEYS[other].default) in wanted for other, wanted in needed.items())


def readout_steps(condition: Condition) -> NDArray[np.int64]:
    """The steps after which the output is read, the last one at the end of the window; without a first stage."""
    end = round(condition.duration_ms / condition.dt_ms)
    every = max(1, end // 50) if condition.readout_ms is None else round(condition.readout_ms / condition.dt_ms)
    return np.append(np.arange(every, end, every), end)


def _as_declared(name: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return as_values(value)
    return float(value) if float in KEYS[name].metadata["kinds"] and value is not None else value


def _check_together(c: Condition) -> None:
    if c.neuron == "lif" and c.tau_m_ms is None:
        raise StudyError("tau_m_ms is missing; neuron 'lif' needs a membrane time constant, a number above 0, in ms")
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
        _check_model("encoder 'phase'", c, **plain)
    if c.residual_ms > 0:
        kept = {"neuron": "if", "reset": "subtract", "refractory_ms": 0, "v_min": -math.inf}
        _check_model(f"residual_ms = {c.residual_ms:g}", c, **kept)
        if c.encoder == "phase":
            raise StudyError(f"encoder is 'phase'; with residual_ms = {c.residual_ms:g} it must be another")
    if c.normalization == "spike" and c.encoder == "phase":
        raise StudyError("normalization is 'spike'; Spike-Norm needs steps that are alike; encoder 'phase' has none")
    if c.normalization == "spike" and c.neuron in SIGNED:
        raise StudyError(
            "normalization is 'spike'; Spike-Norm looks at positive input only; neuron must be 'if' or 'lif'"
        )
    if c.matching == "fi":
        _check_matching(c)
    if c.encoder == "burst" and c.dt_ms > 1:
        raise StudyError(f"dt_ms is {c.dt_ms:g}; the Izhikevich neurons of encoder 'burst' need at most 1 ms")
    if c.encoder in ("poisson", "on_off") and c.max_rate_hz is not None and c.max_rate_hz * c.dt_ms > 1000 * (1 + 1e-9):
        highest = f"a Poisson input spikes once a step at most, {1000 / c.dt_ms:g} Hz"
        raise StudyError(f"max_rate_hz is {c.max_rate_hz:g}; with dt_ms = {c.dt_ms:g} {highest}")


def _check_matching(c: Condition) -> None:
    """The f-I curve of a neuron with one threshold, which nothing else moves, from 0 to the rate of activation 1."""
    if c.neuron in SIGNED:
        raise StudyError(f"matching is 'fi'; neuron is {c.neuron!r}, which needs none; it must be 'if' or 'lif'")
    if c.encoder == "phase":
        raise StudyError("matching is 'fi'; the neurons of encoder 'phase' have no rate; use another encoder")
    if c.normalization == "spike":
        raise StudyError(
            "matching is 'fi'; Spike-Norm moves the thresholds that it rests on; use another normalization"
        )
    _check_model("matching 'fi'", c, current_offset="none", residual_ms=0)


def _check_model(cause: str, c: Condition, **needed: Any) -> None:
    """A neuron model that leaves no choice of some keys."""
    for name, valid in needed.items():
        value = getattr(c, name)
        if value != valid:
            raise StudyError(f"{name} is {value!r}; with {cause} it must be {valid!r}")

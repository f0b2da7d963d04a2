"""What a condition is: one point of a sweep, as typed values; which values each key takes, and when it matters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from conversion.options import Connectivity, Scheme
from models.options import InitialPotential, Reset
from models.standardisation import Values, as_values
from studies.declare.arguments import Argument, cell, check_argument, column_of, is_argument
from studies.declare.consistency import check_together
from studies.declare.effects import MATTERS_ONLY_IF, matters
from studies.declare.errors import StudyError
from studies.declare.kinds import (
    BITS,
    CLAMP,
    COUNT,
    DATASET,
    FACTOR,
    MEMORY,
    MODEL,
    NEURON,
    PART,
    PAUSE,
    PERCENTILE,
    PERIOD,
    PROBABILITY,
    RATE,
    SEED,
    SHARE,
    THRESHOLD,
    TIME,
    TIME_CONSTANT,
    WEIGHT,
    one_of,
    says_what_is_read,
    with_unit,
)

Readout = Literal["count", "potential", "first_spike", "k_th_spike"]
Normalization = Scheme | Literal["spike"]
NORMALIZATIONS: tuple[Normalization, ...] = (*get_args(Scheme), "spike")


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
        A model of `models.neurons.NEURONS`, or "file.py:function", a function that returns a `Neuron`, in a file beside
        the study. "signed" sends negative spikes too, for leaky ReLU, PReLU and linear layers (Kim 2020); "balanced"
        does so without the imbalance of its thresholds, and so with slope 1 below zero.
    tau_m_ms, refractory_ms, reset, v_th, v_min, v_init : float, str
        Of "if", "lif" and the signed neurons. The potential is never below `v_min` (Cao 2015, with 0); `v_th.conv1` is
        the threshold of the layer conv1 alone. What other models take is in `arguments`.
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
    threshold_factor : float
        Factor on every threshold that Spike-Norm found (`conversion.normalize.lower_thresholds`).
    current_offset : str
        "half" brings every neuron half a threshold in the window, as a constant current (Deng and Gu 2021).
    residual_ms : float
        Above 0, length of a first stage after which neurons of negative potential are silenced (Hao 2023);
        `duration_ms` is that of the second, and `time_ms` counts both. Not while calibrating.
    matching, onset_share : str, float
        "fi" gives every neuron the gain and the background current that make its f-I curve, as measured, that of a
        ReLU (`conversion.normalize.fi_matching`); the background is this share of the current at which it begins to
        fire. "calibrated" fits both for each layer, on some calibration images (`conversion.normalize.rate_matching`).
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
    synapse : str
        A model of `models.neurons.SYNAPSES`.
    delay, delay_sd, jitter : str
        Of every spike between two layers, the same for all or with this standard deviation between neurons, drawn once;
        and of every input spike, drawn for each (`conversion.delays`). `delay.fc1` is that of what layer fc1 receives.
    membrane_noise, background, background_weight : str, str, float
        White noise in the equation of the potential, in its unit per root of time; and Poisson input of every neuron of
        a rate and a weight (`models.neurons`).
    release_probability, dead_share, lost_share : float
        See `conversion.variability`; with it goes `neuron.tau_m_cv`, the coefficient of variation of a parameter.
    weight_noise, weight_bits : float, int
        See `conversion.damage`.
    network_seed : int
        Of all that is drawn once for a network; by default as `seed`.
    arguments : tuple of (str, value)
        The keys with a point: `neuron.tau_m`, `synapse.tau_s`, `delay.fc1`, `v_th.fc1`.
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
    neuron: str = field(default="if", metadata=NEURON)
    tau_m_ms: float | None = field(default=None, metadata=TIME_CONSTANT)
    refractory_ms: float | None = field(default=0.0, metadata=PAUSE)
    reset: Reset | None = field(default="subtract", metadata=one_of(get_args(Reset)))
    v_th: float | None = field(default=1.0, metadata=THRESHOLD)
    v_min: float | None = field(default=-math.inf, metadata=CLAMP)
    v_init: InitialPotential | None = field(default="zero", metadata=one_of(get_args(InitialPotential)))
    negative_slope: str | None = field(default="keep", metadata=one_of(("keep", "drop")))
    current_offset: str = field(default="none", metadata=one_of(("none", "half")))
    residual_ms: float = field(default=0.0, metadata=PAUSE)
    normalization: Normalization = field(default="none", metadata=one_of(NORMALIZATIONS))
    percentile: float | None = field(default=None, metadata=PERCENTILE)
    headroom: float | None = field(default=1.0, metadata=FACTOR)
    threshold_factor: float | None = field(default=1.0, metadata=FACTOR)
    bias_calibration: str = field(default="none", metadata=one_of(("none", "mean")))
    pooling: str = field(default="spiking", metadata=one_of(("spiking", "folded")))
    connectivity: Connectivity = field(default="shared", metadata=one_of(get_args(Connectivity)))
    matching: str = field(default="none", metadata=one_of(("none", "fi", "calibrated")))
    onset_share: float | None = field(default=1.0, metadata=SHARE)
    synapse: str = field(default="delta", metadata=one_of(("delta", "exponential", "alpha", "conductance")))
    delay: str = field(default="0 ms", metadata=with_unit("3 ms"))
    delay_sd: str = field(default="0 ms", metadata=with_unit("1 ms"))
    jitter: str = field(default="0 ms", metadata=with_unit("1 ms"))
    membrane_noise: str = field(default="0 / ms**0.5", metadata=with_unit("0.1 / ms**0.5"))
    background: str = field(default="0 Hz", metadata=with_unit("100 Hz"))
    background_weight: float | None = field(default=0.1, metadata=WEIGHT)
    release_probability: float = field(default=1.0, metadata=PROBABILITY)
    dead_share: float = field(default=0.0, metadata=PART)
    lost_share: float = field(default=0.0, metadata=PART)
    weight_noise: float = field(default=0.0, metadata=SHARE)
    weight_bits: int = field(default=32, metadata=BITS)
    network_seed: int | None = field(default=None, metadata=SEED)
    readout: Readout = field(default="count", metadata=one_of(get_args(Readout)))
    readout_k: int | None = field(default=3, metadata=COUNT)
    readout_ms: float | None = field(default=None, metadata=TIME)
    evaluation_delay_ms: float | None = field(default=0.0, metadata=PAUSE)
    memory_gb: float = field(default=1.0, metadata=MEMORY)
    seed: int = field(default=0, metadata=SEED)
    arguments: tuple[tuple[str, Argument], ...] = ()


KEYS: Mapping[str, Field] = {key.name: key for key in fields(Condition) if key.name != "arguments"}


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
    arguments = tuple(sorted((name, value) for name, value in values.items() if is_argument(name)))
    result = Condition(**{name: _as_declared(name, value) for name, value in complete.items()}, arguments=arguments)
    check_together(result)
    return result


def check_value(name: str, value: Any) -> None:
    """Raise `StudyError` unless `name` is a key and `value` one that it takes."""
    if is_argument(name):
        check_argument(name, value)
        return
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


def cells(c: Condition) -> dict[str, Any]:
    """What the columns of a condition hold: of each key, its value; where that has a unit, the column has it too."""
    values = {name: getattr(c, name) for name in KEYS}
    plain = {name: value for name, value in values.items() if not takes_units(name)}
    with_units = {name: value for name, value in values.items() if takes_units(name)} | dict(c.arguments)
    return plain | {column_of(name, value): cell(value) for name, value in with_units.items()}


def takes_units(name: str) -> bool:
    """Whether the values of a key have their unit in them."""
    return is_argument(name) or (name in KEYS and KEYS[name].metadata["has_unit"])


def readout_steps(condition: Condition) -> NDArray[np.int64]:
    """The steps after which the output is read, the last one at the end of the window; without a first stage."""
    end = round(condition.duration_ms / condition.dt_ms)
    every = max(1, end // 50) if condition.readout_ms is None else round(condition.readout_ms / condition.dt_ms)
    return np.append(np.arange(every, end, every), end)


def _as_declared(name: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return as_values(value)
    return float(value) if float in KEYS[name].metadata["kinds"] and value is not None else value

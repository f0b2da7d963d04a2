"""When a key of a condition has an effect: only then may a study name it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conversion.options import CALIBRATED
from studies.declare.arguments import amount
from studies.declare.consistency import SIGNED


@dataclass(frozen=True)
class Such:
    """The values for which something holds, as a collection; to iterate over it gives words for them."""

    words: str
    holds: Callable[[Any], bool]

    def __contains__(self, value: Any) -> bool:
        return self.holds(value)

    def __iter__(self) -> Iterator[str]:
        yield self.words


ABOVE_ZERO = Such("a rate above 0", lambda value: (amount(value) or (0.0, ""))[0] > 0)
UNSIGNED = Such("a neuron without negative spikes", lambda name: name not in SIGNED)
Choices = Such | tuple[str, ...]
OWN = ("if", "lif", *SIGNED)  # the neurons with keys of their own
_SIMULATES = {"normalization": ("spike",), "bias_calibration": ("mean",), "matching": ("calibrated",)}
_LOOKS_AT_IMAGES = _SIMULATES | {"normalization": ("data", "percentile", "channel", "spike")}
MATTERS_ONLY_IF: Mapping[str, Mapping[str, Choices]] = {
    "max_rate_hz": {"encoder": ("poisson", "on_off", "constant")},
    "phase_period": {"encoder": ("phase",)},
    "readout_k": {"readout": ("k_th_spike",)},
    "evaluation_delay_ms": {"readout": ("count", "potential")},
    "tau_m_ms": {"neuron": ("lif",)},
    "negative_slope": {"neuron": UNSIGNED},
    **{key: {"neuron": OWN} for key in ("refractory_ms", "reset", "v_th", "v_min", "v_init")},
    "background_weight": {"background": ABOVE_ZERO},
    "headroom": {"normalization": CALIBRATED},
    "threshold_factor": {"normalization": ("spike",)},
    "percentile": {"normalization": ("percentile", "channel", "spike")},
    "onset_share": {"matching": ("fi",)},
    "calibration": _LOOKS_AT_IMAGES,
    "calibration_dataset": _LOOKS_AT_IMAGES,
    "calibration_ms": _SIMULATES,
}


def matters(name: str, values: Mapping[str, Any]) -> bool:
    """Whether a key has an effect, given the values of all."""
    needed = MATTERS_ONLY_IF.get(name, {})
    return not needed or any(values[other] in wanted for other, wanted in needed.items())

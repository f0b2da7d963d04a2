"""The parameters of a node of neurons in our units, and the one membrane that all nodes of a network must have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import nir
import numpy as np
from numpy.typing import ArrayLike, NDArray

from conversion.nir.layers import per_channel_of
from conversion.nir.membrane import Membrane
from conversion.plan import ConversionError

CLOSE = 1e-6  # as near as float32 is to a number


@dataclass(frozen=True, eq=False)
class Parameters:
    """Of one node, the potential as in the file; arrays have one value, or one for each channel.

    `gain` is what a spike of weight 1 adds, `current` what `v_leak` brings per second, of the shape that the file has.
    An integrator has an infinite `v_th`.
    """

    gain: NDArray[np.float64]
    current: NDArray[np.float64]
    v_th: NDArray[np.float64]
    v_reset: NDArray[np.float64]
    tau_m: float = math.inf
    tau_s: float = 0.0


def parameters_of(name: str, node: nir.NIRNode, area: float) -> Parameters:
    """Those of a node of neurons, for spikes of an area in seconds.

    Raises
    ------
    ConversionError
        If something differs within a map, or time constants within a layer.
    """

    def channels(what: str, default: float = 0.0) -> NDArray[np.float64]:
        return _alike(per_channel_of(name, what, np.asarray(getattr(node, what, default))))

    tau_m, tau_s = (_time(name, getattr(node, what, None)) for what in _taus(node))
    gain = channels("r") * area * channels("w_in", 1.0) / (1.0 if math.isinf(tau_m) else tau_m)
    leak = np.asarray(getattr(node, "v_leak", 0.0), np.float64)
    return Parameters(
        gain=np.where(np.isclose(gain, 1, rtol=CLOSE), 1.0, gain),
        current=leak / tau_m,
        v_th=channels("v_threshold", math.inf),
        v_reset=channels("v_reset"),
        tau_m=tau_m,
        tau_s=0.0 if math.isinf(tau_s) else tau_s,
    )


def common_membrane(found: Mapping[str, Parameters]) -> Membrane:
    """The membrane of all nodes that spike. Its threshold is theirs if they have one, and else 1.

    Raises
    ------
    ConversionError
        If time constants differ, or resets that are not in proportion to thresholds.
    """
    spiking = {name: p for name, p in found.items() if np.isfinite(p.v_th).all()}
    if not spiking:
        return Membrane()
    thresholds = np.concatenate([p.v_th for p in spiking.values()])
    v_th = float(thresholds[0]) if np.ptp(thresholds) == 0 else 1.0
    resets = [p.v_reset * v_th / p.v_th for p in spiking.values()]
    if thresholds.min() <= 0:
        raise ConversionError(f"a v_threshold is {thresholds.min():g}; thresholds are above 0 here, as rest is 0")
    (tau_m, tau_s, v_reset) = (
        _common(what, {name: values[i] for i, name in enumerate(spiking)})
        for what, values in (
            ("membrane time constant", [np.array([p.tau_m]) for p in spiking.values()]),
            ("synaptic time constant", [np.array([p.tau_s]) for p in spiking.values()]),
            ("v_reset over v_threshold", resets),
        )
    )
    return Membrane(tau_m, tau_s, v_th, v_reset)


def _common(what: str, values: Mapping[str, NDArray[np.float64]]) -> float:
    first, *_ = values
    for name, value in values.items():
        if not np.allclose(value, values[first][0], rtol=CLOSE, atol=0):
            raise ConversionError(
                f"nodes {first!r} and {name!r} have a {what} of {values[first][0]:g} and {value.flat[-1]:g}; "
                "all neurons of a network have one here"
            )
    return float(values[first][0])


def _taus(node: nir.NIRNode) -> tuple[str, str]:
    return ("tau_mem", "tau_syn") if isinstance(node, nir.CubaLIF) else ("tau", "tau_syn")


def _time(name: str, values: ArrayLike | None) -> float:
    if values is None:
        return math.inf
    times = np.unique(np.asarray(values))
    if times.size != 1 or not times[0] > 0:
        raise ConversionError(f"node {name!r} has time constants of {times.min():g} to {times.max():g} s; it needs one")
    return float(str(times[0]))


def _alike(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[:1] if np.all(values == values[0]) else values

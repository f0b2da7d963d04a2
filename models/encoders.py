"""How an image enters the network: as Poisson spikes, as a constant current, or as the user's own spike trains.

All three say which firing rate stands for the value 1 (`max_rate`); the biases are scaled by it too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from brian2 import Hz, Quantity, have_same_dimensions
from numpy.typing import NDArray


def _require_rate(max_rate: Quantity) -> None:
    if not (have_same_dimensions(max_rate, Hz) and 0 < float(max_rate) < math.inf):
        raise ValueError(f"max_rate is {max_rate}; it must be a firing rate above 0, in Hz")


@dataclass(frozen=True)
class Poisson:
    """Each input of value x is a Poisson process of rate `x * max_rate` (Cao 2015, Diehl 2015)."""

    max_rate: Quantity = field(default_factory=lambda: 1000 * Hz)

    def __post_init__(self) -> None:
        _require_rate(self.max_rate)


@dataclass(frozen=True)
class ConstantCurrent:
    """No input spikes: the first layer receives `(W x + b) * max_rate` as a current (Rueckauer 2017)."""

    max_rate: Quantity = field(default_factory=lambda: 1000 * Hz)

    def __post_init__(self) -> None:
        _require_rate(self.max_rate)


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """The user's own spikes: `spikes[step, image, ...]` is true where that input spikes in that step.

    `spikes` has shape (steps, images, *input_shape); its steps are the simulation's.
    """

    spikes: NDArray[np.bool_]
    max_rate: Quantity = field(default_factory=lambda: 1000 * Hz)

    def __post_init__(self) -> None:
        _require_rate(self.max_rate)


Encoder = Poisson | ConstantCurrent | SpikeTrains

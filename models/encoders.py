"""How an image enters the network: its input code, or the user's own spike trains.

Each code says of itself all that the engine asks: which values it carries, which firing rate stands for the value 1
(the biases are scaled by it too), what a spike carries in each step, and its input neurons as text, like those of
`models.neurons`: the engine writes the value of each input into their variable `value`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from brian2 import Hz, Quantity, have_same_dimensions, ms, mV
from numpy.typing import NDArray

from models.neurons import NEXT_PHASE, Neuron, require_phase_period


@dataclass(frozen=True)
class Encoder:
    """What every input code says of itself; a code overrides what is otherwise with it.

    Attributes
    ----------
    lowest : float
        The smallest value that it carries; the largest is 1.
    spikes_at_input : bool
        Whether there are input neurons; otherwise the image is a constant current into the first layer.
    spikes_alike : bool
        Whether all spikes carry the same, whatever their step.
    repeats : bool
        Whether an image can be shown again, with other random numbers.
    operations_per_step : tuple of int
        MACs and ACs that one input neuron costs in every step.
    phase_period : int or None
        Steps of a period of phase coding; None in all other codes.
    neuron : Neuron or None
        The input neuron, where it is one of equations.
    """

    lowest: ClassVar[float] = 0.0
    spikes_at_input: ClassVar[bool] = True
    spikes_alike: ClassVar[bool] = True
    repeats: ClassVar[bool] = True
    operations_per_step: ClassVar[tuple[int, int]] = (0, 0)

    @property
    def phase_period(self) -> int | None:
        return None

    @property
    def neuron(self) -> Neuron | None:
        return None

    @property
    def is_random(self) -> bool:
        """Whether an image has other spikes with another seed."""
        return self.neuron is not None and self.neuron.is_random

    def rate_of_one(self, dt: Quantity) -> Quantity | None:
        """The firing rate that stands for the value 1; None if it is known by measuring only."""
        return None

    def spike_weights(self, steps: int) -> NDArray:
        """What a spike carries in each step of a window; whole numbers where all carry the same."""
        return np.ones(steps, np.int32)

    def check_step(self, dt: Quantity) -> None:
        """Raise a ValueError if the time step is too long for the code."""

    def check_images(self, images: NDArray, steps: int) -> None:
        """Raise a ValueError unless images (N, *input_shape) can be shown for so many steps."""
        self.check_values(images)

    def check_values(self, images: NDArray) -> None:
        """Raise a ValueError unless all values are finite and such as the code carries."""
        if not np.isfinite(images).all() or images.min() < self.lowest or images.max() > 1:
            reach = f"pixels reach from {images.min()} to {images.max()}"
            hint = "" if self.lowest else "; OnOff and ConstantCurrent also take negative ones, down to -1"
            needed = f"firing rates of {type(self).__name__} need finite values in [{self.lowest:g}, 1]"
            raise ValueError(f"{reach}; {needed}{hint}")


def _require_rate(max_rate: Quantity) -> None:
    if not (have_same_dimensions(max_rate, Hz) and 0 < float(max_rate) < math.inf):
        raise ValueError(f"max_rate is {max_rate}; it must be a firing rate above 0, in Hz")


@dataclass(frozen=True)
class RateCode(Encoder):
    """Codes in which the rate of the value 1 is chosen: `max_rate`, a firing rate above 0."""

    max_rate: Quantity = field(default_factory=lambda: 1000 * Hz)

    def __post_init__(self) -> None:
        _require_rate(self.max_rate)

    def rate_of_one(self, dt: Quantity) -> Quantity:
        return self.max_rate


@dataclass(frozen=True)
class Poisson(RateCode):
    """Each input of value x is a Poisson process of rate `x * max_rate` (Cao 2015, Diehl 2015)."""

    @property
    def is_random(self) -> bool:
        return True

    def check_step(self, dt: Quantity) -> None:
        if (probability := float(self.max_rate * dt)) > 1 + 1e-9:
            raise ValueError(
                f"max_rate * dt is {self.max_rate} * {dt} = {probability:g}, but an input spikes at most once a step"
            )


@dataclass(frozen=True)
class OnOff(Poisson):
    """Each input of value x in [-1, 1] is two Poisson neurons, of the rates `max(x, 0)` and `max(-x, 0)` * `max_rate`.

    As in the retina an ON neuron sends what is above the mean and an OFF neuron what is below (Kuffler 1953), so that
    images keep their sign after their mean is subtracted, as in Sengupta 2019. The OFF neuron has the synapses of the
    ON neuron with negated weights: its spikes are the negative spikes of the input, under the same index.
    """

    lowest = -1.0

    @property
    def neuron(self) -> Neuron:
        """The pair; as in a Poisson input, it spikes at most once in a step."""
        return Neuron(
            equations="value : 1 (constant)",
            threshold="rand() < value * max_rate * dt",
            reset="",
            negative_threshold="rand() < -value * max_rate * dt",
            parameters={"max_rate": self.max_rate},
            source="Sengupta et al., Frontiers in Neuroscience 2019",
        )


@dataclass(frozen=True)
class ConstantCurrent(RateCode):
    """No input spikes: the first layer receives the current `(W x + b) * max_rate`, of either sign (Rueckauer 2017)."""

    lowest = -1.0
    spikes_at_input = False


@dataclass(frozen=True, eq=False)
class SpikeTrains(Encoder):
    """The user's own spikes: `spikes[step, image, ...]` is true where that input spikes in that step.

    `spikes` has shape (steps, images, *input_shape); its steps are the simulation's.
    """

    repeats = False
    spikes: NDArray[np.bool_]
    max_rate: Quantity = field(default_factory=lambda: 1000 * Hz)

    def __post_init__(self) -> None:
        _require_rate(self.max_rate)

    def rate_of_one(self, dt: Quantity) -> Quantity:
        return self.max_rate

    def check_images(self, images: NDArray, steps: int) -> None:
        super().check_images(images, steps)
        if self.spikes.shape != (steps, *images.shape):
            raise ValueError(
                f"spike trains have shape {self.spikes.shape}, but steps and images make {(steps, *images.shape)}"
            )


PHASE_INPUT = """
v : 1
weight : 1
value : 1 (constant)
"""


@dataclass(frozen=True)
class Phase(Encoder):
    """Phase coding: the binary digits of each input, the most significant first, one per step, over and over.

    An input x in [0, 1] becomes the whole number round(x * (2**K - 1)), for K = 8 the grey level of a pixel. Its digit
    k = 0 .. K - 1 is a spike in step k of every period of K steps, and that spike carries the weight 2**-(1 + k). The
    value 1 is a spike in every step and sends 1 - 2**-K per period, so this is what a period of the activation 1 is.
    The neurons have to speak the same code: `models.neurons.phase_coded(K)`.

    Kim, Kim, Huh, Lee, Choi, "Deep neural networks with weighted spikes", Neurocomputing 311, 2018.

    Parameters
    ----------
    period : int
        K, from 1 to 16.
    """

    spikes_alike = False
    period: int = 8

    def __post_init__(self) -> None:
        require_phase_period(self.period)

    @property
    def phase_period(self) -> int:
        return self.period

    def rate_of_one(self, dt: Quantity) -> Quantity:
        """The sum of the weights per second."""
        return (1 - 2.0**-self.period) / (self.period * dt)

    def spike_weights(self, steps: int) -> NDArray[np.float32]:
        return np.float32(2.0) ** -(1 + np.arange(steps) % self.period)

    @property
    def neuron(self) -> Neuron:
        """It loads its number when a period begins, and takes from it the weight of each spike that it sends."""
        return Neuron(
            equations=PHASE_INPUT,
            update="v += int(weight == 0.5) * floor(value * (2**phase_period - 1) + 0.5) / 2**phase_period",
            threshold="v >= weight",
            reset="v -= weight",
            every_step=NEXT_PHASE,
            initial={"v": "0", "weight": "0.5"},
            parameters={"phase_period": self.period},
            source="Kim, Kim, Huh, Lee, Choi, Neurocomputing 2018",
        )


LONGEST_BURST_STEP = 1 * ms
IZHIKEVICH = """
v : volt
u : volt/second
value : 1 (constant)
"""
IZHIKEVICH_DV = "0.04/ms/mV * v**2 + 5/ms * v + 140*mV/ms - u + current * value"


@dataclass(frozen=True)
class Burst(Encoder):
    """Each input of value x drives a chattering neuron by the current `current * x`; its bursts enter the network.

    The model and its parameters (v in mV, time in ms) are those of Izhikevich, "Simple model of spiking neurons", IEEE
    Transactions on Neural Networks 14, 2003:

        v' = 0.04 v^2 + 5 v + 140 - u + I,   u' = a (b v - u),   if v >= 30: v = c, u = u + d

    with a = 0.02, b = 0.2, c = -50, d = 2, from v = -65 and u = b v. As in his program a step of the network takes two
    half steps for v and then one whole step for u. At 1 ms that is coarse: the rates are those of this rule, lower than
    those of the differential equation. A steady current below 4 mV/ms, an input below 4 mV/ms / `current`, never makes
    it spike.

    Parameters
    ----------
    current : Quantity
        For the value 1, in mV/ms, the I of the paper.
    """

    operations_per_step = (8, 1)  # twice (0.04 v + 5) v + J with J = 140 + I - u, and v += h (...); once b v - u
    current: Quantity = field(default_factory=lambda: 20 * mV / ms)

    def check_step(self, dt: Quantity) -> None:
        if dt > LONGEST_BURST_STEP * (1 + 1e-9):
            raise ValueError(f"dt is {dt}; the steps of an Izhikevich neuron are at most {LONGEST_BURST_STEP}")

    @property
    def neuron(self) -> Neuron:
        """The equations; the rule of the paper's program is their `update`."""
        return Neuron(
            equations=IZHIKEVICH,
            update=f"v += dt / 2 * ({IZHIKEVICH_DV})\nv += dt / 2 * ({IZHIKEVICH_DV})\nu += dt * a * (b * v - u)",
            threshold="v >= 30*mV",
            reset="v = c\nu += d",
            initial={"v": "-65*mV", "u": "b * v"},
            parameters={
                "a": 0.02 / ms,
                "b": 0.2 / ms,
                "c": -50 * mV,
                "d": 2 * mV / ms,
                "current": self.current,
            },
            source="Izhikevich, IEEE Transactions on Neural Networks 2003",
        )

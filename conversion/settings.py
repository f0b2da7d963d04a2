"""The settings of a simulation as one object, for `simulate`, all that calibrates by simulating, and the engine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

import numpy as np
from brian2 import Quantity, have_same_dimensions, ms
from numpy.typing import NDArray

from conversion.delays import Delays
from conversion.options import Connectivity, Output
from conversion.recording import Probe
from conversion.variability import Variability
from models.encoders import Encoder
from models.neurons import Neuron


@dataclass(frozen=True, eq=False, kw_only=True)
class Simulation:
    """How images are shown to a network, and what is recorded; `dataclasses.replace` makes a variant.

    Parameters
    ----------
    neuron : Neuron
        The model of every hidden neuron, and of the output neurons if they spike.
    encoder : Encoder
        One of `models.encoders`.
    duration, dt : Quantity
        Window per image and time step.
    seed : int
        Of the input spikes and of random initial potentials.
    network_seed : int
        Of what is drawn once for a network: the same for every image and batch.
    delays : Delays
        How long spikes take on their way from layer to layer; by default no longer than a step.
    output : {"spiking", "accumulating"}
        Whether the output neurons spike, or only accumulate what they receive.
    read_at : Quantity, optional
        When to read the output and the totals, beside the end of the window; by default after every step.
    connectivity : {"shared", "synapses"}
        One stored kernel per layer, or plain Brian2 `Synapses`; both give the same spikes.
    probe : Probe
        Rasters, traces and times of output spikes to keep as well.
    thresholds : mapping of str to float
        Factors on the `v_th` of the neurons of a layer, such as those of Spike-Norm; 1 where none is named. An output
        that only accumulates has no threshold to change.
    backgrounds : mapping of str to float
        The background of the neurons of a layer in the place of the neuron's own, in base units of `drive`, such as
        those of `conversion.normalize.calibrate_matching`. An output that only accumulates has none.
    gains : mapping of str to float
        Factors on what a weight and a bias add to the neurons of a layer; 1 where none is named, and where an output
        only accumulates.
    half_threshold_offset : bool
        Give every neuron that spikes a constant current of `v_th / (2 * duration)` on top of its bias, half a threshold
        in the window: rates are then rounded instead of rounded down (Deng and Gu, ICLR 2021).
    variability : Variability
        What differs between neurons and synapses, the dead ones among them; by default nothing.
    memory_limit : float
        Bytes that a batch may take; it sets how many images are simulated at once, and with it, how the random numbers
        are dealt.

    Raises
    ------
    ValueError
        If a word is unknown, or times are not whole steps.
    """

    neuron: Neuron
    encoder: Encoder
    duration: Quantity
    dt: Quantity = field(default_factory=lambda: 1 * ms)
    seed: int = 0
    network_seed: int = 0
    delays: Delays = field(default_factory=Delays)
    output: Output = "spiking"
    read_at: Quantity | None = None
    connectivity: Connectivity = "shared"
    probe: Probe = field(default_factory=Probe)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    backgrounds: Mapping[str, float] = field(default_factory=dict)
    gains: Mapping[str, float] = field(default_factory=dict)
    half_threshold_offset: bool = False
    variability: Variability = field(default_factory=Variability)
    memory_limit: float = 1e9

    def __post_init__(self) -> None:
        for name, known in (("output", get_args(Output)), ("connectivity", get_args(Connectivity))):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name} is {value!r}; known are {', '.join(map(repr, known))}")
        if not (have_same_dimensions(self.dt, ms) and 0 < float(self.dt) < math.inf):
            raise ValueError(f"dt is {self.dt}; a time step is positive")
        _ = self.read_after  # raises unless times are whole steps

    @cached_property
    def read_after(self) -> NDArray[np.int64]:
        """The steps of the window, counted from 0, after which the output is read; the last step always is."""
        steps = int(whole_steps("duration", self.duration, self.dt))
        if steps < 1:
            raise ValueError(f"duration is {self.duration}, shorter than a step of {self.dt}")
        if self.read_at is None:
            return np.arange(steps)
        after = np.unique(np.append(whole_steps("read_at", self.read_at, self.dt), steps))
        if after[0] < 1 or after[-1] > steps:
            raise ValueError(
                f"read_at is {self.read_at}; it must lie between dt = {self.dt} and duration = {self.duration}"
            )
        return after - 1

    @property
    def steps(self) -> int:
        """Of the window."""
        return int(self.read_after[-1]) + 1


def whole_steps(name: str, times: Quantity, dt: Quantity) -> NDArray[np.int64]:
    """Times in steps; raises ValueError, with the name of the setting, unless they are whole."""
    if not (have_same_dimensions(times, ms) and np.isfinite(times).all()):
        raise ValueError(f"{name} is {times}; it must be finite, with a unit of time")
    steps = np.asarray(times / dt)
    if np.any(np.abs(steps - np.rint(steps)) > 1e-6 * np.maximum(1, np.abs(steps))):
        raise ValueError(f"{name} is {times}; it must be whole steps of dt = {dt}")
    return np.rint(steps).astype(np.int64)

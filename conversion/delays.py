"""How long spikes take on their way: delays of layers or of single neurons, and jitter of input spikes.

A delay belongs to the axons that leave a layer. The windows of all layers behind it move by it, so that a network with
fixed delays spikes as one without, only later: time counts from the opening of each layer's own window, and
`Recording.latency` says how much later than the image that of the output opens. Paths of unequal length meet in step,
as they do without delays. Where neurons differ, spikes come sooner and later than the window expects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from brian2 import Quantity, have_same_dimensions, ms
from numpy.typing import NDArray

from conversion.draws import generator
from conversion.plan import ConversionError, Plan, Population, neuron_order
from models.graph import INPUT

JITTER_LAG = 3.0  # standard deviations by which jittered spikes come later on average, as none can come before its time


@dataclass(frozen=True, eq=False)
class Delays:
    """Delays of spikes, in time.

    Parameters
    ----------
    mean : Quantity or mapping of str to Quantity
        Of the spikes that leave each layer, "input" included; with a mapping, of those that it names.
    sd : Quantity
        Standard deviation between the neurons of such a layer, drawn once for a network, normal but never below 0, in
        whole steps. Windows then open at the mean, rounded to steps.
    jitter : Quantity
        Standard deviation of each single input spike. They come later by three standard deviations on average, with
        which the windows open, and by six at most; those of a neuron that meet in one step queue.
    """

    mean: Quantity | Mapping[str, Quantity] = field(default_factory=lambda: 0 * ms)
    sd: Quantity = field(default_factory=lambda: 0 * ms)
    jitter: Quantity = field(default_factory=lambda: 0 * ms)

    def __post_init__(self) -> None:
        means = self.mean if isinstance(self.mean, Mapping) else {"": self.mean}
        times = {f"the delay of {name!r}" if name else "the delay": mean for name, mean in means.items()}
        for name, time in (times | {"sd of the delays": self.sd, "the jitter": self.jitter}).items():
            if not (have_same_dimensions(time, ms) and 0 <= float(time) < math.inf):
                raise ValueError(f"{name} is {time}; it must be a time, 0 or more")

    def __bool__(self) -> bool:
        means = self.mean.values() if isinstance(self.mean, Mapping) else (self.mean,)
        return any(float(time) > 0 for time in (*means, self.jitter)) or float(self.sd) > 0

    def jitter_lag(self, dt: Quantity) -> int:
        """How many steps later jittered input spikes come on average."""
        return math.ceil(JITTER_LAG * float(self.jitter) / float(dt) - 1e-6)


def delay(plan: Plan, delays: Delays, dt: Quantity, network_seed: int = 0, spikes_at_input: bool = True) -> Plan:
    """The plan with windows that open later by the delays, and with the delays of its projections.

    Raises
    ------
    ConversionError
        If a layer has no axons, a fixed delay is not whole steps, or there are no input spikes to jitter.
    """
    if not delays:
        return plan
    senders = {p.name: p for p in plan.populations if any(q.source == p.name for q in plan.projections)}
    if not spikes_at_input:
        senders.pop(INPUT, None)
        if float(delays.jitter) > 0:
            raise ConversionError("a constant-current input has no spikes to jitter; use Poisson, or no jitter")
    means = _means(delays, senders)
    steps = {name: _steps(name, mean, delays, dt) for name, mean in means.items()}
    drawn = {name: _drawn(senders[name], mean, delays.sd, dt, network_seed) for name, mean in means.items()}
    depths = _depths(plan, steps, delays.jitter_lag(dt))
    populations = tuple(replace(p, depth=depths[p.name]) for p in plan.populations)
    projections = []
    for p in plan.projections:
        fixed = depths[p.target] - depths[p.source] - 1
        own = drawn.get(p.source) if float(delays.sd) > 0 else None
        offset = None if own is None else own + (fixed - steps[p.source])
        projections.append(replace(p, delay=fixed, drawn=offset))
    return replace(plan, populations=populations, projections=tuple(projections))


def _means(delays: Delays, senders: Mapping[str, Population]) -> Mapping[str, Quantity]:
    if not isinstance(delays.mean, Mapping):
        return dict.fromkeys(senders, delays.mean)
    for name in delays.mean:
        if name not in senders:
            raise ConversionError(f"delays name {name!r}; layers that send spikes to others are {', '.join(senders)}")
    return delays.mean


def _steps(name: str, mean: Quantity, delays: Delays, dt: Quantity) -> int:
    steps = float(mean) / float(dt)
    if float(delays.sd) == 0 and abs(steps - round(steps)) > 1e-6 * max(1, steps):
        raise ConversionError(f"the delay of {name!r} is {mean}; it must be whole steps of dt = {dt}")
    return round(steps)


def _drawn(population: Population, mean: Quantity, sd: Quantity, dt: Quantity, network_seed: int) -> NDArray[np.int64]:
    """The delay of each neuron in steps, in the engine's order of neurons."""
    times = generator(network_seed, population.name, "delay").normal(float(mean), float(sd), population.size)
    steps = np.maximum(np.rint(times / float(dt)), 0).astype(np.int64)
    return steps[np.argsort(neuron_order(population.shape))]


def _depths(plan: Plan, steps: Mapping[str, int], jitter_lag: int) -> dict[str, int]:
    """When the window of each population opens: the longest way from the input."""
    depths = {INPUT: jitter_lag}
    for population in plan.populations[1:]:
        incoming = [p.source for p in plan.projections if p.target == population.name]
        depths[population.name] = 1 + max(depths[source] + steps.get(source, 0) for source in incoming)
    return depths

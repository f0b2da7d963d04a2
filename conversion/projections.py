"""A projection in Brian2, in two forms that deliver the same spikes.

`SharedProjection` runs in the synapses slot and adds the shared weights of the layer; `unrolled_synapses` makes plain
`Synapses`, one per connection, which are slow and large but can be read, edited and run on every Brian2 device.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from brian2 import BrianObject, Clock, Group, Synapses
from brian2.units.fundamentalunits import get_unit
from numpy.typing import NDArray

from conversion.connections import MaxConnection
from conversion.plan import Projection


@dataclass(frozen=True)
class Place:
    """Where a population is: neuron i of image b is neuron `start + b * size + i` of `group`; `stop` ends the batch.

    `variable` is the one that input raises, `potential` the membrane potential; input neurons have neither.
    """

    group: Group
    start: int
    stop: int
    variable: str = ""
    potential: str = ""

    def array(self, variable: str) -> NDArray:
        """The values of a variable of the whole group, without a copy and in base units."""
        return self.group.variables[variable].get_value()

    def spikes(self) -> NDArray[np.int32]:
        """The indices, within the group, of this population's neurons that spike in this step."""
        if "_spikespace" not in self.group.variables:
            return np.empty(0, np.int32)
        spikespace = self.array("_spikespace")
        spikes = spikespace[: spikespace[-1]]
        first, last = np.searchsorted(spikes, np.array([self.start, self.stop], spikes.dtype))
        return spikes[first:last]


class SharedProjection(BrianObject):
    """Adds the weights of this step's spikes to the input variable of the target, without storing any synapse.

    Like Brian2's own synapses it leaves alone a target in its refractory period, if the input variable is flagged
    `(unless refractory)`.
    """

    def __init__(self, projection: Projection, source: Place, target: Place, input_unit: float, clock: Clock) -> None:
        super().__init__(clock=clock, when="synapses", name=projection.name)
        self.source, self.target = source, target
        self.in_flight: deque[NDArray[np.int32]] = deque([np.empty(0, np.int32)] * projection.delay)
        self.state: tuple[NDArray, ...] = ()
        self.connection = projection.connection
        if isinstance(self.connection, MaxConnection):
            self.state = tuple(np.zeros(place.stop - place.start, np.int32) for place in (source, target))
        elif input_unit != 1:
            self.connection = self.connection.times(input_unit)

    def run(self) -> None:
        self.in_flight.append(self.source.spikes().copy())
        spikes = self.in_flight.popleft()
        if spikes.size:
            receiver = self.target.array(self.target.variable)
            held = self._refractory()
            before = receiver[held]
            self.connection.deliver(spikes, self.source.start, receiver, self.target.start, *self.state)
            receiver[held] = before

    def _refractory(self) -> NDArray[np.intp]:
        variable = self.target.group.variables[self.target.variable]
        if variable.conditional_write is None:
            return np.empty(0, np.intp)
        return np.flatnonzero(~variable.conditional_write.get_value())


def unrolled_synapses(
    projection: Projection, source: Place, target: Place, input_unit: float, clock: Clock
) -> Synapses:
    """The projection as plain `Synapses`, with the weight `w` of each in the unit of the variable it raises."""
    pooling = isinstance(projection.connection, MaxConnection)
    weights = projection.connection.unrolled().tocoo()
    dim = get_unit(target.group.variables[target.variable].dim)
    synapses = Synapses(
        source.group,
        target.group,
        model="count : integer" if pooling else f"w : {dim!r}",
        on_pre="count += 1\nv_post += int(count > wins_post)" if pooling else f"{target.variable}_post += w",
        delay=projection.delay * clock.dt,
        clock=clock,
        dtype=np.float32,
        namespace={},
        name=projection.name,
    )
    n_source, n_target = weights.shape
    images = np.arange((source.stop - source.start) // n_source)[:, None]
    synapses.connect(
        i=(source.start + images * n_source + weights.row).ravel(),
        j=(target.start + images * n_target + weights.col).ravel(),
    )
    if not pooling:
        synapses.w_ = np.tile(weights.data * input_unit, len(images))
    return synapses

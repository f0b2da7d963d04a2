"""A projection in Brian2, in two forms that deliver the same spikes.

`SharedProjection` runs in the synapses slot and adds the shared weights of the layer; `unroll_synapses` makes plain
`Synapses`, one per connection, which are slow and large but can be read, edited and run on every Brian2 device.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from brian2 import BrianObject, Clock, Group, Synapses
from brian2.units.fundamentalunits import get_unit
from numpy.typing import NDArray

from conversion.brian.chance import released
from conversion.brian.events import Events
from conversion.brian.groups import NEGATIVE_SPIKE
from conversion.plan import Connection, MaxConnection, Projection, ReleaseConnection

PATHWAYS = {"pre": "spike", "negative": NEGATIVE_SPIKE}
NO_CHANCE = np.zeros(2, np.uint64)


class Sender(NamedTuple):
    """The events of one population: `events.of(population)`."""

    events: Events
    population: int


@dataclass(frozen=True)
class Place:
    """Where a population is: neuron i of image b is neuron `start + b * size + i` of `group`; `stop` ends the batch.

    `variable` is the one that input raises, `potential` the membrane potential; input neurons have neither.
    `senders` are its spikes, if it sends any, and its negative spikes, if it is signed.
    """

    group: Group
    start: int
    stop: int
    variable: str = ""
    potential: str = ""
    senders: tuple[Sender, ...] = ()

    @property
    def signed(self) -> bool:
        return len(self.senders) > 1

    def array(self, variable: str) -> NDArray:
        """The values of a variable of the whole group, without a copy and in base units."""
        return self.group.variables[variable].get_value()

    def spikes(self) -> NDArray[np.int32]:
        """The indices, within the group, of this population's neurons that spike in this step."""
        return self.signed_spikes()[0]

    def signed_spikes(self) -> tuple[NDArray[np.int32], ...]:
        """The positive spikes of this step and, of a signed population, the negative ones."""
        return tuple([events.of(population) for events, population in self.senders])


class SharedProjection(BrianObject):
    """Adds the weights of this step's spikes to the input variable of the target, without storing any synapse.

    Like Brian2's own synapses it leaves alone a target in its refractory period, if the input variable is flagged
    `(unless refractory)`. Max pooling counts spikes, at most one in each of so many `steps` before it begins anew.
    Synapses that fail do so by `chance`, as `conversion.brian.chance.Chance` writes it.
    """

    def __init__(
        self, projection: Projection, source: Place, target: Place, input_unit: float, clock: Clock,
        chance: NDArray[np.uint64] = NO_CHANCE, steps: int = np.iinfo(np.int32).max,
    ) -> None:  # fmt: skip
        super().__init__(clock=clock, when="synapses", name=projection.name)
        self.source, self.target = source, target
        variable = target.group.variables[target.variable]
        self.receiver = variable.get_value()
        self.ends = source.start, self.receiver, target.start
        free = variable.conditional_write
        self.free = None if free is None else free.get_value()[target.start : target.stop]
        nothing = (np.empty(0, np.int32),) * len(source.senders)
        self.in_flight: deque[tuple[NDArray[np.int32], ...]] = deque([nothing] * projection.delay)
        self.state: tuple[NDArray, ...] = ()
        connection = projection.connection
        self.connections: tuple[Connection, ...] = (connection,)
        self.chance = (chance,) if isinstance(connection, ReleaseConnection) else ()
        if isinstance(connection, MaxConnection):
            narrowest = np.min_scalar_type(-steps - 1)  # narrow counts stay in the cache
            self.state = tuple(np.zeros(place.stop - place.start, narrowest) for place in (source, target))
        else:
            factors = (input_unit, -input_unit) if source.signed else (input_unit,)
            self.connections = tuple(connection if f == 1 else connection.times(f) for f in factors)

    def run(self) -> None:
        spikes = self.source.signed_spikes()
        if self.in_flight:
            self.in_flight.append(tuple(s.copy() for s in spikes))
            spikes = self.in_flight.popleft()
        if not any(map(len, spikes)):
            return
        if self.free is None:
            self._deliver(spikes)
        else:
            held = np.flatnonzero(~self.free) + self.target.start
            before = self.receiver[held]
            self._deliver(spikes)
            self.receiver[held] = before

    def _deliver(self, spikes: tuple[NDArray[np.int32], ...]) -> None:
        first = self.connections[0]
        if isinstance(first, MaxConnection) and len(spikes) > 1:
            positive, negative = spikes
            first.deliver_signed(positive, negative, self.ends, *self.state)
        else:
            for connection, sent in zip(self.connections, spikes, strict=True):
                connection.deliver(sent, self.ends, *self.state, *self.chance)


def unroll_synapses(
    projection: Projection, source: Place, target: Place, input_unit: float, clock: Clock,
    chance: NDArray[np.uint64] = NO_CHANCE,
) -> Synapses:  # fmt: skip
    """The projection as plain `Synapses`, with the weight `w` of each in the unit of the variable it raises."""
    pooling = isinstance(projection.connection, MaxConnection)
    adds, namespace = "w", {}
    if isinstance(projection.connection, ReleaseConnection):
        starts = source.start, target.start
        adds, namespace = "w * released(i, j)", {"released": released(projection.connection, starts, chance)}
    weights = projection.connection.unrolled().tocoo()
    dim = get_unit(target.group.variables[target.variable].dim)
    model, on_pre = (
        _pooling(source.signed) if pooling else (f"w : {dim!r}", _adding(target.variable, adds, source.signed))
    )
    alone = pooling and source.signed  # Brian2 zeroes a summed variable in all of the target
    synapses = Synapses(
        source.group,
        target.group[target.start : target.stop] if alone else target.group,
        model=model,
        on_pre=on_pre,
        on_event=PATHWAYS,
        delay={pathway: projection.delay * clock.dt for pathway in on_pre},
        clock=clock,
        dtype=np.float32,
        namespace=namespace,
        name=projection.name,
    )
    n_source, n_target = weights.shape
    images = np.arange((source.stop - source.start) // n_source)[:, None]
    synapses.connect(
        i=(source.start + images * n_source + weights.row).ravel(),
        j=((0 if alone else target.start) + images * n_target + weights.col).ravel(),
    )
    if not pooling:
        synapses.w_ = np.tile(weights.data * input_unit, len(images))
    return synapses


def _adding(variable: str, adds: str, signed: bool) -> dict[str, str]:
    """What a spike does on each pathway of a synapse."""
    positive, negative = {"pre": f"{variable}_post += {adds}"}, {"negative": f"{variable}_post -= {adds}"}
    return positive | negative if signed else positive


def _pooling(signed: bool) -> tuple[str, dict[str, str]]:
    """Equations of the synapses of max pooling, and what a spike does on each pathway.

    Positive counts only rise, so that a spike that overtakes the largest one tells. Signed counts have to be compared
    in every step, by summed variables: see `conversion.brian.groups.signed_relay`.
    """
    if not signed:
        return "count : integer", {"pre": "count += 1\nv_post += int(count > wins_post)"}
    equations = (
        "count : integer",
        "above_post = int(count > wins_post) : 1 (summed)",
        "level_post = int(count >= wins_post) : 1 (summed)",
    )
    return "\n".join(equations), {"pre": "count += 1", "negative": "count -= 1"}

"""A projection in Brian2, in two forms that deliver the same spikes.

`SharedProjection` runs in the synapses slot and adds the shared weights of the layer; `unroll_synapses` makes plain
`Synapses`, one per connection, which are slow and large but can be read, edited and run on every Brian2 device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from brian2 import BrianObject, Clock, Group, Synapses
from brian2.units.fundamentalunits import get_unit
from numpy.typing import NDArray

from conversion.brian.groups import NEGATIVE_SPIKE
from conversion.brian.spikes.chance import released
from conversion.brian.spikes.events import Events
from conversion.brian.spikes.in_flight import InFlight
from conversion.plan import Connection, Ends, MaxConnection, Projection, ReleaseConnection

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
    `inhibitory` is the variable that negative weights raise, where that is another.
    """

    group: Group
    start: int
    stop: int
    variable: str = ""
    potential: str = ""
    senders: tuple[Sender, ...] = ()
    inhibitory: str = ""

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

    Where the target has another variable for inhibition, negative weights raise that one by their absolute value, and
    negative spikes do the opposite. Like Brian2's own synapses it leaves alone a target in its refractory period, if
    the variable is flagged `(unless refractory)`. Max pooling counts spikes, at most one in each of so many `steps`
    before it begins anew. Synapses that fail do so by `chance`, as `conversion.brian.spikes.chance.Chance` writes it.
    """

    def __init__(
        self, projection: Projection, source: Place, target: Place, input_unit: float, clock: Clock,
        chance: NDArray[np.uint64] = NO_CHANCE, steps: int = np.iinfo(np.int32).max,
    ) -> None:  # fmt: skip
        super().__init__(clock=clock, when="synapses", name=projection.name)
        self.source, self.target = source, target
        delays = projection.delays
        self.in_flight = InFlight(delays, source.start, len(source.senders)) if delays.any() else None
        self.guarded = [g for g in map(self._guarded, filter(None, (target.variable, target.inhibitory))) if g]
        self.state: tuple[NDArray, ...] = ()
        self.chance = (chance,) if isinstance(projection.connection, ReleaseConnection) else ()
        if isinstance(projection.connection, MaxConnection):
            narrowest = np.min_scalar_type(-steps - 1)  # narrow counts stay in the cache
            self.state = tuple(np.zeros(place.stop - place.start, narrowest) for place in (source, target))
        self.carry(projection.connection, input_unit)

    def carry(self, connection: Connection, input_unit: float) -> None:
        """Deliver the weights of a connection from now on."""
        self.deliveries = list(self._deliveries(connection, input_unit))

    def _guarded(self, variable: str) -> tuple[NDArray, NDArray[np.bool_]] | None:
        """The values of a variable, and where it may be raised, if it is flagged."""
        free = self.target.group.variables[variable].conditional_write
        return None if free is None else (self.target.array(variable), free.get_value())

    def _deliveries(self, connection: Connection, input_unit: float) -> Iterator[tuple[int, Connection, Ends]]:
        """What the spikes of each sender add to which variable."""
        start, target = self.source.start, self.target
        ends = start, target.array(target.variable), target.start
        for sender in range(len(self.source.senders)):
            if isinstance(connection, MaxConnection):
                yield sender, connection, ends
                continue
            unit = -input_unit if sender else input_unit
            signed = connection if unit == 1 else connection.times(unit)
            if not target.inhibitory:
                yield sender, signed, ends
                continue
            yield sender, signed.clipped(), ends
            yield sender, signed.times(-1).clipped(), (start, target.array(target.inhibitory), target.start)

    def clear(self) -> None:
        """Forget the spikes that are under way."""
        if self.in_flight is not None:
            self.in_flight.clear()

    def run(self) -> None:
        spikes = self.source.signed_spikes()
        if self.in_flight is not None:
            spikes = self.in_flight.exchange(spikes)
        if not any(map(len, spikes)):
            return
        held = [(values, self._held(free)) for values, free in self.guarded]
        before = [values[neurons] for values, neurons in held]
        self._deliver(spikes)
        for (values, neurons), kept in zip(held, before, strict=True):
            values[neurons] = kept

    def _held(self, free: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The neurons of the target, within its group, that are in their refractory period."""
        return np.flatnonzero(~free[self.target.start : self.target.stop]) + self.target.start

    def _deliver(self, spikes: tuple[NDArray[np.int32], ...]) -> None:
        _, first, ends = self.deliveries[0]
        if isinstance(first, MaxConnection) and len(spikes) > 1:
            positive, negative = spikes
            first.deliver_signed(positive, negative, ends, *self.state)
            return
        for sender, connection, its_ends in self.deliveries:
            connection.deliver(spikes[sender], its_ends, *self.state, *self.chance)


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
    model, on_pre = _pooling(source.signed) if pooling else (f"w : {dim!r}", _adding(target, adds, source.signed))
    alone = pooling and source.signed  # Brian2 zeroes a summed variable in all of the target
    synapses = Synapses(
        source.group,
        target.group[target.start : target.stop] if alone else target.group,
        model=model,
        on_pre=on_pre,
        on_event=PATHWAYS,
        delay=dict.fromkeys(on_pre, projection.delay * clock.dt) if projection.drawn is None else None,
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
        carry(synapses, projection.connection, input_unit)
    if projection.drawn is not None:
        for pathway in on_pre:
            getattr(synapses, pathway).delay = np.tile(projection.drawn[weights.row], len(images)) * clock.dt
    return synapses


def carry(synapses: SharedProjection | Synapses, connection: Connection, input_unit: float) -> None:
    """Let a projection have the weights of a connection with the same synapses."""
    if isinstance(synapses, SharedProjection):
        synapses.carry(connection, input_unit)
    else:
        weights = connection.unrolled().tocoo().data * input_unit
        synapses.w_ = np.tile(weights, len(synapses) // len(weights))


def clear(projection: SharedProjection | Synapses) -> None:
    """Forget the spikes that are under way."""
    if isinstance(projection, SharedProjection):
        projection.clear()
        return
    for pathway in projection._pathways:
        for _ in range(round(float(np.max(pathway.delay)) / float(pathway.clock.dt)) + 1):
            pathway.queue.advance()  # what it leaves behind is forgotten


def _adding(target: Place, adds: str, signed: bool) -> dict[str, str]:
    """What a spike does on each pathway of a synapse."""
    e, i = target.variable, target.inhibitory
    positive, negative = {"pre": f"{e}_post += {adds}"}, {"negative": f"{e}_post -= {adds}"}
    if i:
        positive["pre"] = f"{e}_post += clip({adds}, 0, inf)\n{i}_post += clip(-{adds}, 0, inf)"
        negative["negative"] = f"{e}_post += clip(-{adds}, 0, inf)\n{i}_post += clip({adds}, 0, inf)"
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

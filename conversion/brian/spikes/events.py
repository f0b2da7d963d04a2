"""Which neurons of a group send an event in this step, cut into the populations of the group once for all who ask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from brian2 import BrianObject, Clock, Group
from numpy.typing import NDArray


class Events:
    """The positive or the negative spikes of a group.

    Parameters
    ----------
    group : Group
    event : str
        Brian2's name of the event.
    bounds : sequence of int
        Where each population starts in the group, and where the last one stops.

    Attributes
    ----------
    space : array
        Brian2's: indices in rising order, and at the end how many there are.
    cuts : array
        Population p has those from `cuts[p]` to `cuts[p + 1]`.
    """

    def __init__(self, group: Group, event: str, bounds: Sequence[int]) -> None:
        self.variable = group.variables[f"_{event}space"]
        self.bounds = np.array(bounds, np.int32)
        self.space: NDArray[np.int32] = np.zeros(1, np.int32)
        self.cuts = np.zeros(len(bounds), np.intp)

    def cut(self) -> None:
        """Look again, after the thresholds of a step."""
        self.space = self.variable.get_value()
        self.cuts = self.space[: self.space[-1]].searchsorted(self.bounds)

    def of(self, population: int) -> NDArray[np.int32]:
        """The indices, within the group, of the neurons of one population that send it in this step."""
        return self.space[self.cuts[population] : self.cuts[population + 1]]


class Cutter(BrianObject):
    """Cuts all events of a step, before anybody counts or delivers them."""

    def __init__(self, events: Sequence[Events], clock: Clock) -> None:
        super().__init__(clock=clock, when="before_synapses", order=-1, name="cutter")
        self.events = events

    def run(self) -> None:
        for events in self.events:
            events.cut()

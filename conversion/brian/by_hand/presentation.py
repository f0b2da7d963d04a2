"""What counts while a network is in hand, and what makes edits count in the next run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from brian2 import BrianObject, EventMonitor, Group, NetworkOperation, Subgroup
from numpy.typing import NDArray

from conversion.brian.by_hand.layers import Incoming
from conversion.brian.counts.monitors import Stepper
from conversion.brian.network import SpikingNetwork
from conversion.brian.presentation import check_delays, openings_of
from conversion.plan import ConversionError

WITHIN_A_LOOP = ("after_groups", "before_thresholds", "thresholds", "after_thresholds", "before_resets", "resets")


class Presentation(Stepper):
    """Counts the spikes of each population from the opening of its window on, and lets edits count in the next run."""

    def __init__(self, spiking: SpikingNetwork) -> None:
        super().__init__(spiking.clock, "presentation", order=0)
        self.spiking, self.k, self.incoming = spiking, -1, list[Incoming]()
        encoder, places = spiking.simulation.encoder, spiking.places
        self.weights = encoder.spike_weights(encoder.phase_period or 1)
        self.windows = [(p, places[p.name]) for p in spiking.plan.populations if p.name in places]
        self.counts = {p.name: np.zeros(p.size, self.weights.dtype) for p, _ in self.windows}
        self.closed: list[tuple[NDArray, NDArray, NDArray]] = []
        self.own = {o.name for o in spiking.network.sorted_objects}

    def restart(self) -> None:
        super().restart()
        self.closed = []
        for counts in self.counts.values():
            counts[:] = 0

    def step(self, k: int) -> None:
        for population, place in self.windows:
            if k >= population.depth:
                weight = self.weights[(k - population.depth) % len(self.weights)]
                for spikes, sign in zip(place.signed_spikes(), (1, -1), strict=False):
                    self.counts[population.name][spikes - place.start] += sign * weight

    def before_run(self, run_namespace: Any) -> None:
        self.prepare()

    def prepare(self) -> None:
        """Weights as they were edited; states too, also those of windows that are still to open."""
        check_delays(self.spiking)
        _check_slots(self.spiking, self.own)
        for incoming in self.incoming:
            incoming.update()
        if self.k == 0:
            self.spiking.opener.openings = openings_of(self.spiking)
        for array, initial, before in self.closed:
            edited = array != before
            initial[edited] = before[edited] = array[edited]

    def after_run(self) -> None:
        openings = self.spiking.opener.openings.items()
        still_closed = [pair for k, pairs in openings if k >= self.k for pair in pairs]
        self.closed = [(array, initial, array.copy()) for array, initial in still_closed]


def _check_slots(spiking: SpikingNetwork, own: set[str]) -> None:
    """Raise if an object of the user looks at neurons whose step is one loop, where that would have done half of it."""
    for o in spiking.network.sorted_objects:
        if o.name not in own and o.when in WITHIN_A_LOOP and _looks_at(o, spiking.loops):
            raise ConversionError(
                f"{o.name!r} runs in {o.when!r}, but by then the compiled loop has updated, tested and reset its "
                "neurons; use when='start' or 'end', or set prefs.codegen.target = 'numpy' before to_brian2"
            )


def _looks_at(brian_object: BrianObject, looped: Mapping[str, Any]) -> bool:
    only_spikes = isinstance(brian_object, EventMonitor) and brian_object.record_variables <= {"i", "t"}
    if only_spikes or isinstance(brian_object, Subgroup):
        return False
    owner: Group | None = getattr(brian_object, "source", getattr(brian_object, "group", None))
    owner = owner.source if isinstance(owner, Subgroup) else owner
    return isinstance(brian_object, NetworkOperation) or (owner is not None and owner.name in looped)

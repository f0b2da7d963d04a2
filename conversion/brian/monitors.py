"""What reads the running network: a counter of spikes, and the opener of each population's window.

Both act between the resets and the synapses of a step, when the potentials are those of this step alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import BrianObject, Clock
from numpy.typing import NDArray

from conversion.brian.projections import Place
from conversion.plan import Population, count_spikes, neuron_order
from conversion.recording import Probe


@dataclass(frozen=True, eq=False)
class Window:
    """A population, where it is, and the number of synapses of each of its neurons."""

    population: Population
    place: Place
    fan_out: NDArray[np.int64]


class Conductor(BrianObject):
    """Calls `begin(number)` at the start of each stretch of `period` steps, one stretch per batch of images."""

    def __init__(self, clock: Clock, period: int) -> None:
        super().__init__(clock=clock, when="start", name="conductor")
        self.period = period

    def start(self, begin: Callable[[int], None], advance: Callable[[], Any]) -> None:
        """Count from 0; `advance` is called after every step, for a progress bar."""
        self.k, self.begin, self.advance = 0, begin, advance

    def run(self) -> None:
        if self.k % self.period == 0:
            self.begin(self.k // self.period)
        self.k += 1
        self.advance()


class Stepper(BrianObject):
    """Calls `step(k)` in every step of a presentation, k counting from 0 after `restart`."""

    def __init__(self, clock: Clock, name: str, order: int) -> None:
        super().__init__(clock=clock, when="before_synapses", order=order, name=name)
        self.k = 0

    def restart(self) -> None:
        self.k = 0

    def run(self) -> None:
        self.step(self.k)
        self.k += 1

    def step(self, k: int) -> None:
        raise NotImplementedError


class WindowOpener(Stepper):
    """Puts each population back into its initial state just before the first spikes of its window arrive.

    `openings` lists, for each step, arrays and the values that they get.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, "window_opener", order=1)
        self.openings: dict[int, list[tuple[NDArray, NDArray]]] = {}

    def step(self, k: int) -> None:
        for array, initial in self.openings.get(k, ()):
            array[:] = initial


class Counter(Stepper):
    """Counts spikes and synaptic operations of every population over its own window of T steps.

    In step k of a window a spike adds `weights[k]` to the count of its neuron, and a negative spike takes as much away.
    Spikes and operations of both signs count.
    """

    def __init__(
        self, windows: Sequence[Window], weights: NDArray, readouts: NDArray[np.int64], probe: Probe, clock: Clock
    ) -> None:
        super().__init__(clock, "counter", order=0)
        self.windows, self.weights, self.steps, self.probe = windows, weights, len(weights), probe
        self.readout_of = {int(step): r for r, step in enumerate(readouts)}
        self.orders = {w.population.name: neuron_order(w.population.shape) for w in windows}

    def restart(self, n_images: int = 0) -> None:
        """Begin a batch whose first `n_images` images count."""
        super().restart()
        self.n_images = n_images
        self.totals = np.zeros((self.steps, len(self.windows), 2), np.int64)
        counted = self.weights.dtype.kind == "i"  # then at most one per step: narrow counts stay in the cache
        self.counts = {
            w.population.name: np.zeros(
                n_images * w.population.size, _narrowest(self.steps, w.place.signed) if counted else self.weights.dtype
            )
            for w in self.windows
        }
        shape = (len(self.readout_of), n_images, self.windows[-1].population.size)
        self.output_counts, self.output_potentials = np.zeros(shape, self.weights.dtype), np.zeros(shape, np.float32)
        self.output_spikes = np.zeros(n_images * shape[-1], np.int32)
        self.output_spike_steps = {k: np.full(n_images * shape[-1], np.inf) for k in self.probe.output_spikes}
        self.rasters: dict[str, list[NDArray]] = {name: [] for name in self.probe.rasters}
        self.traces = {
            name: np.zeros((self.steps, n_images, len(chosen)), np.float32)
            for name, chosen in self.probe.traces.items()
        }
        self.negative_residual: dict[str, NDArray[np.bool_]] = {}

    def step(self, k: int) -> None:
        for p, window in enumerate(self.windows):
            own_k = k - window.population.depth
            if 0 <= own_k < self.steps:
                self._count(p, window, own_k)
        output_k = k - self.windows[-1].population.depth
        if self.output_spike_steps and 0 <= output_k < self.steps:
            self._note_output_spikes(output_k)
        if output_k in self.readout_of:
            self._read_output(self.readout_of[output_k])
        if self.probe.weighted_input is not None and 0 <= output_k < self.steps:
            self._hand_over_input(self.probe.weighted_input)

    def _count(self, p: int, window: Window, own_k: int) -> None:
        name, size, place = window.population.name, window.population.size, window.place
        for spikes, sign in zip(place.signed_spikes(), (1, -1), strict=False):
            self.totals[own_k, p] += count_spikes(
                spikes, place.start, self.n_images, size, self.counts[name], window.fan_out, sign * self.weights[own_k]
            )
            if name in self.rasters:
                local = spikes[spikes < place.start + self.n_images * size] - place.start
                where, when = np.divmod(local, size), np.full(len(local), own_k)
                self.rasters[name].append(np.column_stack([*where, when, np.full(len(local), sign)]))
        if name in self.traces:
            chosen = self.orders[name][list(self.probe.traces[name])]
            self.traces[name][own_k] = self._potentials(place, size)[:, chosen]
        if self.probe.residual and own_k == self.steps - 1 and place.group.name == "neurons":
            self.negative_residual[name] = self._potentials(place, size) < 0

    def _note_output_spikes(self, output_k: int) -> None:
        place = self.windows[-1].place
        local = place.spikes() - place.start
        local = local[local < len(self.output_spikes)]
        self.output_spikes[local] += 1
        for k, steps in self.output_spike_steps.items():
            steps[local[self.output_spikes[local] == k]] = output_k

    def _read_output(self, r: int) -> None:
        window = self.windows[-1]
        size = window.population.size
        self.output_counts[r] = self.counts[window.population.name].reshape(-1, size)
        self.output_potentials[r] = self._potentials(window.place, size)

    def _hand_over_input(self, receive: Callable[[NDArray[np.float32]], None]) -> None:
        potentials = self._potentials(self.windows[-1].place, self.windows[-1].population.size)
        receive(potentials)
        potentials[:] = 0

    def _potentials(self, place: Place, size: int) -> NDArray:
        values = place.array(place.potential)[place.start : place.start + self.n_images * size]
        return values.reshape(self.n_images, size)


def _narrowest(steps: int, signed: bool) -> np.dtype:
    """The narrowest type of a count of `steps` spikes, of both signs if it is signed."""
    return np.min_scalar_type(-steps - 1 if signed else steps)  # int8 reaches from -128 to 127

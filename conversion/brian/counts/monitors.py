"""What reads the running network: a counter of spikes, and the opener of each population's window.

Both act between the resets and the synapses of a step, when the potentials are those of this step alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import BrianObject, Clock
from numpy.typing import NDArray

from conversion.brian.counts.counting import Tally
from conversion.brian.projections import Place
from conversion.plan import Population, neuron_order
from conversion.recording import Probe


@dataclass(frozen=True, eq=False)
class Window:
    """A population, where it is, and the number of synapses of each of its neurons (one, if all have as many)."""

    population: Population
    place: Place
    fan_out: NDArray[np.unsignedinteger]


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

    `openings` lists, for each step, arrays and the values that they get, `clearings` what else is called: what is under
    way from a population when its own window opens was sent before, and is forgotten.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, "window_opener", order=1)
        self.openings: dict[int, list[tuple[NDArray, NDArray]]] = {}
        self.clearings: dict[int, list[Callable[[], None]]] = {}

    def step(self, k: int) -> None:
        for array, initial in self.openings.get(k, ()):
            array[:] = initial
        for clearing in self.clearings.get(k, ()):
            clearing()


@dataclass(frozen=True, eq=False)
class Counts:
    """What is counted of N images, in the engine's order of the neurons; the counter fills it in, batch by batch.

    Parameters
    ----------
    totals : array, shape (T, P, 2)
        Spikes and synaptic operations of all images in each step of each population's window.
    spikes : mapping of str to array, shape (N, size)
    output_counts, output_potentials : array, shape (R, N, size)
    output_spike_steps : mapping of int to array, shape (N, size)
    rasters : mapping of str to list of array, shape (n, 4)
        Columns image, neuron, step, sign.
    traces : mapping of str to array, shape (T, N, n_chosen)
    negative_potential : mapping of str to array, shape (N, size)
    """

    totals: NDArray[np.int64]
    spikes: Mapping[str, NDArray]
    output_counts: NDArray
    output_potentials: NDArray[np.float32]
    output_spike_steps: Mapping[int, NDArray[np.float64]]
    rasters: Mapping[str, list[NDArray[np.int64]]]
    traces: Mapping[str, NDArray[np.float32]]
    negative_potential: Mapping[str, NDArray[np.bool_]]


def no_counts(windows: Sequence[Window], weights: NDArray, n_readouts: int, n_images: int, probe: Probe) -> Counts:
    """The counts before anything is shown; see `Counter`."""
    steps, sizes = len(weights), {w.population.name: w.population.size for w in windows}
    types = {w.population.name: _type_of_count(weights, w.place.signed) for w in windows}
    output = (n_readouts, n_images, windows[-1].population.size)
    return Counts(
        totals=np.zeros((steps, len(windows), 2), np.int64),
        spikes={name: np.zeros((n_images, size), types[name]) for name, size in sizes.items()},
        output_counts=np.zeros(output, weights.dtype),
        output_potentials=np.zeros(output, np.float32),
        output_spike_steps={k: np.full(output[1:], np.inf) for k in probe.output_spikes},
        rasters={name: [np.empty((0, 4), np.int64)] for name in probe.rasters},
        traces={name: np.zeros((steps, n_images, len(chosen)), np.float32) for name, chosen in probe.traces.items()},
        negative_potential={
            w.population.name: np.zeros((n_images, w.population.size), bool) for w in _judged(windows, probe)
        },
    )


class Counter(Stepper):
    """Counts spikes and synaptic operations of every population over its own window of T steps.

    In step k of a window a spike adds `weights[k]` to the count of its neuron, and a negative spike takes as much away.
    Spikes and operations of both signs count.
    """

    def __init__(
        self, windows: Sequence[Window], weights: NDArray, read_after: NDArray[np.int64], probe: Probe, clock: Clock
    ) -> None:
        super().__init__(clock, "counter", order=0)
        self.windows, self.weights, self.steps, self.probe = windows, weights, len(weights), probe
        self.readout_of = {int(step): r for r, step in enumerate(read_after)}
        self.orders = {w.population.name: neuron_order(w.population.shape) for w in windows}
        self.tallies = _tallies(windows, weights)
        probed = {*probe.rasters, *probe.traces, *(w.population.name for w in _judged(windows, probe))}
        self.probed = [w for w in windows if w.population.name in probed]
        self.last_step = self.steps + windows[-1].population.depth - 1

    def begin(self, n_images: int) -> None:
        """Forget all that was counted; so many images are going to be shown."""
        self.counts = no_counts(self.windows, self.weights, len(self.readout_of), n_images, self.probe)

    def restart(self, images: slice = slice(0)) -> None:
        """Begin a batch, whose first neurons are those of these images; what lies behind them does not count."""
        super().restart()
        self.images, self.n_images = images, images.stop - (images.start or 0)
        self.output_spikes = np.zeros(self.n_images * self.windows[-1].population.size, np.int32)
        for tally in self.tallies.values():
            tally.counts[:] = 0

    def step(self, k: int) -> None:
        for tally in self.tallies.values():
            tally.step(k, self.n_images, self.weights, self.counts.totals)
        for window in self.probed:
            if 0 <= k - window.population.depth < self.steps:
                self._probe(window, k - window.population.depth)
        output_k = k - self.windows[-1].population.depth
        if self.counts.output_spike_steps and 0 <= output_k < self.steps:
            self._note_output_spikes(output_k)
        if output_k in self.readout_of:
            self._read_output(self.readout_of[output_k])
        if self.probe.weighted_input is not None and 0 <= output_k < self.steps:
            self._hand_over_input(self.probe.weighted_input)
        if k == self.last_step:
            for window in self.windows:
                self.counts.spikes[window.population.name][self.images] = self._counted(window)

    def _counted(self, window: Window) -> NDArray:
        """The counts of a population so far, shape (n_images, size)."""
        tally = self.tallies.get(window.place.group.name)
        size, start = window.population.size, window.place.start
        if tally is None:
            return np.zeros((self.n_images, size), self.weights.dtype)
        return _by_image(tally.counts[start:], self.n_images, size)

    def _probe(self, window: Window, own_k: int) -> None:
        name, size, place = window.population.name, window.population.size, window.place
        for spikes, sign in zip(place.signed_spikes(), (1, -1), strict=False):
            if name in self.counts.rasters:
                local = spikes[spikes < place.start + self.n_images * size] - place.start
                image, neuron = np.divmod(local, size)
                columns = image + self.images.start, neuron, np.full(len(local), own_k), np.full(len(local), sign)
                self.counts.rasters[name].append(np.column_stack(columns))
        if name in self.counts.traces:
            chosen = self.orders[name][list(self.probe.traces[name])]
            self.counts.traces[name][own_k, self.images] = self._potentials(window)[:, chosen]
        if name in self.counts.negative_potential and own_k == self.steps - 1:
            self.counts.negative_potential[name][self.images] = self._potentials(window) < 0

    def _note_output_spikes(self, output_k: int) -> None:
        place = self.windows[-1].place
        local = place.spikes() - place.start
        local = local[local < len(self.output_spikes)]
        self.output_spikes[local] += 1
        for k, steps in self.counts.output_spike_steps.items():
            steps[self.images].reshape(-1)[local[self.output_spikes[local] == k]] = output_k

    def _read_output(self, r: int) -> None:
        self.counts.output_counts[r, self.images] = self._counted(self.windows[-1])
        self.counts.output_potentials[r, self.images] = self._potentials(self.windows[-1])

    def _hand_over_input(self, receive: Callable[[NDArray[np.float32]], None]) -> None:
        potentials = self._potentials(self.windows[-1])
        receive(potentials)
        potentials[:] = 0

    def _potentials(self, window: Window) -> NDArray:
        values = window.place.array(window.place.potential)[window.place.start :]
        return _by_image(values, self.n_images, window.population.size)


def _by_image(values: NDArray, n_images: int, size: int) -> NDArray:
    return values[: n_images * size].reshape(n_images, size)


def _judged(windows: Sequence[Window], probe: Probe) -> list[Window]:
    """Of which neurons the sign of the potential is kept."""
    return [w for w in windows if w.place.group.name == "neurons"] if probe.residual_potential else []


def _tallies(windows: Sequence[Window], weights: NDArray) -> dict[str, Tally]:
    """One for each group of neurons that spike."""
    columns: dict[str, list[int]] = {}
    for column, window in enumerate(windows):
        if window.place.senders:
            columns.setdefault(window.place.group.name, []).append(column)
    return {name: _tally([windows[c] for c in found], found, weights) for name, found in columns.items()}


def _tally(windows: Sequence[Window], columns: Sequence[int], weights: NDArray) -> Tally:
    senders = max((w.place.senders for w in windows), key=len)
    return Tally(
        [sender.events for sender in senders],
        [w.population.size for w in windows],
        [w.population.depth for w in windows],
        columns,
        [w.fan_out for w in windows],
        _type_of_count(weights, any(w.place.signed for w in windows)),
    )


def _type_of_count(weights: NDArray, signed: bool) -> np.dtype:
    """The narrowest type of a count of spikes in so many steps: narrow counts stay in the cache."""
    if weights.dtype.kind != "i":
        return weights.dtype
    steps = len(weights)
    return np.min_scalar_type(-steps - 1 if signed else steps)  # int8 reaches from -128 to 127

"""Spikes that are under way: axons that take their time, and input spikes that come sooner or later than others."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from zlib import crc32

import numpy as np
from brian2 import BrianObject, Clock, Group
from numba import njit
from numpy.typing import NDArray

from conversion.compiled import hash_of, randn

Spikes = tuple[NDArray[np.int32], ...]


class InFlight:
    """Takes the spikes of a population in each step, and gives those that arrive in it.

    Parameters
    ----------
    delays : array, shape (1,) or (size,)
        In steps, of all neurons or of each, the same for every image.
    start : int
        Where the population starts in its group.
    n_senders : int
        2 if it sends negative spikes too, else 1.
    """

    def __init__(self, delays: NDArray[np.int64], start: int, n_senders: int) -> None:
        self.delays, self.start, self.n_senders = delays, start, n_senders
        self.clear()

    def clear(self) -> None:
        """Forget what is under way."""
        self.arriving = deque(self._none() for _ in range(int(self.delays.max()) + 1))

    def exchange(self, spikes: Spikes) -> Spikes:
        for sender, sent in enumerate(spikes):
            for delay, those in self._by_delay(sent):
                self.arriving[delay][sender].append(those)
        now = self.arriving.popleft()
        self.arriving.append(self._none())
        return tuple([_merged(parts) for parts in now])

    def _none(self) -> tuple[list[NDArray[np.int32]], ...]:
        return tuple([] for _ in range(self.n_senders))

    def _by_delay(self, sent: NDArray[np.int32]) -> Iterator[tuple[int, NDArray[np.int32]]]:
        if self.delays.size == 1:
            yield int(self.delays[0]), sent.copy()
            return
        delays = self.delays[(sent - self.start) % self.delays.size]
        for delay in np.unique(delays):
            yield int(delay), sent[delays == delay]


def _merged(parts: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Kernels want spikes in rising order."""
    if len(parts) == 1:
        return parts[0]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int32)


class InputJitter(BrianObject):
    """Lets each input spike come a random time later: a normal number of steps around `lag`, from 0 to twice that.

    The number depends on the seed, the neuron of the image, and the step. Spikes of a neuron that would come in the
    same step queue, so that none is lost.
    """

    def __init__(self, group: Group, events: tuple[str, ...], size: int, sd: float, lag: int, clock: Clock) -> None:
        super().__init__(clock=clock, when="before_synapses", order=-2, name="input_jitter")
        spaces = [group.variables[f"_{event}space"] for event in events]
        self.size, self.sd, self.lag, self.spaces = size, sd, lag, spaces
        self.due = [np.zeros((2 * lag + 1, len(group)), np.int16) for _ in spaces]
        self.waiting = [np.zeros(len(group), np.int16) for _ in spaces]
        self.restart(0, 0)

    def restart(self, seed: int, first: int) -> None:
        """Begin a batch whose first image is that one of all; nothing is under way."""
        words = np.random.SeedSequence([seed, crc32(self.name.encode())])
        self.key, self.k, self.first = words.generate_state(1, np.uint64)[0], 0, first * self.size
        for array in (*self.due, *self.waiting):
            array[:] = 0

    def run(self) -> None:
        for place, (space, due, waiting) in enumerate(zip(self.spaces, self.due, self.waiting, strict=True)):
            _jitter(space.get_value(), due, waiting, self.key, self.k, self.first, place, self.sd, self.lag)
        self.k += 1


@njit(cache=True, nogil=True)
def _jitter(space, due, waiting, key, k, first, place, sd, lag):
    """Put the spikes of a step away and write those whose time has come in their place."""
    step_key = hash_of(key, k, place)
    for spike in space[: space[-1]]:
        delay = min(max(int(np.rint(lag + sd * randn(step_key, first + spike, 0))), 0), 2 * lag)
        due[(k + delay) % len(due), spike] += 1
    now, found = due[k % len(due)], 0
    for neuron in range(len(waiting)):
        waiting[neuron] += now[neuron]
        now[neuron] = 0
        if waiting[neuron]:
            waiting[neuron] -= 1
            space[found] = neuron
            found += 1
    space[-1] = found

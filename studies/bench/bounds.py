"""What one core allows: how many weights it can add in a second, by the inner loop of `conversion.plan.kernels` alone.

A synaptic operation of the engine adds a float32 weight to a float32 potential, in runs that are contiguous in both.
Where both lie in the cache the width of the vector unit is the limit, where the weights come from main memory its
bandwidth: four bytes per operation.
"""

from __future__ import annotations

import time

import numpy as np
from numba import njit

from models.graph import Array

RUN = 1024  # floats: 4 kB
RUNS_IN_CACHE = 4
RUNS_IN_MEMORY = 1 << 16  # 268 MB, more than any core's cache
REPEATS = 7


@njit(cache=True, nogil=True)
def add_runs(target, weights, rounds):
    """Add the rows of `weights` (n_runs, RUN) one after another to `target` (RUN,), `rounds` times over."""
    for _ in range(rounds):
        for number in range(len(weights)):
            row = weights[number]
            for j in range(len(target)):
                target[j] += row[j]


def additions_per_second() -> dict[str, float]:
    """The fastest of some repetitions, with weights in the cache and with weights from main memory."""
    return {
        "adds_per_s_in_cache": _rate(RUNS_IN_CACHE, RUNS_IN_MEMORY // RUNS_IN_CACHE),
        "adds_per_s_from_memory": _rate(RUNS_IN_MEMORY, 1),
    }


def _rate(n_runs: int, rounds: int) -> float:
    target, weights = np.zeros(RUN, np.float32), np.ones((n_runs, RUN), np.float32)
    add_runs(target, weights[:1], 1)  # compiles
    return n_runs * rounds * RUN / min(_seconds(target, weights, rounds) for _ in range(REPEATS))


def _seconds(target: Array, weights: Array, rounds: int) -> float:
    start = time.perf_counter()
    add_runs(target, weights, rounds)
    return time.perf_counter() - start

"""Random numbers that depend on what they are for, and not on what was drawn before.

What is drawn once for a network comes from a generator by name. What is drawn for every synapse, image and step is a
hash of their numbers, the same whatever batch an image is shown in and however synapses are stored.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numba import njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # odd: no two numbers below 2**64 meet
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
TO_UNIT = 2.0**-53


def generator(network_seed: int, *names: str) -> np.random.Generator:
    """Of what is drawn once for a network, such as `generator(seed, "conv1", "v_th")`."""
    return np.random.default_rng(_words(network_seed, names))


def key_of(seed: int, *names: str) -> np.uint64:
    """The key of `hashed` for a seed and what is drawn."""
    return np.random.SeedSequence(_words(seed, names)).generate_state(1, np.uint64)[0]


def _words(seed: int, names: tuple[str, ...]) -> list[int]:
    return [seed, *(crc32(name.encode()) for name in names)]


@njit(cache=True, nogil=True, inline="always")
def hashed(key, number):
    """64 bits, the `number`-th of SplitMix64 (Steele et al., OOPSLA 2014) begun at `key`."""
    x = np.uint64(key) + np.uint64(number) * GOLDEN
    x = (x ^ (x >> np.uint64(30))) * FIRST
    x = (x ^ (x >> np.uint64(27))) * SECOND
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True, inline="always")
def uniform(key, number):
    """In [0, 1), from the bits of `hashed`."""
    return np.float64(hashed(key, number) >> np.uint64(11)) * TO_UNIT

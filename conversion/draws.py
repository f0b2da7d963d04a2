"""Random numbers that are drawn once for a network: the same for every image, batch and connectivity."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def generator(network_seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for what these names say, such as a population and what is drawn of it."""
    return np.random.default_rng([network_seed, *(crc32(name.encode()) for name in names)])

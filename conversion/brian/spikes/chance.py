"""The chance of synapses that fail: what their random numbers depend on in each step, and in words for Brian2."""

from __future__ import annotations

from typing import Any

import numpy as np
from brian2 import BrianObject, Clock, check_units, implementation
from numpy.typing import NDArray

from conversion.draws import hashed, key_of
from conversion.plan import ReleaseConnection


class Chance(BrianObject):
    """Writes, before the synapses of each step, what `conversion.plan.ReleaseConnection` needs to know of it.

    Attributes
    ----------
    numbers : array of uint64, shape (2,)
        The key of the seed and the step, and the number of the first image of the batch.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock, when="before_synapses", name="chance")
        self.numbers = np.zeros(2, np.uint64)
        self.restart(0, 0)

    def restart(self, seed: int, first: int) -> None:
        """Begin a batch, of which the first image has that number."""
        self.key, self.k, self.numbers[1] = key_of(seed, "release"), 0, first

    def run(self) -> None:
        self.numbers[0] = hashed(self.key, self.k)
        self.k += 1


def released(connection: ReleaseConnection, starts: tuple[int, int], chance: NDArray[np.uint64]) -> Any:
    """The function released(i, j) for the code of a synapse: 1 if it passes a spike on in this step, otherwise 0.

    Parameters
    ----------
    starts : tuple of int
        Where the populations of the connection start in the groups of the synapses.
    """
    n_source, n_target = connection.weight.shape

    @implementation("numpy", discard_units=True)
    @check_units(i=1, j=1, result=1)
    def of_pairs(i: NDArray, j: NDArray) -> NDArray[np.float32]:
        image, source = np.divmod(np.asarray(i, np.int64) - starts[0], n_source)
        target = (np.asarray(j, np.int64) - starts[1]) % n_target
        return connection.released(image, source, target, chance)

    return of_pairs

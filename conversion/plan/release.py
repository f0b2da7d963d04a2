"""Synapses that are lost, and synapses that fail: each of them is stored, and has random numbers of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

from conversion.draws import hashed, uniform
from conversion.plan.geometry import Ends, Indices, Spikes

Chance = NDArray[np.uint64]  # the key of the seed and the step, and the number of the first image of the batch


@dataclass(frozen=True, eq=False)
class ReleaseConnection:
    """Each synapse passes each spike on with a probability, independently of all else.

    Whether it does is a hash of the seed, the step, the image, the connection's key and the two neurons, so that it is
    the same in any batch.
    """

    weight: csr_array
    probability: float
    key: np.uint64

    def times(self, factor: float) -> ReleaseConnection:
        return replace(self, weight=self.weight * np.float32(factor))

    def clipped(self) -> ReleaseConnection:
        return replace(self, weight=csr_array(self.weight.maximum(0)))

    def deliver(self, spikes: Spikes, ends: Ends, chance: Chance) -> None:
        """As the others, of what is released by `chance`."""
        w = self.weight
        _deliver(spikes, ends, w.shape, (w.indptr, w.indices), w.data, chance, self.key, self.probability)

    def released(self, image: Indices, source: Indices, target: Indices, chance: Chance) -> NDArray[np.float32]:
        """1 for each pair of neurons, of an image of the batch, whose synapse would pass a spike on in this step."""
        pairs = source * self.weight.shape[1] + target
        return _released(image, pairs, chance, self.key, self.probability)

    def unrolled(self) -> csr_array:
        return self.weight

    def fan_out(self) -> Indices:
        """How many synapses a spike reaches, whether they pass it on or not."""
        return np.diff(self.weight.indptr)


def without(weight: csr_array, share: float, key: np.uint64) -> csr_array:
    """The synapses that are left when each is lost with a probability, by a hash of the key and its two neurons."""
    kept = _kept(weight.indptr, weight.indices, weight.shape[1], share, key)
    indptr = np.append(0, np.cumsum(kept))[weight.indptr]
    return csr_array((weight.data[kept], weight.indices[kept], indptr.astype(weight.indptr.dtype)), shape=weight.shape)


@njit(cache=True, nogil=True)
def _kept(indptr, indices, n_target, share, key):
    kept = np.empty(indices.size, np.bool_)
    for source in range(indptr.size - 1):
        for entry in range(indptr[source], indptr[source + 1]):
            kept[entry] = uniform(key, source * n_target + indices[entry]) >= share
    return kept


@njit(cache=True, nogil=True)
def _released(image, pairs, chance, key, probability):
    released = np.empty(pairs.size, np.float32)
    for i in range(pairs.size):
        image_key = hashed(chance[0] ^ key, chance[1] + np.uint64(image[i]))
        released[i] = uniform(image_key, pairs[i]) < probability
    return released


@njit(cache=True, nogil=True)
def _deliver(spikes, ends, shape, rows, weight, chance, key, probability):
    """As `kernels.deliver_sparse`, of the synapses that release."""
    source_start, target, target_start = ends
    (n_source, n_target), (indptr, indices) = shape, rows
    image_start, first, image = source_start, target_start, chance[1]
    image_key = hashed(chance[0] ^ key, image)
    for spike in spikes:
        while spike >= image_start + n_source:
            image_start, first, image = image_start + n_source, first + n_target, image + np.uint64(1)
            image_key = hashed(chance[0] ^ key, image)
        neuron = spike - image_start
        for entry in range(indptr[neuron], indptr[neuron + 1]):
            passes = uniform(image_key, neuron * n_target + indices[entry]) < probability
            target[first + indices[entry]] += weight[entry] * np.float32(passes)  # nobody could predict a branch

"""What is drawn, once more, from its definition: in plain Python and NumPy, with nothing of the engine."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from models.graph import Add, Conv2d, Dense, Flatten
from tests.conversion.zero_delay_loop import is_linear_path, weighted_input


def generator(network_seed, *names):
    return np.random.default_rng([network_seed, *(crc32(name.encode()) for name in names)])


def lognormal(network_seed, name, what, cv, shape):
    """Factors of mean 1 in the shape of a layer; drawn row by row, the channels last."""
    sigma = np.sqrt(np.log(1 + cv**2))
    channels_last = (*shape[1:], shape[0]) if len(shape) == 3 else shape
    drawn = generator(network_seed, name, what).lognormal(-(sigma**2) / 2, sigma, np.prod(shape))
    return np.moveaxis(drawn.reshape(channels_last), -1, 0)


def alive(network_seed, name, dead_share, shape):
    channels_last = (*shape[1:], shape[0]) if len(shape) == 3 else shape
    drawn = generator(network_seed, name, "alive").random(np.prod(shape))
    return np.moveaxis(drawn.reshape(channels_last), -1, 0) >= dead_share


def key(seed, *names):
    words = [seed, *(crc32(name.encode()) for name in names)]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


def splitmix(key, number):
    """The number-th of SplitMix64 begun at key, as whole numbers of Python."""
    mask = 2**64 - 1
    x = (key + number * 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


def uniform(key, number):
    return (splitmix(key, number) >> 11) / 2**53


def order(shape):
    """The place of each element, channel by channel, among the neurons, whose channels come last."""
    numbers = np.arange(np.prod(shape))
    return np.moveaxis(numbers.reshape(*shape[1:], shape[0]), -1, 0).ravel() if len(shape) == 3 else numbers


class Unreliable:
    """In the place of `zero_delay_loop.weighted_input`: every layer as a matrix of synapses, lost or failing ones."""

    def __init__(self, graph, network_seed=0, seed=0, lost_share=0.0, release_probability=1.0):
        self.graph, self.network_seed, self.seed = graph, network_seed, seed
        self.lost_share, self.release_probability = lost_share, release_probability
        self.step, self.matrices = {}, {}

    def __call__(self, layer, inputs):
        step = self.step[layer.name] = self.step.get(layer.name, -1) + 1
        if isinstance(layer, Add):
            x = zip(layer.inputs, inputs, strict=True)
            return sum(x if self.is_path(name) else self.of(layer, name, x, layer.gain, step) for name, x in x)
        total = self.of(layer, layer.inputs[0], inputs[0], None, step)
        bias = getattr(layer, "bias", None)
        return total if bias is None else total + np.reshape(bias, (-1, *(1,) * (total.ndim - 2)))

    def is_path(self, name):
        return name != "input" and is_linear_path(self.graph, self.graph[name])

    def of(self, layer, name, x, gain, step):
        """What arrives of the spikes x (images, *shape) of layer `name`, by the synapses of a projection."""
        source = name
        while source != "input" and isinstance(self.graph[source], Flatten):
            source = self.graph[source].inputs[0]
        target = self.graph.readers(layer.name)[0].name if self.is_path(layer.name) else layer.name
        projection, shape = f"{source}_to_{target}", self.graph.shapes[layer.name]
        if projection not in self.matrices:
            self.matrices[projection] = self.matrix(layer, x.shape[1:], gain)
        matrix, kept = self.matrices[projection], 1.0
        sources, targets = order(self.graph.shapes[source]), order(shape)
        pairs = sources[:, None] * len(targets) + targets
        if self.lost_share:
            lost = key(self.network_seed, projection, "lost")
            kept = self.each(lambda pair: uniform(lost, pair) >= self.lost_share, pairs, matrix)
        flat, out = x.reshape(len(x), -1), []
        for image, spikes in enumerate(flat):
            released = 1.0
            if self.release_probability < 1:
                now = splitmix(key(self.seed, "release"), step + self.depth(target) - 1) ^ key(0, projection)
                of_image = splitmix(now, image)
                fails = np.where(spikes[:, None] != 0, matrix, 0)
                released = self.each(lambda p, k=of_image: uniform(k, p) < self.release_probability, pairs, fails)
            out.append(spikes @ (matrix * kept * released))
        return np.reshape(out, (len(x), *shape))

    def matrix(self, layer, shape, gain):
        """What each unit of the source alone adds to each unit of the layer."""
        if gain is not None:
            per_unit = np.broadcast_to(np.reshape(gain, (-1, *(1,) * (len(shape) - 1))), shape)
            return np.diag(per_unit.ravel()).astype(float)
        units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
        bare = layer if not isinstance(layer, Conv2d | Dense) else type(layer)(**{**vars(layer), "bias": None})
        return weighted_input(bare, [units]).reshape(len(units), -1)

    @staticmethod
    def each(decide, pairs, matrix):
        """1 where it is decided so; only for synapses that are there."""
        there = np.nonzero(matrix)
        decided = np.zeros(matrix.shape)
        decided[there] = [decide(int(pair)) for pair in pairs[there]]
        return decided

    def depth(self, name):
        """Steps on the longest way from the input."""
        if name == "input":
            return 0
        layer = self.graph[name]
        own = 0 if isinstance(layer, Flatten) or self.is_path(name) else 1
        return own + max(self.depth(source) for source in layer.inputs)

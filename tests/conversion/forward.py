"""A forward pass in plain NumPy, written from the definitions; the oracle of what rewrites a network."""

from __future__ import annotations

import numpy as np

from models.graph import INPUT, Concat, Flatten, MaxPool2d
from tests.conversion.zero_delay_loop import maximum, weighted_input


def forward(graph, images):
    """The output of every layer, (images, *shape)."""
    out = {INPUT: images.astype(np.float64)}
    for layer in graph:
        x = [out[name] for name in layer.inputs]
        if isinstance(layer, Flatten):
            value = x[0].reshape(len(x[0]), -1)
        elif isinstance(layer, Concat):
            value = np.concatenate(x, axis=1)
        elif isinstance(layer, MaxPool2d):
            value = maximum(layer, x[0])
        else:
            value = activated(layer.activation, weighted_input(layer, x))
        out[layer.name] = value
    return out


def activated(activation, value):
    def per_channel(parameter):
        parameter = np.asarray(parameter, np.float64)
        return parameter if parameter.ndim == 0 else parameter.reshape(-1, *(1,) * (value.ndim - 2))

    slope = per_channel(activation.negative_slope)
    return np.minimum(np.where(value > 0, value, slope * value), per_channel(activation.ceiling))

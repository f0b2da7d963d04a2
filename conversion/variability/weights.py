"""Weights that are not what was trained: noisy, or of few bits. Graph -> Graph.

The weights of dense layers and convolutions change; a convolution is changed as it is stored, so that a kernel is the
same at every place. Biases stay, since they are currents of the neurons and no synapses, and so do the gains of
junctions and the means of average pooling, which nobody trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from conversion.draws import generator
from models.graph import Array, Conv2d, Dense, Graph

FLOAT_BITS = 32


def weight_noise(graph: Graph, relative_sd: float, network_seed: int) -> Graph:
    """Multiply each weight by 1 + `relative_sd` times a standard normal number of its own.

    Any scaling of channels before or after it gives the same network, since the noise is relative.

    Parameters
    ----------
    relative_sd : float
        0 leaves all weights as they are.
    network_seed : int
        What is drawn for a layer depends on it and the name of the layer alone.

    Raises
    ------
    ValueError
        If `relative_sd` is negative or not finite.
    """
    if not 0 <= relative_sd < np.inf:
        raise ValueError(f"weight_noise is {relative_sd}; a relative standard deviation is a finite number from 0 on")
    if relative_sd == 0:
        return graph

    def noisy(layer: Conv2d | Dense) -> Array:
        normal = generator(network_seed, layer.name, "weight_noise").standard_normal(layer.weight.shape)
        return (layer.weight * (1 + relative_sd * normal)).astype(np.float32)

    return _with_weights(graph, noisy)


def weight_bits(graph: Graph, bits: int) -> Graph:
    """Round each weight to one of 2**bits - 1 equal steps around 0, with a scale per output channel.

    As of 8-bit weights under ONNX's DequantizeLinear: whole numbers of at most 2**(bits - 1) - 1 on either side, times
    the largest weight of the channel over that.

    Parameters
    ----------
    bits : int
        From 2 to 16, or 32, which leaves all weights as they are.

    Raises
    ------
    ValueError
        If there are no such weights.
    """
    if bits == FLOAT_BITS:
        return graph
    if bits not in range(2, 17):
        raise ValueError(f"weight_bits is {bits}; known are 2 to 16, and 32 for weights as they are")
    largest = 2 ** (bits - 1) - 1

    def rounded(layer: Conv2d | Dense) -> Array:
        weight = layer.weight.astype(np.float64)
        scale = np.abs(weight).max(axis=tuple(range(1, weight.ndim)), keepdims=True) / largest
        return (np.rint(weight / np.where(scale > 0, scale, 1)) * scale).astype(np.float32)

    return _with_weights(graph, rounded)


def _with_weights(graph: Graph, weights_of: Callable[[Conv2d | Dense], Array]) -> Graph:
    layers = (replace(x, weight=weights_of(x)) if isinstance(x, Conv2d | Dense) else x for x in graph)
    return Graph(graph.input_shape, tuple(layers))

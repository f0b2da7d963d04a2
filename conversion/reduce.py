"""What a network can do without before it spikes: pooling layers, slopes below zero. Graph -> Graph.

Diehl 2015 gives pooling layers spiking neurons of their own; folded, the mean becomes part of the next layer's weights,
which saves a layer of spikes and its quantisation.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from conversion.plan import ConversionError, average, neuron_order
from models.graph import Add, Array, AvgPool2d, Conv2d, Dense, Flatten, Graph, Layer


def fold_average_pooling(graph: Graph) -> Graph:
    """The same function with every average pooling merged into the convolution or dense layer after it.

    Raises
    ------
    ConversionError
        Where the two together are no convolution: overlapping regions or left-over pixels under a padded convolution,
        a border whose padding does not count, regions that hang over the border, or a reader without weights.
    """
    while pools := [layer for layer in graph if isinstance(layer, AvgPool2d) and layer is not graph.output]:
        graph = _without(graph, pools[0])
    return graph


def _without(graph: Graph, pool: AvgPool2d) -> Graph:
    flattens = {layer.name for layer in graph.readers(pool.name) if isinstance(layer, Flatten)}
    folded: dict[str, Layer] = {}
    for name in (pool.name, *flattens):
        for reader in graph.readers(name):
            if isinstance(reader, Conv2d):
                folded[reader.name] = _into_convolution(graph, pool, reader)
            elif isinstance(reader, Dense):
                folded[reader.name] = _into_dense(graph, pool, reader)
            elif not isinstance(reader, Flatten):
                raise _cannot(pool, reader, "it has no weights")
    layers = (folded.get(layer.name, layer) for layer in graph if layer is not pool)
    return Graph(graph.input_shape, tuple(_reading(layer, pool) for layer in layers))


def _reading(layer: Layer, pool: AvgPool2d) -> Layer:
    return replace(layer, inputs=tuple(pool.inputs[0] if name == pool.name else name for name in layer.inputs))


def _into_dense(graph: Graph, pool: AvgPool2d, dense: Dense) -> Dense:
    source, target = graph.shapes[pool.inputs[0]], graph.shapes[pool.name]
    mean = average(source, target, pool.kernel, pool.stride, pool.padding, pool.count_padding).unrolled()
    by_element = mean[neuron_order(source)][:, neuron_order(target)]
    return replace(dense, weight=(by_element @ dense.weight.T).T.astype(np.float32))


def _into_convolution(graph: Graph, pool: AvgPool2d, conv: Conv2d) -> Conv2d:
    source, target = graph.shapes[pool.inputs[0]][1:], graph.shapes[pool.name][1:]
    if (any(pool.padding) and not pool.count_padding) or _hangs_over(pool, source, target):
        raise _cannot(pool, conv, "its border averages over fewer pixels")
    if any(conv.padding) and (pool.kernel != pool.stride or any(pool.padding) or _left_over(pool, source, target)):
        raise _cannot(pool, conv, "the padding of the convolution would reach pixels of the map before pooling")
    top, left, bottom, right = (pool.padding[i] + conv.padding[i] * pool.stride[i % 2] for i in range(4))
    return replace(
        conv,
        weight=_combined_kernel(pool, conv),
        stride=(pool.stride[0] * conv.stride[0], pool.stride[1] * conv.stride[1]),
        padding=(top, left, bottom, right),
        dilation=(1, 1),
    )


def _hangs_over(pool: AvgPool2d, source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether the last regions reach beyond the padded map, as `ceil_mode` allows."""
    ends = [(n - 1) * s + k for n, s, k in zip(target, pool.stride, pool.kernel, strict=True)]
    return any(ends[axis] > source[axis] + pool.padding[axis] + pool.padding[axis + 2] for axis in range(2))


def _left_over(pool: AvgPool2d, source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    return any(n * s != size for n, s, size in zip(target, pool.stride, source, strict=True))


def _combined_kernel(pool: AvgPool2d, conv: Conv2d) -> Array:
    """Kernel of the two together: each tap of the convolution spread over its pooling region."""
    out, channels, *taps = conv.weight.shape
    steps = [d * s for d, s in zip(conv.dilation, pool.stride, strict=True)]
    size = [(k - 1) * step + p for k, step, p in zip(taps, steps, pool.kernel, strict=True)]
    kernel = np.zeros((out, channels, *size), np.float32)
    for y in range(taps[0]):
        for x in range(taps[1]):
            rows, columns = (slice(i * s, i * s + p) for i, s, p in zip((y, x), steps, pool.kernel, strict=True))
            kernel[:, :, rows, columns] += conv.weight[:, :, y, x, None, None] / math.prod(pool.kernel)
    return kernel


def _cannot(pool: Layer, reader: Layer, why: str) -> ConversionError:
    return ConversionError(f"{pool.name!r} cannot be folded into {reader.name!r}: {why}; let the pooling layer spike")


def drop_negative_slopes(graph: Graph) -> Graph:
    """The same weights with ReLU in the place of every leaky ReLU and PReLU; linear layers stay as they are."""
    return Graph(graph.input_shape, tuple(map(_rectified, graph)))


def _rectified(layer: Layer) -> Layer:
    if not isinstance(layer, Conv2d | Dense | Add) or layer.activation.is_linear:
        return layer
    return replace(layer, activation=replace(layer.activation, negative_slope=0.0))

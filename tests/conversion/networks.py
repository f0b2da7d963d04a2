"""Small networks of every kind of layer, with weights on a grid of 1/16, so that every order of adding is exact."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import numpy as np

from models.graph import (
    INPUT,
    LINEAR,
    RELU,
    Activation,
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    MaxPool2d,
    sequential,
)  # fmt: skip


def weights(*shape, spread=12, seed="", rng=None):
    """The same for the same shape and seed, whatever was drawn before."""
    rng = rng or np.random.default_rng([5, crc32(seed.encode()), *shape])
    return (rng.integers(-spread // 2, spread, shape) / 16).astype(np.float32)


def conv(name, source, *shape, **fields):
    return Conv2d(name=name, inputs=(source,), weight=weights(*shape, seed=name), **fields)


def dense(name, source, *shape, **fields):
    return Dense(name=name, inputs=(source,), weight=weights(*shape, seed=name), **fields)


def pool(kind, name, source, kernel, stride, **fields):
    return kind(name=name, inputs=(source,), kernel=kernel, stride=stride, **fields)


def add(name, *sources, **fields):
    return Add(name=name, inputs=sources, **fields)


def leaky(graph: Graph, slope) -> Graph:
    """The graph with a leaky ReLU in the place of every ReLU; several slopes are dealt to the channels in turn.

    The weights are lowered a little, so that there is enough negative activity.
    """

    def changed(layer):
        weight = {"weight": layer.weight - np.float32(3 / 16)} if isinstance(layer, Dense | Conv2d) else {}
        if getattr(layer, "activation", None) is not RELU:
            return replace(layer, **weight)
        return replace(layer, **weight, activation=Activation(np.resize(slope, graph.shapes[layer.name][0])))

    return Graph(graph.input_shape, tuple(changed(layer) for layer in graph))


def networks() -> dict[str, Graph]:
    return {
        "dense": sequential((7,), dense("fc1", "", 9, 7), dense("fc2", "", 4, 9, activation=LINEAR)),
        "dense with biases": sequential(
            (5,), dense("fc1", "", 6, 5, bias=weights(6)), dense("fc2", "", 3, 6, bias=weights(3))
        ),
        "conv, flatten, dense": sequential(
            (2, 6, 5), conv("conv1", "", 3, 2, 3, 3), Flatten(name="flat", inputs=("",)), dense("fc", "", 4, 36)
        ),
        "strides, oblong kernels, borders": sequential(
            (3, 9, 8),
            conv("conv1", "", 4, 3, 3, 2, stride=(2, 1), padding=(1, 0, 2, 1)),
            conv("conv2", "", 2, 4, 2, 3, stride=(1, 3), padding=(0, 1, 0, 1), bias=weights(2)),
        ),
        "dilation and groups": sequential(
            (4, 9, 9),
            conv("conv1", "", 6, 2, 3, 3, groups=2, dilation=(2, 1), padding=(2, 1, 2, 1)),
            conv("conv2", "", 4, 6, 3, 3, dilation=(3, 2), stride=(2, 2), padding=(3, 2, 3, 2)),
        ),
        "average pooling": sequential(
            (2, 8, 9),
            conv("conv1", "", 4, 2, 3, 3, padding=(1, 1, 1, 1)),
            pool(AvgPool2d, "pool1", "", (2, 2), (2, 2)),
            pool(AvgPool2d, "pool2", "", (2, 2), (1, 1)),
        ),
        "max pooling": sequential(
            (2, 8, 9),
            conv("conv1", "", 4, 2, 3, 3),
            pool(MaxPool2d, "pool1", "", (3, 2), (2, 1), padding=(1, 0, 1, 1)),
            conv("conv2", "", 3, 4, 3, 3),
        ),
        "residual block": Graph(
            (2, 6, 6),
            (
                conv("conv1", INPUT, 4, 2, 3, 3, padding=(1, 1, 1, 1)),
                conv("conv2", "conv1", 4, 4, 3, 3, padding=(1, 1, 1, 1)),
                conv("conv3", "conv2", 4, 4, 3, 3, padding=(1, 1, 1, 1), activation=LINEAR, bias=weights(4)),
                add("add", "conv3", "conv1", activation=RELU),
                conv("conv4", "add", 3, 4, 3, 3, stride=(2, 2)),
            ),
        ),
        "junction of spiking paths": Graph(
            (2, 6, 6),
            (
                conv("conv1", INPUT, 4, 2, 3, 3, padding=(1, 1, 1, 1)),
                conv("conv2", "conv1", 4, 4, 3, 3, padding=(1, 1, 1, 1)),
                conv("shortcut", INPUT, 4, 2, 1, 1),
                add("add", "conv2", "shortcut", gain=0.5),
                Flatten(name="flat", inputs=("add",)),
                dense("fc", "flat", 3, 144),
            ),
        ),
        "concatenation of paths of unequal length": Graph(
            (2, 5, 6),
            (
                conv("conv1", INPUT, 3, 2, 3, 3, padding=(1, 1, 1, 1)),
                conv("conv2", "conv1", 2, 3, 3, 3, padding=(1, 1, 1, 1), bias=weights(2)),
                Concat(name="concat", inputs=("conv2", INPUT, "conv1")),
                conv("conv3", "concat", 3, 7, 2, 2),
            ),
        ),
    }

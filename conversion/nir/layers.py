"""What nodes between neurons are as layers. Chain of NIR nodes -> layers that read one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import nir
import numpy as np
from numpy.typing import NDArray

from conversion.plan import ConversionError
from conversion.reduce import fold_average_pooling
from models.graph import LINEAR, Add, AvgPool2d, Conv2d, Dense, Flatten, Layer, Shape, sequential


@dataclass(frozen=True, eq=False)
class Synapses:
    """What a chain of nodes does: flattening, then one layer or nothing; its bias apart, as NIR has it.

    `layer` is without bias; None of a plain edge. `factor` is what the weights lack. `late` is in seconds.
    """

    flatten: str | None
    layer: Conv2d | Dense | AvgPool2d | Add | None
    bias: NDArray | None
    factor: float
    late: float


def synapses_of(nodes: Sequence[tuple[str, nir.NIRNode]], source: Shape) -> Synapses:
    """The layers of named nodes, of which the first reads spikes of shape `source`.

    Raises
    ------
    ConversionError
        If they are no single layer.
    """
    late = sum(_delay(name, node) for name, node in nodes if isinstance(node, nir.Delay))
    flattens = [_name(name, node) for name, node in nodes if isinstance(node, nir.Flatten)]
    others = [(_name(*pair), pair[1]) for pair in nodes if not isinstance(pair[1], nir.Delay | nir.Flatten)]
    pools = [pair for pair in others if isinstance(pair[1], nir.AvgPool2d | nir.SumPool2d)]
    factor = math.prod(math.prod(_pair(node.kernel_size)) for _, node in pools if isinstance(node, nir.SumPool2d))
    flatten = flattens[0] if flattens and len(source) > 1 else None
    layers = [_layer(name, node) for name, node in others]
    if len(pools) == 1 and len(layers) == 2 and others[0] == pools[0]:
        layers = _folded(source, layers, flatten)
    if len(layers) > 1:
        names = " and ".join(repr(name) for name, _ in others)
        raise ConversionError(f"nodes {names} follow each other without neurons between them; merge them into one")
    bias = next((node.bias for _, node in others if isinstance(node, nir.Affine | nir.Conv2d)), None)
    return Synapses(flatten, layers[0] if layers else None, bias, float(factor), late)


def as_weights(layer: AvgPool2d | Add, shape: Shape) -> Conv2d | Dense:
    """Pooling and scaling of an input of some shape as a layer with weights, which a junction can add to others."""
    channels = shape[0]
    if isinstance(layer, AvgPool2d):
        weight = np.full((channels, 1, *layer.kernel), 1 / math.prod(layer.kernel), np.float32)
        return Conv2d(name=layer.name, inputs=(), weight=weight, stride=layer.stride, padding=layer.padding,
                      groups=channels, activation=LINEAR)  # fmt: skip
    gain = np.broadcast_to(np.asarray(layer.gain, np.float32), (channels,))
    if len(shape) == 1:
        return Dense(name=layer.name, inputs=(), weight=np.diag(gain), activation=LINEAR)
    weight = gain.reshape(-1, 1, 1, 1)
    return Conv2d(name=layer.name, inputs=(), weight=weight, groups=channels, activation=LINEAR)


def per_channel_of(name: str, what: str, values: NDArray) -> NDArray[np.float64]:
    """One value per channel, shape (channels,), of values that may have one for each neuron of a map."""
    values = np.array([float(str(v)) for v in np.ravel(values)]).reshape(np.shape(values))  # 0.005 of float32(0.005)
    by_channel = values.reshape(len(values), -1) if values.ndim else values.reshape(1, 1)
    if np.any(by_channel != by_channel[:, :1]):
        raise ConversionError(f"node {name!r} has a {what} that differs within a map; a channel has one here")
    return by_channel[:, 0]


def _layer(name: str, node: nir.NIRNode) -> Conv2d | Dense | AvgPool2d | Add:
    match node:
        case nir.Affine() | nir.Linear():
            return Dense(name=name, inputs=(), weight=np.asarray(node.weight, np.float32), activation=LINEAR)
        case nir.Conv2d():
            return Conv2d(
                name=name, inputs=(), weight=np.asarray(node.weight, np.float32), stride=_pair(node.stride),
                padding=_padding(node), dilation=_pair(node.dilation), groups=int(node.groups), activation=LINEAR,
            )  # fmt: skip
        case nir.AvgPool2d() | nir.SumPool2d():
            padding = _pair(node.padding)
            return AvgPool2d(
                name=name, inputs=(), kernel=_pair(node.kernel_size), stride=_pair(node.stride),
                padding=(*padding, *padding),
            )  # fmt: skip
        case nir.Scale():
            gain = per_channel_of(name, "scale", node.scale)
            return Add(name=name, inputs=(), gain=float(gain[0]) if np.ptp(gain) == 0 else gain.astype(np.float32))
    raise TypeError(f"{name!r} is a {type(node).__name__}, which is no layer")


def _padding(node: nir.Conv2d) -> tuple[int, int, int, int]:
    """Zeros at top, left, bottom, right; "same" as PyTorch has it, the odd one at the end."""
    if not isinstance(node.padding, str):
        return (*_pair(node.padding), *_pair(node.padding))
    if node.padding == "valid":
        return (0, 0, 0, 0)
    whole = [d * (k - 1) for d, k in zip(_pair(node.dilation), node.weight.shape[2:], strict=True)]
    before = [n // 2 for n in whole]
    return (before[0], before[1], whole[0] - before[0], whole[1] - before[1])


def _folded(source: Shape, layers: list, flatten: str | None) -> list:
    """Pooling whose sums no neuron receives, in the weights of the layer after it."""
    pool, reader = layers
    between: list[Layer] = [Flatten(name="flatten", inputs=())] if isinstance(reader, Dense) else []
    *_, folded = fold_average_pooling(sequential(source, pool, *between, reader))
    return [replace(folded, inputs=())]


def _delay(name: str, node: nir.Delay) -> float:
    delays = np.unique(node.delay)
    if delays.size != 1:
        raise ConversionError(
            f"node {name!r} has delays of {delays.min():g} to {delays.max():g} s; a layer has one here"
        )
    return float(str(delays[0]))


def _pair(value: object) -> tuple[int, int]:
    first, second = np.broadcast_to(np.asarray(value, np.int64), (2,)).tolist()
    return first, second


def _name(name: str, node: nir.NIRNode) -> str:
    return str(node.metadata.get("layer", name))

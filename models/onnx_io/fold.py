"""Neighbouring operations made one, exactly: scale and offset into weights and bias, two activations into one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.graph import INPUT, LINEAR, Activation, Add, Array, AvgPool2d, Conv2d, Dense, Graph, Layer, Pool2d, Shape
from models.onnx_io.running import predict

Affine = NDArray[np.float64]


def fold_after(layer: Layer, scale: Affine, offset: Affine) -> Layer | None:
    """The layer that computes scale * layer + offset, or None if its weights cannot hold that.

    `layer` must be linear; `scale` and `offset` have as many axes as its output.
    """
    if isinstance(layer, Dense):
        bias = scale * _bias(layer) + offset
        return replace(layer, weight=to_single(layer.weight * scale.reshape(-1, 1)), bias=to_single(bias))
    if np.ndim(scale) == 3 and scale.shape[1:] != (1, 1):
        return None
    if isinstance(layer, Add) and not np.any(offset):
        return replace(layer, gain=compact(np.asarray(layer.gain) * scale.reshape(-1)))
    if not isinstance(layer, Conv2d):
        return None
    bias = _as_map(_bias(layer)) * scale + offset
    return replace(layer, weight=to_single(layer.weight * scale[..., None]), bias=_as_bias(bias, len(layer.weight)))


def fold_before(layer: Conv2d | Dense, scale: Affine, offset: Affine, shape: Shape) -> Conv2d | Dense | None:
    """The layer that computes layer(scale * x + offset) from x of `shape`, or None if its weights cannot hold that."""
    if isinstance(layer, Dense):
        shift = layer.weight.astype(float) @ np.broadcast_to(offset, shape) if np.any(offset) else 0.0
        bias = bias_or_none(_bias(layer) + shift)
        return replace(layer, weight=to_single(layer.weight * scale), bias=bias)
    if scale.shape[1:] != (1, 1):
        return None
    if np.any(offset):
        bias = _as_map(_bias(layer)) + _response(layer, offset, shape)
        layer = replace(layer, bias=_as_bias(bias, len(layer.weight)))
    per_group = np.broadcast_to(scale, (shape[0], 1, 1)).reshape(layer.groups, 1, -1, 1, 1)
    weight = layer.weight.reshape(layer.groups, -1, *layer.weight.shape[1:]) * per_group
    return replace(layer, weight=to_single(weight.reshape(layer.weight.shape)))


def compose(first: Activation, second: Activation) -> Activation | None:
    """The activation that computes second(first(x)), or None if no single one does."""
    if first.is_linear:
        return second
    if first.levels:
        return first if np.all(np.asarray(second.ceiling) >= first.ceiling) else None
    if not first.is_signed or np.all(np.asarray(second.negative_slope) == 1.0):
        return Activation(first.negative_slope, compact(np.minimum(first.ceiling, second.ceiling)))
    return None


def within_padding(layer: Pool2d, shape: Shape) -> Pool2d:
    """The same pooling without `ceil_mode`: where regions hang over the end, with padding there that does not count.

    onnxruntime computes the mode right but infers the shape wrongly where a region would begin in the padding. A mean
    that counts a padding which is there already keeps it, unless no region hangs over.
    """
    rows, columns = layer.output_shape(shape)[1:]
    over = [
        max((n - 1) * layer.stride[a] + layer.kernel[a] - shape[a + 1] - layer.padding[a] - layer.padding[a + 2], 0)
        for a, n in enumerate((rows, columns))
    ]
    if not layer.ceil_mode or not any(over):
        return replace(layer, ceil_mode=False)
    top, left, bottom, right = layer.padding
    outside = replace(layer, ceil_mode=False, padding=(top, left, bottom + over[0], right + over[1]))
    if isinstance(outside, AvgPool2d):
        counts = outside.count_padding and any(layer.padding)
        return layer if counts else replace(outside, count_padding=False)
    return outside


def identity(name: str, shape: Shape, activation: Activation) -> Conv2d | Dense:
    """A layer that hands its input to an activation function: a 1x1 convolution per channel, or a unit matrix."""
    if len(shape) == 1:
        return Dense(name=name, inputs=(), weight=np.eye(shape[0], dtype=np.float32), activation=activation)
    weight = np.ones((shape[0], 1, 1, 1), np.float32)
    return Conv2d(name=name, inputs=(), weight=weight, groups=shape[0], activation=activation)


def compact(values: NDArray[Any]) -> float | Array:
    """A number, or an array (channels,): the form in which `models.graph` keeps gains, slopes and ceilings."""
    return float(np.reshape(values, ())) if np.size(values) == 1 else to_single(np.reshape(values, -1))


def _response(layer: Conv2d, offset: Affine, shape: Shape) -> NDArray[Any]:
    """What the convolution makes of the offset: less at a padded border, so a map; otherwise one value per channel."""
    size = shape[1:]
    if offset.shape[1:] == (1, 1) and not any(layer.padding):
        size = tuple(d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.weight.shape[2:], strict=True))
    image = to_single(np.broadcast_to(offset, (shape[0], *size)))
    bare = replace(layer, inputs=(INPUT,), bias=None, activation=LINEAR)
    return predict(Graph(image.shape, (bare,)), image[None])[0].astype(float)


def _bias(layer: Conv2d | Dense) -> NDArray[Any]:
    return np.zeros(len(layer.weight)) if layer.bias is None else layer.bias.astype(float)


def _as_map(bias: NDArray[Any]) -> NDArray[Any]:
    return bias[:, None, None] if bias.ndim == 1 else bias


def _as_bias(values: NDArray[Any], channels: int) -> Array | None:
    if values.shape[1:] == (1, 1):
        values = np.broadcast_to(values, (channels, 1, 1))[:, 0, 0]
    return bias_or_none(values)


def bias_or_none(bias: NDArray[Any] | None) -> Array | None:
    """A bias of zeros is no bias: it needs no current."""
    return None if bias is None or not np.any(bias) else to_single(bias)


def to_single(values: NDArray[Any]) -> Array:
    """In single precision; what is too large becomes infinite, which no layer accepts."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)

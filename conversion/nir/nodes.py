"""Layers and membranes as single nodes of NIR."""

from __future__ import annotations

import math
from dataclasses import replace

import nir
import numpy as np
from numpy.typing import ArrayLike, NDArray

from conversion.nir.losses import Loss
from conversion.nir.membrane import Membrane
from conversion.plan import ConversionError
from models.graph import Add, AvgPool2d, Concat, Conv2d, Dense, Graph, Layer, MaxPool2d, Pool2d, Shape, Upsample2d

NO_NODE = {
    Concat: "a concatenation ('{}'); train it with a sum in its place",
    Upsample2d: "upsampling ('{}'); cut the network before it with `brianize tailor --until`",
}


def without_max_pooling(graph: Graph) -> tuple[Graph, list[Loss]]:
    """The network with averages in the place of maxima, and which they are."""
    pools = [layer for layer in graph if isinstance(layer, MaxPool2d)]
    lost = [Loss(f"the max pooling {pool.name!r}", "train it with average pooling") for pool in pools]
    return Graph(graph.input_shape, tuple(map(_averaged, graph))), lost


def _averaged(layer: Layer) -> Layer:
    if not isinstance(layer, MaxPool2d):
        return layer
    return AvgPool2d(name=layer.name, inputs=layer.inputs, kernel=layer.kernel, stride=layer.stride,
                     padding=layer.padding, ceil_mode=layer.ceil_mode)  # fmt: skip


def linear_node(
    layer: Layer, source: Shape, target: Shape, scale: float, bias: NDArray[np.float64] | None, area: float,
    lost: list[Loss],
) -> nir.NIRNode | None:  # fmt: skip
    """What a layer is between populations of two shapes; None for an edge that changes nothing.

    Parameters
    ----------
    scale : float
        A factor on the weights.
    bias : array, shape (channels,), optional
        In units of weight per second.
    area : float
        Of a spike, in seconds.
    lost : list of Loss
        Receives what the node does not say.

    Raises
    ------
    ConversionError
        If NIR has no such node.
    """
    current = None if bias is None else (bias * area).astype(np.float32)
    match layer:
        case Dense():
            weight = _float32(layer.weight * scale)
            return nir.Linear(weight) if current is None else nir.Affine(weight, current)
        case Conv2d():
            return _convolution(layer, source, target, scale, current)
        case AvgPool2d():
            if any(layer.padding) and not layer.count_padding:
                what = f"that the border of the average pooling {layer.name!r} averages over fewer pixels"
                lost.append(Loss(what, "train it with a padding that counts"))
            return _pooling(layer, source, target)
        case Add():
            gain = np.broadcast_to(np.asarray(layer.gain, np.float32), target[:1])
            return None if np.all(gain == 1) else scaling_node(gain, target)
    raise ConversionError(f"NIR has no word for {NO_NODE[type(layer)].format(layer.name)}")


def scaling_node(gain: NDArray[np.float32], shape: Shape) -> nir.NIRNode:
    """A factor on every channel as weights, which all simulators read; hardly one reads NIR's Scale."""
    weight = np.diag(gain)
    if len(shape) == 1:
        return nir.Linear(weight)
    return nir.Conv2d(
        input_shape=tuple(shape[1:]), weight=_float32(weight[:, :, None, None]), stride=1, padding=0, dilation=1,
        groups=1, bias=np.zeros(len(gain), np.float32),
    )  # fmt: skip


def neuron_node(membrane: Membrane | None, shape: Shape, v_leak: NDArray, area: float, w_in: float) -> nir.NIRNode:
    """The neurons of a population, with a value of each parameter for each of them; an integrator without a membrane.

    Parameters
    ----------
    v_leak : array, shape `shape`
    area : float
        Of a spike, in seconds.
    w_in : float
        What a synapse makes of a weight of 1, if it takes time.
    """

    def each(value: ArrayLike) -> NDArray[np.float32]:
        return np.ascontiguousarray(np.broadcast_to(np.asarray(value, np.float32), shape))

    if membrane is None:
        return nir.I(r=each(1 / area))
    spiking = {"v_threshold": each(membrane.v_th), "v_reset": each(membrane.v_reset)}
    if math.isinf(membrane.tau_m):
        return nir.IF(r=each(1 / area), **spiking)
    r, leak = each(membrane.tau_m / area), each(v_leak)
    if not membrane.tau_s:
        return nir.LIF(tau=each(membrane.tau_m), r=r, v_leak=leak, **spiking)
    taus = {"tau_mem": each(membrane.tau_m), "tau_syn": each(membrane.tau_s)}
    return nir.CubaLIF(**taus, r=r, v_leak=leak, w_in=each(w_in), **spiking)


def _convolution(layer: Conv2d, source: Shape, target: Shape, scale: float, current: NDArray | None) -> nir.Conv2d:
    layer = _with_even_padding(layer)
    node = nir.Conv2d(
        input_shape=tuple(source[1:]),
        weight=_float32(layer.weight * scale),
        stride=tuple(layer.stride),
        padding=tuple(layer.padding[:2]),
        dilation=tuple(layer.dilation),
        groups=layer.groups,
        bias=np.zeros(len(layer.weight), np.float32) if current is None else current,
    )
    # nir 1.0 takes every kernel for a square, and the channels of a group for all
    node.input_type, node.output_type = {"input": np.array(source)}, {"output": np.array(target)}
    return node


def _with_even_padding(layer: Conv2d) -> Conv2d:
    """The same convolution with as much padding at both ends: zeros in the kernel do what the padding does not."""
    before, after = np.array(layer.padding[:2]), np.array(layer.padding[2:])
    if np.all(before == after):
        return layer
    missing = after - before  # rows and columns that the kernel is longer at its start, or where below 0, at its end
    if np.any(missing % np.array(layer.dilation)):
        raise ConversionError(
            f"NIR pads both ends alike, and {layer.name!r} is padded by {layer.padding} at top, left, bottom, right; "
            "its dilation leaves no other way: train it with even padding"
        )
    more = np.abs(missing) // layer.dilation
    extra = [(int(n), 0) if m > 0 else (0, int(n)) for n, m in zip(more, missing, strict=True)]
    top, left = map(int, np.maximum(before, after))
    return replace(layer, weight=np.pad(layer.weight, ((0, 0), (0, 0), *extra)), padding=(top, left, top, left))


def _pooling(layer: Pool2d, source: Shape, target: Shape) -> nir.AvgPool2d:
    same = replace(layer, padding=(*layer.padding[:2], *layer.padding[:2]), ceil_mode=False)
    if layer.padding[:2] != layer.padding[2:] or same.output_shape(source) != target:
        raise ConversionError(
            f"NIR has no word for the border of the average pooling {layer.name!r}, which hangs over or is padded "
            "unevenly; fold it (`--pooling folded`), or train it with a kernel that divides the map"
        )
    kernel, stride, padding = (np.array(pair) for pair in (layer.kernel, layer.stride, layer.padding[:2]))
    return nir.AvgPool2d(kernel_size=kernel, stride=stride, padding=padding)


def _float32(values: NDArray) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, np.float32)

"""The oracle of the engine: the papers' simulation loop in plain NumPy, with no delay between layers.

As Diehl 2015 describes it: in each step the layers are updated one after the other, V += W s; a neuron with V >= V_th
spikes and is reset. Written from the definitions, without anything of the engine; (channels, rows, columns) throughout.
"""

from __future__ import annotations

import numpy as np

from models.graph import INPUT, Add, AvgPool2d, Concat, Conv2d, Dense, Flatten, MaxPool2d


def zero_delay_loop(
    graph,
    spikes,
    reset="subtract",
    v_th=1.0,
    v_init=0.0,
    v_min=-np.inf,
    weights=None,
    signed=False,
    silent=None,
    v=None,
):
    """Spike counts of every layer, (images, *shape), for input spikes (steps, images, *input_shape).

    With `weights` (steps,) a spike of step k carries weights[k] and counts so much; the threshold is v_th * weights[k];
    `v_th` may be one per neuron, by layer.
    If `signed`, neurons also send -1 where V <= -V_th / slope, which then adds V_th / slope to V (Kim 2020).
    Neurons in `silent`, masks by layer, never spike. A dict `v` receives the potentials of the end.
    """
    v, counts, inputs_so_far = {} if v is None else v, {}, {}
    for step_input, weight in zip(
        spikes.astype(float), np.ones(len(spikes)) if weights is None else weights, strict=True
    ):
        out = {INPUT: step_input * weight}
        for layer in graph:
            x = [out[name] for name in layer.inputs]
            if isinstance(layer, Flatten):
                out[layer.name] = x[0].reshape(len(x[0]), -1)
            elif isinstance(layer, Concat):
                out[layer.name] = np.concatenate(x, axis=1)
            elif isinstance(layer, MaxPool2d):
                so_far = inputs_so_far.get(layer.name, 0 * x[0])
                out[layer.name] = maximum(layer, so_far + x[0]) - maximum(layer, so_far)
                inputs_so_far[layer.name] = so_far + x[0]
            elif is_linear_path(graph, layer):
                out[layer.name] = weighted_input(layer, x)
            else:
                potential = v.get(layer.name, v_init) + weighted_input(layer, x)
                threshold = (v_th[layer.name] if isinstance(v_th, dict) else v_th) * weight
                spike = potential >= threshold
                if silent is not None:
                    spike = spike & ~silent[layer.name]
                after = np.where(spike, potential - threshold if reset == "subtract" else 0.0, potential)
                negative, subtracted = negative_spikes(layer, potential, v_th) if signed else (0, 0)
                v[layer.name] = np.maximum(after - subtracted, v_min)
                out[layer.name] = spike * weight - negative
            if not (isinstance(layer, Flatten) or is_linear_path(graph, layer)):
                counts[layer.name] = counts.get(layer.name, 0) + out[layer.name]
    return {name: count.astype(int) if weights is None else count for name, count in counts.items()}


def negative_spikes(layer, potential, v_th):
    """Where V is at or below -V_th / slope, and what a negative spike takes from it."""
    slope = np.broadcast_to(per_channel(layer.activation.negative_slope, potential.ndim), potential.shape)
    threshold = -v_th / np.where(slope > 0, slope, 1)
    negative = (slope > 0) & (potential <= threshold)
    return negative, negative * threshold


def is_linear_path(graph, layer):
    readers = [other for other in graph.layers if layer.name in other.inputs]
    slope = getattr(layer, "activation", None) and layer.activation.negative_slope
    return (
        isinstance(layer, Conv2d | Dense)
        and np.all(slope == 1.0)
        and readers
        and all(isinstance(r, Add) for r in readers)
    )


def weighted_input(layer, inputs):
    match layer:
        case Dense():
            total = inputs[0] @ layer.weight.T.astype(float)
        case Conv2d():
            total = convolve(layer, inputs[0])
        case AvgPool2d():
            total = average(layer, inputs[0])
        case Add():
            total = sum(inputs) * per_channel(layer.gain, inputs[0].ndim)
    bias = getattr(layer, "bias", None)
    return total if bias is None else total + per_channel(bias, total.ndim)


def per_channel(values, ndim):
    values = np.asarray(values, np.float64)
    return values.reshape(-1, *(1,) * (ndim - 2)) if values.ndim == 1 else values


def padded(x, padding, value=0.0):
    top, left, bottom, right = padding
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def windows(x, kernel, stride, dilation=(1, 1)):
    """Every window of x (images, channels, rows, columns), as (images, channels, rows, columns, k_y, k_x)."""
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def convolve(layer, x):
    view = windows(padded(x, layer.padding), layer.weight.shape[2:], layer.stride, layer.dilation)
    per_group = x.shape[1] // layer.groups
    maps = []
    for out_channel, kernel in enumerate(layer.weight.astype(float)):
        group = out_channel // (len(layer.weight) // layer.groups)
        read = view[:, group * per_group : (group + 1) * per_group]
        maps.append(np.einsum("ncyxij,cij->nyx", read, kernel))
    return np.stack(maps, axis=1)


def average(layer, x):
    def total(values):
        return windows(padded(values, layer.padding), layer.kernel, layer.stride).sum(axis=(4, 5))

    return total(x) / (np.prod(layer.kernel) if layer.count_padding else total(np.ones_like(x)))


def maximum(layer, x):
    return windows(padded(x, layer.padding, -np.inf), layer.kernel, layer.stride).max(axis=(4, 5))

"""An oracle: NIR's own equations, node by node from nir's classes, and nothing of ours.

A signal is a pair: the spikes of a step, and a constant current beside them. A step is: spikes add to a potential, in a
jump by their area times what the equation makes of it; for dt the equation is solved with constant currents; what is at
its threshold or above spikes and is reset. The current of a synapse is held at its mean over a step.
"""

from __future__ import annotations

from graphlib import TopologicalSorter

import nir
import numpy as np


def spike_counts(network, spikes, area, dt):
    """Of every node of neurons, for input spikes (steps, images, *shape); an integrator has its potential there."""
    sources = {name: [a for a, b in network.edges if b == name] for name in network.nodes}
    order = list(TopologicalSorter(sources).static_order())
    state, counts, late = {}, {}, {}
    for step, values in enumerate(spikes.astype(float)):
        out = {}
        for name in order:
            node = network.nodes[name]
            if isinstance(node, nir.Input):
                out[name] = values, 0 * values
                continue
            x = [sum(out[source][part] for source in sources[name]) for part in (0, 1)]
            if isinstance(node, nir.Delay):
                late.setdefault(name, []).append(x[0])
                back = step - round(float(node.delay.flat[0]) / dt)
                out[name] = (late[name][back] if back >= 0 else 0 * x[0]), x[1]
            elif isinstance(node, nir.IF | nir.LIF | nir.CubaLIF | nir.I | nir.LI):
                out[name] = neurons(node, state.setdefault(name, {"v": 0.0, "i": 0.0}), *x, area, dt), 0 * x[1]
                accumulates = isinstance(node, nir.I | nir.LI)
                counts[name] = state[name]["v"] if accumulates else counts.get(name, 0) + out[name][0]
            else:
                out[name] = linear(node, x[0]), linear(node, x[1]) + bias(node, x[0])
    return counts


def neurons(node, state, spikes, current, area, dt):
    tau = getattr(node, "tau", getattr(node, "tau_mem", None))
    if isinstance(node, nir.CubaLIF):
        state["i"] = state["i"] + node.w_in * spikes * area / node.tau_syn
        decay = np.exp(-dt / node.tau_syn)
        mean = state["i"] * node.tau_syn * (1 - decay) / dt
        state["i"] = state["i"] * decay
        slope = node.v_leak + node.r * mean
        state["v"] = state["v"] * np.exp(-dt / tau) + slope * (1 - np.exp(-dt / tau))
    elif tau is None:
        state["v"] = state["v"] + node.r * (spikes * area + current * dt)
    else:
        state["v"] = state["v"] + node.r * spikes * area / tau
        rest = node.v_leak + node.r * current
        state["v"] = rest + (state["v"] - rest) * np.exp(-dt / tau)
    if isinstance(node, nir.I | nir.LI):
        return 0 * spikes
    fired = state["v"] >= node.v_threshold
    state["v"] = np.where(fired, node.v_reset, state["v"])
    return fired.astype(float)


def bias(node, x):
    if not isinstance(node, nir.Affine | nir.Conv2d):
        return 0.0
    return node.bias.astype(float).reshape(-1, *(1,) * (2 if isinstance(node, nir.Conv2d) else 0))


def linear(node, x):
    match node:
        case nir.Affine() | nir.Linear():
            return x @ node.weight.T.astype(float)
        case nir.Conv2d():
            return convolve(node, x)
        case nir.AvgPool2d() | nir.SumPool2d():
            total = windows(x, node.kernel_size, node.stride, node.padding, (1, 1)).sum(axis=(-2, -1))
            return total / np.prod(node.kernel_size) if isinstance(node, nir.AvgPool2d) else total
        case nir.Scale():
            return x * node.scale
        case nir.Flatten():
            return x.reshape(len(x), -1)
        case nir.Output():
            return x
    raise TypeError(type(node))


def windows(x, kernel, stride, padding, dilation):
    padded = np.pad(x, ((0, 0), (0, 0), *((int(p), int(p)) for p in padding)))
    size = [
        int((n - d * (k - 1) - 1) // s + 1)
        for n, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=False)
    ]
    taps = [(i * dilation[0], j * dilation[1]) for i in range(kernel[0]) for j in range(kernel[1])]
    cut = [
        padded[:, :, y : y + size[0] * stride[0] : stride[0], x : x + size[1] * stride[1] : stride[1]] for y, x in taps
    ]
    cut = [c[:, :, : size[0], : size[1]] for c in cut]
    return np.stack(cut, axis=-1).reshape(*x.shape[:2], *size, *kernel)


def convolve(node, x):
    view = windows(x, node.weight.shape[2:], node.stride, node.padding, node.dilation)
    n_out, per_group, groups = len(node.weight), node.weight.shape[1], int(node.groups)
    maps = []
    for o in range(n_out):
        first = o // (n_out // groups) * per_group
        maps.append(np.einsum("ncyxij,cij->nyx", view[:, first : first + per_group], node.weight[o].astype(float)))
    return np.stack(maps, axis=1)

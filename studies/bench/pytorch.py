"""The same spiking ConvNet as a loop over time in PyTorch, as one would write it by hand: a yardstick, where it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from models.graph import AvgPool2d, Conv2d, Dense, Flatten, Layer
from studies.bench.convnet import STEPS, convnet
from studies.bench.stopwatch import Row


def is_installed() -> bool:
    """Whether PyTorch is; it is no dependency."""
    return find_spec("torch") is not None


def time_loop(n_images: int, n_batches: int) -> list[Row]:
    """Time the ConvNet on one thread: a row per batch but the first."""
    import torch

    torch.set_num_threads(1)
    graph, images = convnet(n_images)
    layers = [operation_of(layer, torch) for layer in graph]
    pixels, rows = torch.from_numpy(np.ascontiguousarray(images)), []
    with torch.no_grad():
        for _ in range(1 + n_batches):
            start = time.perf_counter()
            show(layers, pixels, torch)
            rows.append({"batch_images": n_images, "ms_per_image": 1e3 * (time.perf_counter() - start) / n_images})
    return rows[1:]


def show(layers: list[tuple[Callable[[Any], Any], bool]], pixels: Any, torch: Any) -> Any:
    """The spike counts of the output after `STEPS` steps of Poisson input, a spike a step for a pixel of 1."""
    potentials: list[Any] = [0.0] * len(layers)
    counts = 0.0
    for _ in range(STEPS):
        spikes = (torch.rand_like(pixels) < pixels).float()
        for place, (operation, spiking) in enumerate(layers):
            spikes = operation(spikes)
            if spiking:
                potentials[place] = potentials[place] + spikes
                spikes = (potentials[place] >= 1).float()
                potentials[place] = potentials[place] - spikes
        counts = counts + spikes
    return counts


def operation_of(layer: Layer, torch: Any) -> tuple[Callable[[Any], Any], bool]:
    """What a layer does to spikes, and whether neurons follow."""
    functional = torch.nn.functional
    if isinstance(layer, Flatten):
        return (lambda spikes: spikes.flatten(1)), False
    if isinstance(layer, AvgPool2d):
        return (lambda spikes: functional.avg_pool2d(spikes, layer.kernel, layer.stride)), True
    if isinstance(layer, Conv2d | Dense):
        weight = torch.from_numpy(np.array(layer.weight))
        bias = None if layer.bias is None else torch.from_numpy(np.array(layer.bias))
        apply = functional.conv2d if isinstance(layer, Conv2d) else functional.linear
        return (lambda spikes: apply(spikes, weight, bias)), True
    raise TypeError(f"{layer.name!r} is a {type(layer).__name__}, which the ConvNet has not")

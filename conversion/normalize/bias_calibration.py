"""Bias calibration: shift biases until spiking neurons have the network's mean activations. Graph x images -> Graph.

Li, Deng, Dong, Gong, Gu, "A free lunch from ANN: towards efficient, accurate spiking neural networks calibration", ICML
2021: layer after layer, b -= mean(SNN) - mean(ANN) per channel, over images and pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from brian2 import Quantity, ms

from conversion.simulate import simulate
from models.encoders import Encoder
from models.graph import INPUT, Add, Array, Conv2d, Dense, Graph
from models.neurons import Neuron
from models.onnx_io import activations
from models.structure import passes_to_junctions, per_channel, up_to


def calibrate_biases(
    graph: Graph,
    images: Array,
    *,
    neuron: Neuron,
    encoder: Encoder,
    duration: Quantity,
    dt: Quantity = 1 * ms,
    seed: int = 0,
    half_threshold_offset: bool = False,
    memory_limit: float = 1e9,
) -> Graph:
    """A normalised network with biases that make up for the mean error of its firing rates; a simulation per layer.

    Each layer is calibrated behind those before it, as they are by then. The activity of a spiking neuron is its rate
    over `max_rate`; that of an output without a ReLU is what it accumulates, as it may be negative. The error of a
    junction goes into the bias of a linear layer that leads to it; without one it stays, and so does that of pooling.

    Parameters
    ----------
    graph : Graph
        Normalised; its own activations are the ones to reach.
    images : array, shape (n_images, *graph.input_shape)
        Calibration images.
    neuron, encoder, duration, dt, seed, half_threshold_offset, memory_limit
        As for `conversion.simulate`.
    """
    calibrated = graph
    for name, carrier in _carriers(graph):
        accumulates = name == graph.output.name and graph.output.activation.is_signed
        recording = simulate(
            up_to(calibrated, name), images, neuron=neuron, encoder=encoder, duration=duration, dt=dt, seed=seed,
            readout="potential" if accumulates else "count", readout_times=duration,
            half_threshold_offset=half_threshold_offset, memory_limit=memory_limit,
        )  # fmt: skip
        received = recording.output_potentials[-1] if accumulates else recording.spike_counts[name]
        activity = received / (recording.duration * recording.max_rate)
        error = activity - activations(graph, images, [name])[name]
        by_channel = error.mean(axis=(0, *range(2, error.ndim)), dtype=np.float64)
        calibrated = _shifted(calibrated, carrier, -by_channel / getattr(graph[name], "gain", 1.0))
    return calibrated


def _carriers(graph: Graph) -> Iterator[tuple[str, str]]:
    """Each layer with neurons whose error a bias can take up, and the layer that has this bias."""
    for layer in graph:
        if isinstance(layer, Conv2d | Dense) and not passes_to_junctions(graph, layer):
            yield layer.name, layer.name
        elif isinstance(layer, Add):
            linear = [n for n in layer.inputs if n != INPUT and passes_to_junctions(graph, graph[n])]
            yield from ((layer.name, name) for name in linear[:1])


def _shifted(graph: Graph, name: str, shift: Array) -> Graph:
    layer = graph[name]
    assert isinstance(layer, Conv2d | Dense)
    bias = np.zeros(len(layer.weight), np.float32) if layer.bias is None else layer.bias
    changed = replace(layer, bias=(bias + per_channel(shift, bias.ndim)).astype(np.float32))
    return Graph(graph.input_shape, tuple(changed if other is layer else other for other in graph))

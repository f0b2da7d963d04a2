"""Bias calibration: shift biases until spiking neurons have the network's mean activations. Graph x images -> Graph.

Li, Deng, Dong, Gong, Gu, "A free lunch from ANN: towards efficient, accurate spiking neural networks calibration", ICML
2021: layer after layer, b -= mean(SNN) - mean(ANN) per channel, over images and pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from conversion.normalize.rate_matching import within
from conversion.options import Output
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.graph import INPUT, Add, Array, Conv2d, Dense, Graph
from models.onnx_io import activations_in_turn
from models.structure import passes_to_junctions, per_channel, up_to


def calibrate_biases(graph: Graph, images: Array, simulation: Simulation) -> Graph:
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
    simulation : Simulation
        How they are shown; what its output does is chosen here, layer by layer.
    """
    calibrated, carriers = graph, dict(_carriers(graph))
    for name, wanted in activations_in_turn(graph, images, list(carriers)):
        accumulates = name == graph.output.name and graph.output.activation.is_signed
        output: Output = "accumulating" if accumulates else "spiking"
        part = up_to(calibrated, name)
        settings = replace(within(part, simulation), output=output, read_at=simulation.duration)
        recording = simulate(part, images, settings)
        received = recording.output_potentials[-1] if accumulates else recording.spike_counts[name]
        activity = received / (recording.duration * recording.max_rate)
        error = activity - wanted
        by_channel = error.mean(axis=(0, *range(2, error.ndim)), dtype=np.float64)
        calibrated = _shifted(calibrated, carriers[name], -by_channel / getattr(graph[name], "gain", 1.0))
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

"""The constant currents of a network: what biases and images that are no spikes bring to each population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from conversion.plan.populations import Plan
from models.graph import INPUT, LINEAR, Add, Array, Conv2d, Dense, Flatten, Graph, Layer, Shape, sequential
from models.onnx_io import predict
from models.structure import per_channel


def constant_currents(graph: Graph, plan: Plan, images: Array, spikes_at_input: bool) -> Mapping[str, Array]:
    """The constant current of each population in units of activation: its bias, and the image unless it is spikes.

    Shape (N, size), in the engine's order of neurons.
    """
    found = {name: np.broadcast_to(bias, (len(images), *bias.shape)) for name, bias in plan.biases.items()}
    if not spikes_at_input:
        for projection in (p for p in plan.projections if p.source == INPUT):
            found[projection.target] = found[projection.target] + _drive(graph, projection.layer, images)
    return {name: by_neuron(current, current.shape[1:]) for name, current in found.items()}


def _drive(graph: Graph, layer: Layer, images: Array) -> Array:
    """What a layer that reads the input makes of the images, without its bias and activation function."""
    if isinstance(layer, Add):
        return images * per_channel(layer.gain, len(graph.input_shape))
    if isinstance(layer, Conv2d | Dense):
        layer = replace(layer, bias=None, activation=LINEAR)
    flatten = (Flatten(name="flatten", inputs=()),) if isinstance(layer, Dense) else ()
    return predict(sequential(graph.input_shape, *flatten, layer), images)


def by_neuron(values: NDArray, shape: Shape) -> NDArray:
    """Values (..., *shape), flattened in the engine's order of neurons."""
    channels_last = np.moveaxis(values, -3, -1) if len(shape) == 3 else values
    return channels_last.reshape(*values.shape[: values.ndim - len(shape)], -1)

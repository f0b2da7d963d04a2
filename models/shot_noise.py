"""Shot noise: how far the spikes of one step scatter the input of a neuron. Graph x images x input code -> numbers.

Let a spike of a layer stand for the activation s, its largest, so that a neuron of activation a spikes in a step with
the probability p = f a / s; f is the rate of the activation 1 times the step, 1 at 1000 Hz and 1 ms. In one step it
sends s or nothing, on average f a, and this has the variance

    s^2 p (1 - p) = f s a - f^2 a^2.

The next layer adds w times that over its synapses. Where the neurons before it spike independently of each other, as
Poisson input does and regular trains of unlike phases nearly do, the variance of its input in one step is

    sum_j w_j^2 (f s a_j - f^2 a_j^2),

which the means of a and a^2 over some images decide. The mean of it over images and neurons, its square root taken, is
the shot noise of the layer. Over the layer's own largest activation it says how much a neuron's potential is shaken in
one step, in thresholds. Over the root mean square of its activations, a typical one, it says how long to wait: after n
steps the sum of the inputs is n f a, up to sqrt(n) times the noise, so that n = (noise / (f a))^2 steps make the two
equal. Kernels that nearly cancel on the images leave activations small beside the noise; so does a largest activation
that is far above the typical one, since a spike then stands for much.

That is an upper bound where trains are regular, since a neuron that spiked will not do so again soon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from models.graph import (
    INPUT,
    LINEAR,
    Add,
    Array,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Graph,
    Layer,
    MaxPool2d,
    sequential,
)
from models.onnx_io import activations_in_turn, predict
from models.structure import passes_to_junctions, peers, per_channel, source_of
from models.text import align

if TYPE_CHECKING:
    from models.encoders import Encoder

COLUMNS = ("over_largest", "over_typical", "steps")
MEANING = (
    "Shot noise is the standard deviation of one step's input to a neuron of the layer, here over the layer's largest\n"
    "activation and over a typical one (root mean square). It falls with the square root of time: so many steps make\n"
    "it as small as a typical activation. Tens of steps are usual after training with weight decay; hundreds mean\n"
    "kernels that cancel on these images, and a slow conversion; thousands mean a layer that only noise will drive."
)


def shot_noise(graph: Graph, images: Array, encoder: Encoder | None = None, per_step: float = 1.0) -> pd.DataFrame:
    """The shot noise of each layer that has weights, or junctions, and neurons; see the module for its derivation.

    It does not change under `conversion.normalize.rescale` by one scale per layer. Paths that meet at a junction share
    the largest s of theirs, as they do when they spike. Inputs and biases of constant current add none.

    Parameters
    ----------
    graph : Graph
        As trained, or normalised: by channel, its spikes stand for less.
    images : array, shape (N, *graph.input_shape)
        Calibration images; a hundred tell the mean rates.
    encoder : Encoder, optional
        The input code; Poisson without it. Trains of other codes are taken as Poisson ones of the same rate.
    per_step : float
        f in (0, 1], the firing rate that stands for the activation 1 times the time step.

    Returns
    -------
    DataFrame
        Indexed by layer, columns `COLUMNS`: the noise over the largest activation, over a typical one, and the number
        of steps after which it is as small as that. Infinite for a layer with noise that the images never activate.

    Raises
    ------
    ValueError
        If `per_step` is out of range, or spikes of the code carry unlike weights (phase coding).
    """
    if not 0 < per_step <= 1:
        raise ValueError(f"per_step is {per_step}; a neuron sends more than 0 and at most 1 spike a step")
    if encoder is not None and not encoder.spikes_alike:
        raise ValueError(f"{encoder} gives every step a weight of its own; shot noise is that of spikes that are alike")
    means, largest = _rates(graph, images)
    sizes = _sizes(graph, largest)
    from_input = encoder is None or encoder.spikes_at_input
    sent = {INPUT: from_input * _of_trains(*_means(np.abs(images)), 1.0, per_step)}
    rows: dict[str, tuple[float, float, float]] = {}
    for layer in graph:
        received = _received(graph, layer, [sent[name] for name in layer.inputs])
        if layer.name not in largest:
            sent[layer.name] = received
            continue
        sent[layer.name] = _of_trains(*means[layer.name], sizes[layer.name], per_step)
        if isinstance(layer, Conv2d | Dense | Add):
            typical = float(np.sqrt(means[layer.name][1].mean()))
            rows[layer.name] = _row(float(np.sqrt(received.mean())), largest[layer.name], typical, per_step)
    return pd.DataFrame.from_dict(rows, "index", columns=list(COLUMNS)).rename_axis("layer")


def as_text(table: pd.DataFrame) -> str:
    """A line per layer, and what the numbers mean."""
    rows = [("layer", "over the largest", "over a typical", "steps")]
    rows += [(str(name), f"{one:.2f}", f"{two:.1f}", f"{np.ceil(n):.0f}") for name, one, two, n in table.itertuples()]
    return f"{align(rows)}\n\n{MEANING}"


def _rates(graph: Graph, images: Array) -> tuple[dict[str, tuple[Array, Array]], dict[str, float]]:
    """Of each layer that makes spikes of its own, the means of a and a^2 over the images, and the largest a."""
    kinds = Conv2d | Dense | Add | AvgPool2d | MaxPool2d
    names = [n.name for n in graph if isinstance(n, kinds) and not passes_to_junctions(graph, n)]
    output, means, largest = source_of(graph, graph.output.name), {}, {}
    for name, values in activations_in_turn(graph, images, names):
        values = np.maximum(values, 0) if name == output else np.abs(values)
        means[name], largest[name] = _means(values), float(values.max())
    return means, largest


def _means(values: Array) -> tuple[Array, Array]:
    return values.mean(axis=0, dtype=np.float64), np.square(values).mean(axis=0, dtype=np.float64)


def _sizes(graph: Graph, largest: Mapping[str, float]) -> dict[str, float]:
    """What a spike of each layer stands for; pooling hands on what it reads."""
    common = {name: _common(group, largest) for group in peers(graph) for name in group}
    sizes = {INPUT: 1.0}
    for layer in graph:
        sizes[layer.name] = common.get(layer.name, max(sizes[name] for name in layer.inputs))
    return sizes


def _common(group: set[str], largest: Mapping[str, float]) -> float:
    return 1.0 if INPUT in group else max(largest.get(name, 0.0) for name in group)


def _of_trains(mean: Array, mean_square: Array, size: float, per_step: float) -> Array:
    """The variance of what is sent in one step; a neuron that is asked for more than a spike a step has none."""
    return np.maximum(per_step * size * mean - per_step**2 * mean_square, 0)


def _received(graph: Graph, layer: Layer, sent: Sequence[Array]) -> Array:
    """The variance of one step's input, shape of the layer; of a relay that of what it hands on."""
    match layer:
        case Concat():
            return np.concatenate(sent)
        case Add():
            return np.square(per_channel(layer.gain, sent[0].ndim)) * sum(sent)
        case Conv2d() | Dense():
            layer = replace(layer, weight=np.square(layer.weight), bias=None, activation=LINEAR)
    return predict(sequential(sent[0].shape, layer), sent[0][None].astype(np.float32))[0].astype(np.float64)


def _row(noise: float, largest: float, typical: float, per_step: float) -> tuple[float, float, float]:
    if largest == 0:
        noise, largest, typical = (np.inf if noise else 0.0), 1.0, 1.0
    return noise / largest, noise / typical, (noise / (per_step * typical)) ** 2

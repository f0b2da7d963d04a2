"""Spike-Norm: thresholds balanced on the spiking network itself. Graph x images x neuron x input -> thresholds.

Sengupta, Ye, Wang, Liu, Roy, "Going deeper in spiking neural networks: VGG and residual architectures", Frontiers in
Neuroscience 13, 2019. Layer by layer from the input on, the threshold becomes the largest weighted input that any
neuron of the layer receives in a single step, over all steps and images, from the spikes of the layers before it, whose
thresholds are set already. While it is measured a layer does not spike.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conversion.normalize.scales import rescale_by_thresholds, within_ceiling
from conversion.plan import ConversionError
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.graph import INPUT, Add, Array, Conv2d, Dense, Graph
from models.onnx_io import activations
from models.structure import passes_to_junctions, peers, up_to

DROPPED_BITS = 14  # of the 23 of a single-precision fraction: the bins of the histogram are 2**-9 wide, relatively


class PositiveInputs:
    """The positive ones among many numbers, as their maximum and a histogram of 1 MB.

    A bin holds the numbers that agree in the exponent and the first 9 bits of the fraction, so `percentile` exceeds the
    number at that rank by at most 2**-9 of it, 0.2 %; the 100th is the maximum itself.
    """

    def __init__(self) -> None:
        self.largest = 0.0
        self.counts = np.zeros(2 ** (31 - DROPPED_BITS), np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        positive = values[values > 0]
        if positive.size:
            self.largest = max(self.largest, float(positive.max()))
            self.counts += np.bincount(positive.view(np.int32) >> DROPPED_BITS, minlength=len(self.counts))

    def percentile(self, percentile: float) -> float:
        """The end of the bin up to which lie at least so many per cent of the numbers; 0 without any."""
        up_to = np.cumsum(self.counts)
        bin_number = int(np.searchsorted(up_to, percentile * up_to[-1] / 100))
        end = np.array((bin_number + 1) << DROPPED_BITS, np.int32).view(np.float32)
        return min(float(end), self.largest)


def balance_thresholds(graph: Graph, images: Array, simulation: Simulation, percentile: float = 100.0) -> pd.DataFrame:
    """Balance the thresholds of a network, one simulation of its first layers for each.

    The spikes of `rescale_by_thresholds(graph, table["scale"])` with its thresholds and those of
    `rescale(graph, table["scale"])` are the same.

    Biases and constant-current input count as input of every step, `dt * max_rate` times the current. Paths that meet
    at a junction get one scale, the largest of theirs, so that the junction adds what the network added; layers between
    them are then measured once more. A junction is balanced like any layer, and so is the output; average pooling keeps
    the threshold 1. Paths that meet the input itself keep its scale 1, and so are not measured. No scale is larger than
    the ceiling of its layer's activation function.

    A layer that no positive input reaches does not count among the paths that it meets; where none of them counts, they
    keep the threshold 1, provided that the ANN is as silent.

    Parameters
    ----------
    images : array, shape (n_images, *graph.input_shape)
        Calibration images.
    simulation : Simulation
        How they are shown; its `duration` is the T of the paper. Not under phase coding.
    percentile : float
        In (0, 100], of the positive weighted inputs of all steps, neurons and images; 100 is the maximum of the paper.

    Returns
    -------
    DataFrame
        Indexed by layer: `threshold`, for spikes of size 1 and weights as trained, a factor on the neuron's `v_th`;
        `scale`, the activation that the rate `max_rate` stands for; `seconds`, how long it took to measure.

    Raises
    ------
    ValueError
        On a percentile out of range, phase coding, a layer that is active in the ANN but that no positive input reaches
        in `duration`, or what `simulate` refuses.
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile is {percentile}; it lies in (0, 100]")
    if not simulation.encoder.spikes_alike:
        raise ConversionError(
            f"{simulation.encoder} gives every step a weight of its own; Spike-Norm needs steps that are alike"
        )

    def measure(part: Graph, scales: Mapping[str, float]) -> tuple[float, float]:
        network, thresholds = rescale_by_thresholds(part, {**scales, part.output.name: 1.0})
        inputs = PositiveInputs()
        settings = replace(
            simulation, output="accumulating", read_at=simulation.duration, probe=Probe(weighted_input=inputs.add),
            thresholds=thresholds,
        )  # fmt: skip
        simulate(network, images, settings)
        return inputs.percentile(percentile), 1 / thresholds[part.output.name]

    def check_silent(names: Sequence[str]) -> None:
        for name, values in activations(graph, images, names).items():
            if values.max() > 0:
                raise ConversionError(
                    f"no positive input reaches {name!r} within {simulation.duration} of {len(images)} calibration "
                    f"images, but its activation in the ANN is up to {values.max():.3g}; calibrate for longer, on more "
                    f"images or with a percentile below {percentile:g}"
                )

    scales, seconds = _layer_by_layer(graph, measure, check_silent)
    _, thresholds = rescale_by_thresholds(graph, scales)
    table = pd.DataFrame({"threshold": thresholds, "scale": scales, "seconds": seconds}, index=list(thresholds))
    return table.rename_axis("layer")


def lower_thresholds(graph: Graph, scales: Mapping[str, float], factor: float) -> dict[str, float]:
    """The scales with which every threshold is `factor` times what `balance_thresholds` found.

    A threshold is the scale of a layer over that of its input, so the scale of the n-th layer gets the n-th power.
    Paths that meet at a junction keep one scale, or it would no longer add what the network added: that of the first
    of them to come, so that the thresholds of the others follow.

    Parameters
    ----------
    scales : mapping of str to float
        Of each layer with a threshold, as `balance_thresholds` returns them.

    Raises
    ------
    ValueError
        If the factor is not a finite number above 0.
    """
    if not 0 < factor < math.inf:
        raise ValueError(f"the threshold factor is {factor}; it must be a finite number above 0")
    common = {name: group for group in map(frozenset, peers(graph)) for name in group}
    powers, of_groups = {INPUT: 0}, {common[INPUT]: 0}
    for layer in graph:
        before = min(powers[name] for name in layer.inputs)
        own = layer.name in scales
        powers[layer.name] = of_groups.setdefault(common[layer.name], before + 1) if own else before
    return {name: scale * factor ** powers[name] for name, scale in scales.items()}


def _layer_by_layer(
    graph: Graph,
    measure: Callable[[Graph, Mapping[str, float]], tuple[float, float]],
    check_silent: Callable[[Sequence[str]], None],
) -> tuple[dict[str, float], dict[str, float]]:
    """The scale of every layer with a threshold, and the seconds that it took.

    `measure` finds the threshold of the last layer of a part, 0 without input, and the scale of the threshold 1.
    """
    names = [layer.name for layer in graph if isinstance(layer, Conv2d | Dense | Add)]
    names = [name for name in names if not passes_to_junctions(graph, graph[name])]
    parts = {name: up_to(graph, name) for name in names}
    groups = [[name for name in names if name in group] for group in peers(graph) if INPUT not in group]
    complete_with = {group[-1]: group for group in groups if group}
    scales, seconds = dict.fromkeys(names, 1.0), dict.fromkeys(names, 0.0)
    settled, found = set(names).difference(*groups), dict.fromkeys(names, 0.0)

    def meet(group: list[str]) -> list[str]:
        """Give the paths of a group one scale; which layers have to be measured once more."""
        heard = [peer for peer in group if found[peer] > 0]
        if not heard:
            check_silent(group)
        common = max(scales[peer] for peer in heard or group)
        changed = {peer for peer in group if scales[peer] != common}
        scales.update(dict.fromkeys(group, common))
        settled.update(group if len(group) > 1 else ())
        return [n for n in names[: names.index(group[-1])] if not changed.isdisjoint(parts[n].shapes)]

    pending = deque(names)
    while pending:
        name = pending.popleft()
        if name in settled:
            continue
        start = perf_counter()
        found[name], unit = measure(parts[name], {n: scales[n] for n in names if n in parts[name].shapes})
        scales[name] = float(within_ceiling(graph[name], (found[name] or 1.0) * unit))
        seconds[name] += perf_counter() - start
        if name in complete_with:
            pending.extendleft(reversed(meet(complete_with[name])))
    return scales, seconds

"""Matching the rates of each layer to its activations, under the noise that it really receives.

`match_fi` looks at a neuron alone, under a constant current. In a network the current is made of spikes, and their
noise fires neurons that the mean alone leaves silent: the more, the closer the background lies to the onset, and the
deeper the layer. A neuron that adapts has not done so when an image begins, and fires more than its curve says. So here
two numbers are fitted for each layer, on the spiking network itself: how far the background lies below the onset I_0,
in units of what the activation 1 adds to it there, and how steep the input is, in units of what the curve asks for,

    I_b = I_0 - k (f^-1(r) - I_0),    g = c (f^-1(r) - I_b) / r = c (1 + k) (f^-1(r) - I_0) / r.

k = 0 is the background at the onset. For c = 1 a neuron has the rate r at the activation 1, as `fi_matching` derives,
and without noise it fires from the activation k / (1 + k) on. Where k (f^-1(r) - I_0) exceeds I_0, the background
hyperpolarises. A bias b is the current g r b with the gain of its own layer. Rates stay those that stand for
activations, so that the layers behind need not know; nor does an output that only accumulates.

Layer after layer, behind those that are fitted by then, k is what makes rates most nearly proportional to activations,
whatever the factor, and then c is what brings them closest, both on the root mean square over neurons and images. Were
k to do both, it would silence weak activations where strong ones fire too fast. Of an output only the order counts:
there k and then c are those with the fewest answers that are expected to differ from the ANN's, and of equal ones those
nearest to 0 and 1. All candidates are copies of the layer in one simulation, so that they receive the same spikes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from conversion.brian import max_rate
from conversion.normalize.fi_matching import FICurve
from conversion.plan import ConversionError, make_plan
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.graph import RELU, Add, Array, AvgPool2d, Conv2d, Dense, Graph
from models.onnx_io import activations_in_turn
from models.structure import up_to

DEPTHS = (-0.1, 0.0, *2.0 ** np.arange(-4, 3))
CLOSER = 5  # candidates between the neighbours of the best of those
SLOPES = 2.0 ** np.arange(-1.25, 1.3, 0.25)


class Match(NamedTuple):
    """How the neurons of a layer are matched.

    Parameters
    ----------
    depth : float
        How far the background lies below the onset, k.
    slope : float
        The factor of the gain, c.
    """

    depth: float
    slope: float = 1.0


Error = Callable[[Array, Array], float]


def calibrate_matching(
    graph: Graph, images: Array, simulation: Simulation, curve: FICurve, *, progress: bool = False
) -> Simulation:
    """The simulation with the background and the gain of each layer that let its rates follow its activations.

    It takes three simulations for each layer with neurons, of the network up to it.

    Parameters
    ----------
    graph : Graph
        Normalised; its own activations are the ones to reach.
    images : array, shape (n_images, *graph.input_shape)
        Calibration images; some 30 are enough.
    simulation : Simulation
        How they are shown. Its neuron is one of `match_fi`, with any background, maybe with synapses or noise by now.
    curve : FICurve
        Which that neuron was matched by.
    progress : bool
        Show a progress bar for each simulation.

    Returns
    -------
    Simulation
        With `backgrounds` and `gains` for every layer with neurons that spike.

    Raises
    ------
    ConversionError
        If neurons are not matched by this curve or signed, or thresholds are not those of the curve.
    """
    _require_curve(simulation, curve)
    matched = replace(simulation, backgrounds={}, gains={})
    for name, wanted in activations_in_turn(graph, images, _spiking(graph, simulation)):
        counts = partial(_counts, graph, images, name, matched, curve, progress)
        if name == graph.output.name and wanted[0].size > 1:
            match = _fit(counts, wanted, _wrong_percent, _wrong_percent)
        else:
            largest = float(simulation.duration) * float(max_rate(simulation.encoder, simulation.dt))
            match = _fit(counts, largest * np.maximum(wanted, 0), shape_error, distance)
        matched = _at_matches(matched, curve, {name: match})
    return matched


def shape_error(counts: Array, wanted: Array) -> float:
    """The root mean square that is left of a difference when counts are multiplied by the best factor."""
    factor = float(np.vdot(counts, wanted)) / max(float(np.vdot(counts, counts)), 1e-30)
    return distance(factor * counts, wanted)


def distance(counts: Array, wanted: Array) -> float:
    """The root mean square of a difference."""
    return float(np.sqrt(np.mean(np.square(counts - wanted))))


def wrong_share(counts: Array, activations: Array) -> float:
    """How many answers will differ from the ANN's, expected of counts as noisy as Poisson's.

    With another seed the difference of two counts n and m has about the variance n + m, so that the answer with n is
    overtaken with the probability Phi((m - n) / sqrt(n + m)), 1/2 if both are silent; of all rivals the strongest is
    taken.

    Parameters
    ----------
    counts, activations : array, shape (n_images, ...)
    """
    count, activation = counts.reshape(len(counts), -1), activations.reshape(len(counts), -1)
    answer = activation.argmax(axis=1, keepdims=True)
    winner = np.take_along_axis(count, answer, axis=1)
    overtaken = ndtr((count - winner) / np.sqrt(np.maximum(count + winner, 1)))
    np.put_along_axis(overtaken, answer, 0, axis=1)
    return float(overtaken.max(axis=1).mean())


def _wrong_percent(counts: Array, activations: Array) -> float:
    """In whole percent: finer differences say nothing, and a match far from the curve's own should not win by them."""
    return round(100 * wrong_share(counts, activations))


def _fit(counts: Callable[[Sequence[Match]], list[Array]], wanted: Array, shape: Error, size: Error) -> Match:
    """The depth, of `DEPTHS` or between the neighbours of their best, and then the slope with the smallest errors."""

    def errors(error: Error, matches: Sequence[Match]) -> list[float]:
        return [error(count, wanted) for count in counts(matches)]

    first = errors(shape, [Match(depth) for depth in DEPTHS])
    best = int(np.argmin(first))
    between = np.linspace(DEPTHS[max(0, best - 1)], DEPTHS[min(best + 1, len(DEPTHS) - 1)], CLOSER + 2)[1:-1].tolist()
    second = errors(shape, [Match(depth) for depth in between])
    depth = _nearest_of_best([*DEPTHS, *between], [*first, *second], 0)
    slopes = errors(size, [Match(depth, slope) for slope in SLOPES])
    return Match(depth, _nearest_of_best(SLOPES.tolist(), slopes, 1))


def _nearest_of_best(values: Sequence[float], errors: Sequence[float], neutral: float) -> float:
    """The value with the smallest error, and of equal ones that nearest to the neutral one."""
    return min(zip(errors, (abs(value - neutral) for value in values), values, strict=True))[2]


def _counts(
    graph: Graph, images: Array, name: str, matched: Simulation, curve: FICurve, progress: bool,
    matches: Sequence[Match],
) -> list[Array]:  # fmt: skip
    """How often the neurons of a layer spike with each of some matches."""
    copies = {f"{name}_at_{number}": match for number, match in enumerate(matches)}
    network = _with_copies(graph, name, copies)
    settings = within(network, _at_matches(matched, curve, copies))
    settings = replace(settings, output="accumulating", read_at=matched.duration, probe=Probe())
    spike_counts = simulate(network, images, settings, progress=progress).spike_counts
    return [spike_counts[copy] for copy in copies]


def within(graph: Graph, simulation: Simulation) -> Simulation:
    """The simulation with the backgrounds, gains and thresholds of those layers alone that a network has."""
    backgrounds, gains, thresholds = (
        {name: value for name, value in of_layers.items() if name in graph.shapes}
        for of_layers in (simulation.backgrounds, simulation.gains, simulation.thresholds)
    )
    return replace(simulation, backgrounds=backgrounds, gains=gains, thresholds=thresholds)


def _require_curve(simulation: Simulation, curve: FICurve) -> None:
    neuron, rate = simulation.neuron, float(max_rate(simulation.encoder, simulation.dt))
    full = neuron.background + float(neuron.current_unit) * rate
    if not math.isclose(full, curve.full, rel_tol=1e-3):
        raise ConversionError(
            f"the neuron gets a current of {full:.4g} at activation 1, and by the f-I curve it needs {curve.full:.4g}; "
            "calibrate a neuron of `match_fi`, with its own `fi_curve`"
        )
    if simulation.neuron.is_signed:
        raise ConversionError("signed neurons cannot be matched: a background has one sign; use neurons without one")
    if simulation.thresholds:
        raise ConversionError(
            "thresholds of layers change the f-I curve that is matched; rescale the network instead, as "
            "`conversion.normalize.rescale` does"
        )


def _spiking(graph: Graph, simulation: Simulation) -> list[str]:
    names = [population.name for population in make_plan(graph).populations if population.role == "neuron"]
    return [name for name in names if name != graph.output.name or simulation.output == "spiking"]


def _at_matches(simulation: Simulation, curve: FICurve, matches: Mapping[str, Match]) -> Simulation:
    """The simulation with the backgrounds and gains of some layers."""
    backgrounds = {name: float(curve.onset - m.depth * (curve.full - curve.onset)) for name, m in matches.items()}
    full = curve.full - simulation.neuron.background
    gains = {name: float(m.slope * (curve.full - backgrounds[name]) / full) for name, m in matches.items()}
    return replace(
        simulation, backgrounds={**simulation.backgrounds, **backgrounds}, gains={**simulation.gains, **gains}
    )


def _with_copies(graph: Graph, name: str, copies: Iterable[str]) -> Graph:
    """The network up to a layer, with copies in its place, and a sum of them as an output that reads them all."""
    part, layer = up_to(graph, name), graph[name]
    assert isinstance(layer, Conv2d | Dense | Add | AvgPool2d)
    if not isinstance(layer, AvgPool2d) and layer.activation.is_linear:  # or the sum would take it for a part of itself
        layer = replace(layer, activation=RELU)
    several = tuple(replace(layer, name=copy) for copy in copies)
    total = Add(name=f"{name}_total", inputs=tuple(copy.name for copy in several))
    return Graph(graph.input_shape, (*part.layers[:-1], *several, total))

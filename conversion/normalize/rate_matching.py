"""Matching the rates of each layer to its activations, under the noise that it really receives.

`match_fi` looks at a neuron alone, under a constant current. In a network the current is made of spikes, and their
noise fires neurons that the mean alone leaves silent: the more, the closer the background lies to the onset, and the
deeper the layer. So here one number is fitted for each layer, on the spiking network itself: how far the background
lies below the onset I_0, in units of what the activation 1 adds to it there,

    I_b = I_0 - k (f^-1(r) - I_0),    g = (f^-1(r) - I_b) / r = (1 + k) (f^-1(r) - I_0) / r.

k = 0 is the background at the onset. With any k a neuron has the rate r at the activation 1, as `fi_matching` derives,
and without noise it fires from the activation k / (1 + k) on. Where k (f^-1(r) - I_0) exceeds I_0, the background
hyperpolarises. A bias b is the current g r b with the gain of its own layer. Rates stay those that stand for
activations, so that the layers behind need not know; nor does an output that only accumulates.

Layer after layer, behind those that are calibrated by then, the k is taken for which the root mean square of
rate / r - activation, over neurons and images, is smallest. All candidates are copies of the layer in one simulation,
so that they receive the same spikes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from conversion.brian import max_rate
from conversion.normalize.fi_matching import FICurve
from conversion.plan import ConversionError, make_plan
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.graph import RELU, Add, Array, AvgPool2d, Conv2d, Dense, Graph
from models.onnx_io import activations_in_turn
from models.structure import up_to

DEPTHS = (-0.1, 0.0, *2.0 ** np.arange(-5, 5))  # below the onset, in units of what the activation 1 adds
CLOSER = 7  # candidates between the neighbours of the best of those


def calibrate_matching(
    graph: Graph, images: Array, simulation: Simulation, curve: FICurve, *, progress: bool = False
) -> Simulation:
    """The simulation with the background and the gain of each layer that let its rates follow its activations.

    It takes two simulations for each layer with neurons, of the network up to it.

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
        target = np.maximum(wanted, 0)
        depth = _smallest(partial(_errors, graph, images, name, target, matched, curve, progress))
        matched = _at_depths(matched, curve, {name: depth})
    return matched


def _errors(
    graph: Graph, images: Array, name: str, wanted: Array, matched: Simulation, curve: FICurve, progress: bool,
    depths: Sequence[float],
) -> NDArray[np.float64]:  # fmt: skip
    """How far the rates of a layer are from its activations with each of some backgrounds, on the root mean square."""
    copies = {f"{name}_at_{number}": depth for number, depth in enumerate(depths)}
    network = _with_copies(graph, name, copies)
    settings = within(network, _at_depths(matched, curve, copies))
    settings = replace(settings, output="accumulating", read_at=matched.duration, probe=Probe())
    recording = simulate(network, images, settings, progress=progress)
    largest = recording.duration * recording.max_rate
    errors = (recording.spike_counts[copy] / largest - wanted for copy in copies)
    return np.array([np.sqrt(np.mean(np.square(error))) for error in errors])


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


def _at_depths(simulation: Simulation, curve: FICurve, depths: Mapping[str, float]) -> Simulation:
    """The simulation with the backgrounds of layers so far below the onset, and the gains that go with them."""
    backgrounds = {name: float(curve.onset - k * (curve.full - curve.onset)) for name, k in depths.items()}
    full = curve.full - simulation.neuron.background
    gains = {name: float((curve.full - background) / full) for name, background in backgrounds.items()}
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


def _smallest(errors: Callable[[Sequence[float]], NDArray[np.float64]]) -> float:
    """Which of `DEPTHS`, or of those between the neighbours of the best of them, has the smallest error."""
    first = errors(DEPTHS)
    best = int(np.argmin(first))
    between = np.linspace(DEPTHS[max(0, best - 1)], DEPTHS[min(best + 1, len(DEPTHS) - 1)], CLOSER + 2)[1:-1].tolist()
    second = errors(between)
    return float([*DEPTHS, *between][int(np.argmin([*first, *second]))])

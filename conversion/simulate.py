"""Show images to a spiking network and record what it answers. Graph x images x settings -> Recording."""

from __future__ import annotations

import gc
import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from conversion.brian import (
    Batch,
    NetworkInHand,
    SpikingNetwork,
    build,
    check_encoder,
    heap_frozen,
    make_recording,
    max_rate,
    run,
)
from conversion.ceilings import check_ceilings
from conversion.options import Connectivity
from conversion.plan import Plan, by_neuron, constant_currents, make_plan
from conversion.recording import Recording
from conversion.settings import Simulation
from models.encoders import SpikeTrains
from models.graph import Array, Graph

LARGEST_BATCH = 250
NEURONS_IN_CACHE = 400_000  # of all images of a batch; with more of them a step takes longer per image
Silent = Mapping[str, NDArray[np.bool_]]


def simulate(
    graph: Graph, images: Array, simulation: Simulation, *, silent: Silent | None = None, progress: bool = False
) -> Recording:
    """Simulate a network on images.

    Parameters
    ----------
    graph : Graph
        Normalised or not; see `conversion.normalize`.
    images : array, shape (N, *graph.input_shape)
        Values in [0, 1], or in [-1, 1] where the encoder takes negative ones.
    simulation : Simulation
        The neurons, the input code, the window and the rest.
    silent : mapping of str to array, shape (N, *shape), optional
        Neurons of a layer that never spike while an image is shown, as if their threshold was infinite.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ValueError
        If images do not fit the network or the encoder, or the encoder not the network, neuron or step; if a neuron can
        fire faster than the ceiling of its activation function; or a name is unknown.
    """
    _check_images(graph, images)
    simulation.encoder.check_images(images, simulation.steps)
    plan, rate = _plan(graph, simulation, signed_input=bool(np.any(images < 0)))
    batch_size = _batch_size(plan, len(images), simulation)
    parts = [slice(start, min(start + batch_size, len(images))) for start in range(0, len(images), batch_size)]
    batches = [partial(make_batch, graph, plan, simulation, rate, images, silent or {}, part) for part in parts]
    with heap_frozen():
        network = build(plan, simulation, batch_size)
        _check_silent(network, silent or {}, len(images))
        run(network, batches, parts, progress)
        recording = make_recording(network, rate)
        del network, batches
        gc.collect()  # Brian2's objects hold each other, and would stay until Python looks; of the old it knows by now
    return recording


def to_brian2(graph: Graph, simulation: Simulation, *, signed_input: bool = False) -> NetworkInHand:
    """The network that `simulate` runs, for one image, in your hands: to step, record, edit and extend.

    For the same image, its spikes are those that `simulate` makes of that image alone. Brian2's preference
    `codegen.target = "numpy"`, set before, runs its own code objects instead of compiled loops.

    Parameters
    ----------
    graph : Graph
        Normalised or not; see `conversion.normalize`.
    simulation : Simulation
        Its `read_at` and `probe` say what `simulate` records, and nothing here; there is no end of the `duration`.
    signed_input : bool
        Whether images will have negative values.

    Raises
    ------
    ValueError
        As `simulate`.
    """
    plan, rate = _plan(graph, simulation, signed_input)

    def batch_of(image: Array) -> Batch:
        images = image[None]
        _check_images(graph, images)
        simulation.encoder.check_images(images, simulation.steps)
        if not signed_input and np.any(images < 0):
            raise ValueError(
                f"pixels reach down to {images.min()}; use to_brian2(..., signed_input=True) for such images"
            )
        return make_batch(graph, plan, simulation, rate, images, {}, slice(0, 1))

    return NetworkInHand(build(plan, simulation, 1, by_hand=True), batch_of)


def _plan(graph: Graph, simulation: Simulation, signed_input: bool) -> tuple[Plan, float]:
    """What will spike, once all is checked, and the rate in Hz that stands for the activation 1."""
    plan = make_plan(graph, signed=simulation.neuron.is_signed, signed_input=signed_input)
    check_encoder(simulation.encoder, simulation.neuron, plan, simulation.dt)
    rate = float(max_rate(simulation.encoder, simulation.dt))
    check_ceilings(graph, plan, simulation, rate)
    return plan, rate


def make_batch(
    graph: Graph, plan: Plan, simulation: Simulation, rate: float, images: Array, silent: Silent, part: slice
) -> Batch:
    """The part of the images that is shown at once, and the currents that go with it.

    Parameters
    ----------
    rate : float
        The rate in Hz that stands for the activation 1.
    images : array, shape (N, *graph.input_shape)
        All of them.
    silent : mapping of str to array, shape (N, *shape)
    part : slice
        From which image to which; with the first one the simulation's seed gives the seed of the part.
    """
    encoder = simulation.encoder
    found = constant_currents(graph, plan, images[part], encoder.spikes_at_input)
    values = encoder.spikes[:, part] if isinstance(encoder, SpikeTrains) else images[part]
    return Batch(
        values=by_neuron(values, graph.input_shape),
        currents={name: rate * c for name, c in found.items()},
        rate=rate,
        seed=simulation.seed,
        first=part.start,
        silent={name: by_neuron(which[part], which.shape[1:]) for name, which in silent.items()},
    )


def bytes_per_image(plan: Plan, connectivity: Connectivity) -> int:
    """About how much memory one image of a batch takes: neurons with their state and counts, and unrolled synapses."""
    synapses = sum(int(p.connection.fan_out().sum()) for p in plan.projections)
    return 60 * _size(plan) + (48 * synapses if connectivity == "synapses" else 0)


def _size(plan: Plan) -> int:
    """How many neurons there are, those of the input included."""
    return sum(population.size for population in plan.populations)


def _batch_size(plan: Plan, n_images: int, simulation: Simulation) -> int:
    """As many images as fit in memory and are fast, in batches of equal size."""
    fitting = int(simulation.memory_limit // bytes_per_image(plan, simulation.connectivity))
    cached = NEURONS_IN_CACHE // _size(plan)
    largest = max(1, min(fitting, cached, LARGEST_BATCH))
    return math.ceil(n_images / math.ceil(n_images / largest))


def _check_images(graph: Graph, images: Array) -> None:
    if images.ndim == 0 or images.shape[1:] != graph.input_shape or len(images) == 0:
        raise ValueError(
            f"images have shape {images.shape}, but the network reads (N, {', '.join(map(str, graph.input_shape))})"
        )


def _check_silent(network: SpikingNetwork, silent: Silent, n_images: int) -> None:
    windows = network.counter.windows
    shapes = {w.population.name: w.population.shape for w in windows if "v_th" in w.place.group.variables}
    for name, which in silent.items():
        if name not in shapes:
            raise ValueError(f"silent names {name!r}; layers with a threshold are {', '.join(shapes)}")
        if which.dtype != bool or which.shape != (n_images, *shapes[name]):
            needed = f"it must be bool of shape {(n_images, *shapes[name])}"
            raise ValueError(f"silent of {name!r} is {which.dtype} of shape {which.shape}; {needed}")

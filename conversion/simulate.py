"""Show images to a spiking network and record what it answers. Graph x neuron x input -> Recording."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from brian2 import Quantity, have_same_dimensions, ms
from numpy.typing import NDArray

from conversion.brian import (
    Batch,
    Counter,
    Readout,
    SpikingNetwork,
    build,
    check_encoder,
    check_values,
    choose_target,
    make_recording,
    max_rate,
    results_of,
    run,
)
from conversion.options import Connectivity
from conversion.plan import Plan, make_plan
from conversion.recording import Probe, Recording
from models.encoders import ConstantCurrent, Encoder, SpikeTrains
from models.graph import INPUT, LINEAR, Add, Array, Conv2d, Dense, Flatten, Graph, Layer, Shape, sequential
from models.neurons import Neuron
from models.onnx_io import predict
from models.structure import per_channel

LARGEST_BATCH = 250
NEURONS_IN_CACHE = 1_000_000  # of all images of a batch; with more of them a step takes longer per image


def simulate(
    graph: Graph,
    images: Array,
    *,
    neuron: Neuron,
    encoder: Encoder,
    duration: Quantity,
    dt: Quantity = 1 * ms,
    seed: int = 0,
    connectivity: Connectivity = "shared",
    readout: Readout = "count",
    readout_times: Quantity | None = None,
    probe: Probe | None = None,
    thresholds: Mapping[str, float] | None = None,
    half_threshold_offset: bool = False,
    silent: Mapping[str, NDArray[np.bool_]] | None = None,
    memory_limit: float = 1e9,
    progress: bool = False,
) -> Recording:
    """Simulate a network on images.

    Parameters
    ----------
    graph : Graph
        Normalised or not; see `conversion.normalize.schemes`.
    images : array, shape (N, *graph.input_shape)
        Values in [0, 1], or in [-1, 1] where the encoder takes negative ones.
    neuron : Neuron
        The model of every hidden neuron, and of the output neurons if they spike.
    encoder : Encoder
        One of `models.encoders`.
    duration, dt : Quantity
        Window per image and time step.
    seed : int
        Of the input spikes and of random initial potentials.
    connectivity : {"shared", "synapses"}
        See `conversion.brian.network.build`.
    readout : {"count", "potential"}
        Whether the output neurons spike or only accumulate.
    readout_times : Quantity, optional
        When to read the output and the totals; by default after every step.
    probe : Probe, optional
        Rasters, traces and times of output spikes to keep as well.
    thresholds : mapping of str to float, optional
        Factors on the `v_th` of the neurons of a layer, such as those of Spike-Norm; 1 where none is named. An output
        that only accumulates has no threshold to change.
    half_threshold_offset : bool
        Give every neuron that spikes a constant current of `v_th / (2 * duration)` on top of its bias, half a threshold
        in the window: rates are then rounded instead of rounded down (Deng and Gu, ICLR 2021).
    silent : mapping of str to array, shape (N, *shape), optional
        Neurons of a layer that never spike while an image is shown, as if their threshold was infinite.
    memory_limit : float
        Bytes that a batch may take; it sets how many images are simulated at once, and with it, how the random numbers
        are dealt.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ValueError
        If images do not fit the network or the encoder, or the encoder not the network, neuron or step; if times are
        not whole steps, or a name is unknown.
    """
    _check_images(graph, images)
    check_values(encoder, images)
    readouts = _readout_steps(duration, dt, readout_times)
    plan = make_plan(graph, signed=neuron.is_signed, signed_input=bool(np.any(images < 0)))
    check_encoder(encoder, neuron, plan, dt)
    rate = float(max_rate(encoder, dt))
    _check_spike_trains(encoder, (int(readouts[-1]) + 1, *images.shape))
    batch_size = _batch_size(plan, len(images), memory_limit, connectivity)
    slices = [slice(start, start + batch_size) for start in range(0, len(images), batch_size)]
    batches = [partial(batch, graph, plan, encoder, rate, images, silent or {}, part, seed) for part in slices]
    results: list[dict[str, Any]] = []

    def collect(counter: Counter) -> None:
        results.append(results_of(counter, len(results) * batch_size))

    with choose_target(_size(plan) * len(images) * int(readouts[-1] + 1)):
        network = build(
            plan, neuron=neuron, encoder=encoder, dt=dt, readouts=readouts, batch_size=batch_size,
            connectivity=connectivity, readout=readout, probe=probe, thresholds=thresholds,
            half_threshold_offset=half_threshold_offset,
        )  # fmt: skip
        _check_silent(network, silent or {}, len(images))
        run(network, encoder, batches, collect, progress)
    return make_recording(network, results, readouts, dt, rate)


def batch(
    graph: Graph,
    plan: Plan,
    encoder: Encoder,
    rate: float,
    images: Array,
    silent: Mapping[str, NDArray[np.bool_]],
    part: slice,
    seed: int,
) -> Batch:
    """The part of the images that is shown at once, and the currents that go with it.

    Parameters
    ----------
    graph : Graph
    plan : Plan
        Its plan.
    encoder : Encoder
    rate : float
        The rate in Hz that stands for the activation 1, see `conversion.brian.encoding.max_rate`.
    images : array, shape (N, *graph.input_shape)
    silent : mapping of str to array, shape (N, *shape)
    part : slice
        From which image to which; it needs both.
    seed : int
        Of the whole simulation; with the first image of a part it gives the seed of that part.
    """
    values = encoder.spikes[:, part] if isinstance(encoder, SpikeTrains) else images[part]
    return Batch(
        values=_by_neuron(values, graph.input_shape),
        currents={name: rate * c for name, c in _currents(graph, plan, encoder, images[part]).items()},
        seed=int(np.random.SeedSequence([seed, part.start]).generate_state(1)[0]),
        silent={name: _by_neuron(which[part], which.shape[1:]) for name, which in silent.items()},
    )


def bytes_per_image(plan: Plan, connectivity: Connectivity) -> int:
    """About how much memory one image of a batch takes: neurons with their state and counts, and unrolled synapses."""
    synapses = sum(int(p.connection.fan_out().sum()) for p in plan.projections)
    return 60 * _size(plan) + (48 * synapses if connectivity == "synapses" else 0)


def _size(plan: Plan) -> int:
    """How many neurons there are, those of the input included."""
    return sum(population.size for population in plan.populations)


def _batch_size(plan: Plan, n_images: int, memory_limit: float, connectivity: Connectivity) -> int:
    """As many images as fit in memory and are fast, in batches of equal size."""
    fitting = int(memory_limit // bytes_per_image(plan, connectivity))
    cached = NEURONS_IN_CACHE // _size(plan)
    largest = max(1, min(fitting, cached, LARGEST_BATCH))
    return math.ceil(n_images / math.ceil(n_images / largest))


def _check_images(graph: Graph, images: Array) -> None:
    if images.ndim == 0 or images.shape[1:] != graph.input_shape or len(images) == 0:
        raise ValueError(
            f"images have shape {images.shape}, but the network reads (N, {', '.join(map(str, graph.input_shape))})"
        )


def _check_spike_trains(encoder: Encoder, shape: tuple[int, ...]) -> None:
    if isinstance(encoder, SpikeTrains) and encoder.spikes.shape != shape:
        raise ValueError(f"spike trains have shape {encoder.spikes.shape}, but steps and images make {shape}")


def _check_silent(network: SpikingNetwork, silent: Mapping[str, NDArray[np.bool_]], n_images: int) -> None:
    windows = network.counter.windows
    shapes = {w.population.name: w.population.shape for w in windows if "v_th" in w.place.group.variables}
    for name, which in silent.items():
        if name not in shapes:
            raise ValueError(f"silent names {name!r}; layers with a threshold are {', '.join(shapes)}")
        if which.dtype != bool or which.shape != (n_images, *shapes[name]):
            needed = f"it must be bool of shape {(n_images, *shapes[name])}"
            raise ValueError(f"silent of {name!r} is {which.dtype} of shape {which.shape}; {needed}")


def _readout_steps(duration: Quantity, dt: Quantity, times: Quantity | None) -> NDArray[np.int64]:
    """The steps of the window, counted from 0, after which the output is read; the last step always is."""
    if not (have_same_dimensions(dt, ms) and 0 < float(dt) < math.inf):
        raise ValueError(f"dt is {dt}; a time step is positive")
    steps = int(_whole_steps("duration", duration, dt))
    if steps < 1:
        raise ValueError(f"duration is {duration}, shorter than a step of {dt}")
    if times is None:
        return np.arange(steps)
    after = np.unique(np.append(_whole_steps("readout_times", times, dt), steps))
    if after[0] < 1 or after[-1] > steps:
        raise ValueError(f"readout times {times} do not lie between dt = {dt} and duration = {duration}")
    return after - 1


def _whole_steps(name: str, times: Quantity, dt: Quantity) -> NDArray[np.int64]:
    if not (have_same_dimensions(times, ms) and np.isfinite(times).all()):
        raise ValueError(f"{name} is {times}; it must be finite, with a unit of time")
    steps = np.asarray(times / dt)
    if np.any(np.abs(steps - np.rint(steps)) > 1e-6 * np.maximum(1, np.abs(steps))):
        raise ValueError(f"{name} is {times}; it must be whole steps of dt = {dt}")
    return np.rint(steps).astype(np.int64)


def _currents(graph: Graph, plan: Plan, encoder: Encoder, images: Array) -> Mapping[str, Array]:
    """The constant current of each population in units of activation: its bias, and the image where it enters so."""
    currents = {name: np.broadcast_to(bias, (len(images), *bias.shape)) for name, bias in plan.biases.items()}
    if isinstance(encoder, ConstantCurrent):
        for projection in (p for p in plan.projections if p.source == INPUT):
            currents[projection.target] = currents[projection.target] + _drive(graph, projection.layer, images)
    return {name: _by_neuron(current, current.shape[1:]) for name, current in currents.items()}


def _drive(graph: Graph, layer: Layer, images: Array) -> Array:
    """What a layer that reads the input makes of the images, without its bias and activation function."""
    if isinstance(layer, Add):
        return images * per_channel(layer.gain, len(graph.input_shape))
    if isinstance(layer, Conv2d | Dense):
        layer = replace(layer, bias=None, activation=LINEAR)
    flatten = (Flatten(name="flatten", inputs=()),) if isinstance(layer, Dense) else ()
    return predict(sequential(graph.input_shape, *flatten, layer), images)


def _by_neuron(values: NDArray, shape: Shape) -> NDArray:
    """Values (..., *shape), flattened in the engine's order of neurons."""
    channels_last = np.moveaxis(values, -3, -1) if len(shape) == 3 else values
    return channels_last.reshape(*values.shape[: values.ndim - len(shape)], -1)

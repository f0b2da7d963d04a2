"""Show a built network batches of images, one after another in a single run of Brian2.

Before each batch every group is put into its initial state, and each population once more when its own window opens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import brian2
import numpy as np
from brian2 import Synapses
from brian2.core.variables import ArrayVariable, Variable
from brian2.synapses.synapses import SynapticPathway
from numpy.typing import NDArray

from conversion.brian.code_generation import heap_frozen, interrupts_raise, numpy_for_the_rest
from conversion.brian.encoding import write_values
from conversion.brian.network import SpikingNetwork
from conversion.brian.projections import SharedProjection, clear
from conversion.compiled import GroupLoop
from conversion.plan import ConversionError, Projection
from conversion.progress import counted
from conversion.refusals import refused
from models.encoders import SpikeTrains
from models.graph import INPUT, Array


@dataclass(frozen=True, eq=False)
class Batch:
    """Images to show at once.

    Parameters
    ----------
    values : array, shape (n_images, n_inputs), or (steps, n_images, n_inputs) for spike trains
        What the encoder encodes, in the engine's order of neurons.
    currents : mapping of str to array, shape (n_images, size)
        The constant current of each population, in units of activation per second, in the engine's order.
    rate : float
        In Hz, of an input of value 1.
    seed : int
        Of the simulation.
    first : int
        Which image of all is the first of the batch; images have random numbers of their own.
    silent : mapping of str to array, shape (n_images, size)
        Which neurons of a population never spike, in the engine's order.
    """

    values: NDArray
    currents: Mapping[str, Array]
    rate: float
    seed: int
    first: int = 0
    silent: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


def run(
    network: SpikingNetwork, batches: Sequence[Callable[[], Batch]], images: Sequence[slice], progress: bool,
    profiled: int = 0,
) -> None:  # fmt: skip
    """Show batches one after another, each from the initial state; the counter then holds what was counted.

    All are one run of Brian2, since every run has a fixed cost of some tenths of a second. Only if the last `profiled`
    steps are to be profiled, as `network.network.profiling_info` then tells, are they a run of their own.

    Parameters
    ----------
    batches : sequence of callable
        Each makes a batch when its time has come.
    images : sequence of slice
        Which images of all each batch holds.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ConversionError
        If synapses were given another delay than that of their projection, or Brian2 refuses what a neuron says.
    RuntimeError
        If it was stopped before its end.
    """
    check_delays(network)

    def begin_batch(number: int) -> None:
        network.counter.restart(images[number])
        begin(network, batches[number]())

    network.counter.begin(images[-1].stop)
    if isinstance(network.simulation.encoder, SpikeTrains):
        set_spikes(network, [batch().values for batch in batches])
    steps = len(batches) * network.period
    with counted(steps, progress) as advance, refused("run the neurons as they are written"):
        network.conductor.start(begin_batch, advance)
        # Brian2 compares float32 potentials with 1e50 after an exact update
        with numpy_for_the_rest(), interrupts_raise(), heap_frozen(), np.errstate(over="ignore"):
            network.network.run((steps - profiled) * network.clock.dt, namespace={})
            if profiled:
                network.network.run(profiled * network.clock.dt, namespace={}, profile=True)
    if network.conductor.k < steps:  # something called brian2.stop()
        raise RuntimeError(f"the simulation was stopped after {network.conductor.k} of {steps} steps")


def check_delays(network: SpikingNetwork) -> None:
    """Windows would not move with another delay, and spikes would be in flight from one batch to the next."""
    for projection, synapses in network.projections:
        for pathway in getattr(synapses, "_pathways", ()):
            delays, planned = np.asarray(pathway.delay), _planned(projection, network, pathway)
            if not np.allclose(delays, planned, rtol=0, atol=1e-9):
                raise ConversionError(
                    f"{projection.name!r} has synapses with delays of up to {1e3 * delays.max():g} ms, but the windows "
                    f"of the layers are those of {1e3 * planned.max():g} ms; leave the delay as it was built"
                )


def _planned(projection: Projection, network: SpikingNetwork, pathway: SynapticPathway) -> NDArray[np.floating]:
    """The delays in seconds of the synapses of a pathway, shape (n,), or that of all, shape (1,)."""
    steps, start = projection.delays, network.places[projection.source].start
    if steps.size > 1:
        steps = steps[(np.asarray(pathway.synapses.i) - start) % steps.size]
    return steps * float(network.clock.dt)


def begin(network: SpikingNetwork, batch: Batch) -> None:
    """Put all into the initial state of a batch; of spike trains see `set_spikes`."""
    brian2.seed(int(np.random.SeedSequence([batch.seed, batch.first]).generate_state(1)[0]))
    for loop in network.loops.values():
        loop.seed(batch.seed)
        if loop.is_random:
            _number_neurons(network, loop, batch.first)
    network.opener.restart()
    if network.jitter is not None:
        network.jitter.restart(batch.seed, batch.first)
    network.chance.restart(batch.seed, batch.first)
    if INPUT in network.places and not isinstance(network.simulation.encoder, SpikeTrains):
        values = np.zeros(network.places[INPUT].stop)
        values[: batch.values.size] = batch.values.ravel()
        write_values(network.groups["input"], values, batch.rate)
    for name, current in batch.currents.items():
        _set_drive(network, name, current)
    for initial_state in network.initial_states.values():
        initial_state.restore()
    if network.simulation.half_threshold_offset and "neurons" in network.groups:
        _offset_by_half_a_threshold(network)
    for name, background in network.backgrounds.items():
        place = network.places[name]
        place.array("drive")[place.start : place.stop] += background
    for name, silent in batch.silent.items():
        place = network.places[name]
        place.array("v_th")[place.start : place.stop][: silent.size][silent.ravel()] = np.inf
    network.opener.openings, network.opener.clearings = openings_of(network), clearings_of(network)


def _number_neurons(network: SpikingNetwork, loop: GroupLoop, first: int) -> None:
    """Give each neuron of an image random numbers of its own, the same whatever batch the image is shown in."""
    members = [p for p in network.plan.populations if network.places[p.name].group is loop.group]
    per_image = sum(population.size for population in members)
    offset = 0
    for population in members:
        place = network.places[population.name]
        numbers = loop.numbers[place.start : place.stop].reshape(-1, population.size)
        images = first + np.arange(len(numbers))
        numbers[:] = images[:, None] * per_image + offset + np.arange(population.size)
        offset += population.size


def set_spikes(network: SpikingNetwork, trains: Sequence[NDArray], first_step: int = 0) -> None:
    """Give the input group the spikes (steps, n_images, n_inputs) of every batch, each in its own stretch of time."""
    found = [np.nonzero(train.reshape(len(train), -1)) for train in trains]
    steps = np.concatenate([first_step + n * network.period + steps for n, (steps, _) in enumerate(found)])
    network.groups["input"].set_spikes(
        np.concatenate([neurons for _, neurons in found]), steps * network.clock.dt, sorted=True
    )


def _set_drive(network: SpikingNetwork, name: str, current: Array) -> None:
    place = network.places[name]
    if "drive" not in place.group.variables:
        if np.any(current):
            raise ConversionError(f"{name!r} has a bias or a current, but its neuron's equations declare no `drive`")
        return
    unit = float(network.neurons[place.group.name].current_unit) * network.gains.get(name, 1.0)
    drive = place.array("drive")[place.start : place.stop]
    drive[: current.size] = current.ravel() * unit
    drive[current.size :] = 0


def _offset_by_half_a_threshold(network: SpikingNetwork) -> None:
    variables = network.groups["neurons"].variables
    window = network.counter.steps * float(network.clock.dt)
    variables["drive"].get_value()[:] += variables["v_th"].get_value() / (2 * window)


def openings_of(network: SpikingNetwork) -> dict[int, list[tuple[NDArray, NDArray]]]:
    """What the opener has to restore in which step: every state variable, and the counts of max pooling."""
    openings: dict[int, list[tuple[NDArray, NDArray]]] = {}
    for population in network.plan.populations[1:]:
        place = network.places[population.name]
        variables = place.group.variables.values()
        states = [v.get_value() for v in variables if _changes(v, place.group)]
        parts = [array[place.start : place.stop] for array in states]
        openings.setdefault(population.depth - 1, []).extend((part, part.copy()) for part in parts)
    depths = {population.name: population.depth for population in network.plan.populations}
    for projection, brian_object in network.projections:
        for counts in _pooling_counts(brian_object):
            openings[depths[projection.target] - 1].append((counts, np.zeros_like(counts)))
    return openings


def clearings_of(network: SpikingNetwork) -> dict[int, list[Callable[[], None]]]:
    """In the first step of a population's window, before its spikes set out, those of before are forgotten."""
    depths = {population.name: population.depth for population in network.plan.populations}
    clearings: dict[int, list[Callable[[], None]]] = {}
    for projection, brian_object in network.projections:
        if projection.delays.any():
            clearings.setdefault(depths[projection.source], []).append(partial(clear, brian_object))
    return clearings


def _changes(variable: Variable, group: brian2.Group) -> bool:
    """Whether a variable is part of the state of a group: one value per neuron, and not the clock's, which has one."""
    if not isinstance(variable, ArrayVariable) or variable.constant or variable.size != len(group):
        return False
    return variable.owner.name == group.name


def _pooling_counts(brian_object: SharedProjection | Synapses) -> tuple[NDArray, ...]:
    if isinstance(brian_object, SharedProjection):
        return brian_object.state
    return (brian_object.variables["count"].get_value(),) if "count" in brian_object.variables else ()

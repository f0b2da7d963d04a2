"""The Brian2 network of a plan: neuron groups, input, projections, monitors.

All neurons of all layers and of a whole batch of images live in one NeuronGroup, so that a step costs a few code
objects however deep the network is; max pooling and concatenation are a second group, of relays.

A step is: state update, thresholds, resets, then synapses, so that a reset never erases the input that arrives in the
step of the spike. A population of depth d therefore does in step t + d what a loop without delays does in step t.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import brian2
import numpy as np
from brian2 import Clock, Synapses

from conversion.brian.code_generation import is_own
from conversion.brian.counts import Conductor, Counter, Window, WindowOpener
from conversion.brian.encoding import input_group, input_neurons, output_accumulator
from conversion.brian.groups import (
    NEGATIVE_SPIKE,
    NO_FACTORS,
    SCHEDULE,
    InitialState,
    make_group,
    make_signed,
    relay,
    write_slopes,
)
from conversion.brian.of_layers import initial_factors, matching_of
from conversion.brian.projections import Place, Sender, SharedProjection, unroll_synapses
from conversion.brian.spikes.chance import Chance
from conversion.brian.spikes.events import Cutter, Events
from conversion.brian.spikes.in_flight import InputJitter
from conversion.compiled import GroupLoop
from conversion.delays import delay
from conversion.options import Output
from conversion.plan import ConversionError, Plan, Population, Projection, fan_out
from conversion.recording import check_probe
from conversion.settings import Simulation
from conversion.threads import Together, n_threads
from conversion.variability import unreliable, vary
from models.neurons import Neuron

EVENTS = ("spike", NEGATIVE_SPIKE)
LARGE = 2**17  # neurons of a network, and of a group, from which on threads may share its step


@dataclass(frozen=True, eq=False)
class SpikingNetwork:
    """A built network for batches of up to `batch_size` images, ready to be shown them by `run`."""

    plan: Plan
    simulation: Simulation
    network: brian2.Network
    clock: Clock
    neurons: Mapping[str, Neuron]
    groups: Mapping[str, brian2.Group]
    loops: Mapping[str, GroupLoop]
    places: Mapping[str, Place]
    projections: tuple[tuple[Projection, SharedProjection | Synapses], ...]
    conductor: Conductor
    opener: WindowOpener
    chance: Chance
    counter: Counter
    initial_states: Mapping[str, InitialState]
    backgrounds: Mapping[str, float]
    gains: Mapping[str, float]
    jitter: InputJitter | None = None

    @property
    def period(self) -> int:
        """Steps per batch: the window, and the way from the input to the output."""
        return self.counter.steps + self.plan.output.depth


def build(plan: Plan, simulation: Simulation, batch_size: int, by_hand: bool = False) -> SpikingNetwork:
    """Make the Brian2 objects of a plan, with the delays of a simulation, for batches of `batch_size` images.

    `by_hand`, an image may be shown for longer than the window, and currents may be written that nobody foresees.
    """
    at_input = simulation.encoder.spikes_at_input
    plan = delay(plan, simulation.delays, simulation.dt, simulation.network_seed, at_input)
    plan = unreliable(plan, simulation.variability, simulation.network_seed, simulation.memory_limit)
    clock, members = Clock(simulation.dt, name="network_clock"), members_of(plan, simulation.output)
    neurons = _models(plan, simulation, members)
    backgrounds, gains = matching_of(simulation, members)
    groups = _groups(plan, simulation, neurons, members, batch_size, clock)
    _check_currents(groups, simulation, backgrounds)
    places = places_of(members, groups, neurons, batch_size, plan.slopes)
    chance = Chance(clock)
    projections = tuple(_projections(plan, places, neurons, gains, simulation, clock, chance, by_hand))
    counter = _counter(plan, simulation, places, clock)
    opener, conductor = WindowOpener(clock), Conductor(clock, counter.steps + plan.output.depth)
    if not (by_hand or backgrounds or simulation.half_threshold_offset or _is_driven(plan, simulation)):
        _skip_idle_updates(groups, neurons)
    looped = {name: group for name, group in groups.items() if group.contained_objects and is_own()}
    loops = {name: GroupLoop(group, SCHEDULE, _n_parts(group)) for name, group in looped.items()}
    cutter = Cutter(list({id(s.events): s.events for place in places.values() for s in place.senders}.values()), clock)
    network = brian2.Network(
        *groups.values(), *loops.values(), *(p for _, p in projections), conductor, cutter, counter, opener, chance
    )
    network.schedule = SCHEDULE
    if n_threads() > 1 and sum(map(len, groups.values())) >= LARGE:
        network.add(*_at_once(loops, projections))
    jitter = _jitter(plan, simulation, groups, clock)
    network.add(*filter(None, [jitter]))
    own = {"neurons": initial_factors(plan, simulation, members["neurons"], places, batch_size)}
    initial_states = {
        name: InitialState(groups[name], neurons[name], own.get(name, NO_FACTORS))
        for name in neurons.keys() & groups.keys()
    }
    return SpikingNetwork(
        plan, simulation, network, clock, neurons, groups, loops, places, projections, conductor, opener, chance,
        counter, initial_states, backgrounds, gains, jitter,
    )  # fmt: skip


def _jitter(plan: Plan, simulation: Simulation, groups: Mapping[str, brian2.Group], clock: Clock) -> InputJitter | None:
    if not float(simulation.delays.jitter) > 0 or "input" not in groups:
        return None
    events = tuple(event for event in EVENTS if f"_{event}space" in groups["input"].variables)
    sd, lag = float(simulation.delays.jitter / simulation.dt), simulation.delays.jitter_lag(simulation.dt)
    return InputJitter(groups["input"], events, plan.populations[0].size, sd, lag, clock)


def _models(plan: Plan, simulation: Simulation, members: Mapping[str, Iterable[Population]]) -> dict[str, Neuron]:
    """The neuron model of each group, also of the input, where that is one."""
    neurons = {
        "neurons": vary(simulation.neuron, simulation.variability),
        "relays": relay(),
        "outputs": output_accumulator(simulation.encoder, simulation.neuron),
    }
    return {**neurons, **make_signed(plan, neurons, members), **input_neurons(simulation.encoder)}


def _groups(
    plan: Plan, simulation: Simulation, neurons: Mapping[str, Neuron],
    members: Mapping[str, Sequence[Population]], batch_size: int, clock: Clock,
) -> dict[str, brian2.Group]:  # fmt: skip
    """The groups that are not empty, with the slopes of signed neurons; the input comes last."""
    sizes = {name: batch_size * sum(p.size for p in populations) for name, populations in members.items()}
    spiking = [name for name in neurons if name != "input" and sizes[name]]
    groups: dict[str, brian2.Group] = {name: make_group(name, neurons[name], sizes[name], clock) for name in spiking}
    write_slopes(plan, neurons, groups, members, batch_size)
    return groups | dict(input_group(simulation.encoder, sizes["input"], clock))


def _check_currents(
    groups: Mapping[str, brian2.Group], simulation: Simulation, backgrounds: Mapping[str, float]
) -> None:
    """Raise if neurons should get a current that their equations do not know."""
    if simulation.half_threshold_offset:
        _require_variables("an offset of half a threshold", groups, "drive", "v_th")
    if backgrounds:
        _require_variables("a background", groups, "drive")


def _counter(plan: Plan, simulation: Simulation, places: Mapping[str, Place], clock: Clock) -> Counter:
    windows = [
        Window(population, places[population.name], fan_out(plan, population))
        for population in plan.populations
        if population.name in places
    ]
    recorded = {w.population.name: w.population.size for w in windows}
    check_probe(simulation.probe, recorded, accumulates=simulation.output == "accumulating")
    weights = simulation.encoder.spike_weights(simulation.steps)
    return Counter(windows, weights, simulation.read_after, simulation.probe, clock)


def _is_driven(plan: Plan, simulation: Simulation) -> bool:
    """Whether some neuron receives a constant current."""
    return not simulation.encoder.spikes_at_input or any(np.any(bias) for bias in plan.biases.values())


def members_of(plan: Plan, output: Output) -> dict[str, list[Population]]:
    """Which populations are in which group.

    Raises
    ------
    ConversionError
        If an output that should accumulate only relays spikes.
    """
    members: dict[str, list[Population]] = {"input": [], "neurons": [], "relays": [], "outputs": []}
    for population in plan.populations:
        kind = "input" if population.role == "input" else f"{population.role}s"
        apart = population is plan.output and output == "accumulating"
        members["outputs" if apart else kind].append(population)
    if any(population.role == "relay" for population in members["outputs"]):
        raise ConversionError(
            f"{plan.output.name!r} only relays spikes and has no potential to read; let the output spike"
        )
    return members


def _n_parts(group: brian2.Group) -> int:
    return n_threads() if len(group) >= LARGE else 1


def _at_once(
    loops: Mapping[str, GroupLoop], projections: Sequence[tuple[Projection, SharedProjection | Synapses]]
) -> Iterator[Together]:
    """All groups at once, and then all projections but those of the same target, which add to it in their order."""
    if loops:
        parts = [partial(loop.run_part, number) for loop in loops.values() for number in range(loop.n_parts)]
        yield Together("loops", list(loops.values()), parts, [loop.finish for loop in loops.values()])
    shared = [(p, o) for p, o in projections if isinstance(o, SharedProjection)]
    by_target: dict[str, list[SharedProjection]] = {}
    for projection, brian_object in sorted(shared, key=lambda pair: pair[0].name):
        by_target.setdefault(projection.target, []).append(brian_object)
    if shared:
        yield Together("deliveries", [o for _, o in shared], [partial(_run, objects) for objects in by_target.values()])


def _run(objects: Iterable[brian2.BrianObject]) -> None:
    for brian_object in objects:
        brian_object.run()


def _skip_idle_updates(groups: Mapping[str, brian2.Group], neurons: Mapping[str, Neuron]) -> None:
    """Without any drive a potential that does not leak changes by spikes alone, and need not be integrated."""
    for name in neurons.keys() & groups.keys():
        idle = all(str(rhs) == "drive" for _, rhs in groups[name].equations.diff_eq_expressions)
        if idle and neurons[name].refractory == 0 * brian2.ms:
            groups[name].state_updater.active = False


def _require_variables(what: str, groups: Mapping[str, brian2.Group], *names: str) -> None:
    for name in names:
        if "neurons" in groups and name not in groups["neurons"].variables:
            raise ConversionError(f"{what} needs neurons whose equations declare `{name}`")


def places_of(
    members: Mapping[str, Iterable[Population]],
    groups: Mapping[str, brian2.Group],
    neurons: Mapping[str, Neuron],
    batch_size: int,
    signed: Container[str] = (),
) -> dict[str, Place]:
    """Where each population is; those named in `signed` send negative spikes too."""
    places = {}
    for name, group in groups.items():
        bounds = np.cumsum([0, *(batch_size * population.size for population in members[name])]).tolist()
        events = [Events(group, event, bounds) for event in EVENTS if f"_{event}space" in group.variables]
        for p, population in enumerate(members[name]):
            senders = [Sender(e, p) for e in (events if population.name in signed else events[:1])]
            start, stop = bounds[p : p + 2]
            raised, inhibitory, potential = _variables(name, neurons)
            places[population.name] = Place(group, start, stop, raised, potential, tuple(senders), inhibitory)
    return places


def _variables(name: str, neurons: Mapping[str, Neuron]) -> tuple[str, str, str]:
    """The variables of a group that input raises, that negative weights raise, and that is its potential."""
    if name == "input":
        return "", "", ""
    neuron = neurons[name]
    return neuron.input_variable, neuron.inhibitory_variable, neuron.potential or neuron.input_variable


def _projections(
    plan: Plan, places: Mapping[str, Place], neurons: Mapping[str, Neuron], gains: Mapping[str, float],
    simulation: Simulation, clock: Clock, chance: Chance, by_hand: bool,
) -> Iterator[tuple[Projection, SharedProjection | Synapses]]:  # fmt: skip
    shared = SharedProjection if by_hand else partial(SharedProjection, steps=simulation.steps + plan.output.depth)
    make: Callable[..., SharedProjection | Synapses] = (
        shared if simulation.connectivity == "shared" else unroll_synapses
    )
    for projection in plan.projections:
        if projection.source in places:
            target = places[projection.target]
            unit = float(neurons[target.group.name].input_unit) * gains.get(projection.target, 1.0)
            yield projection, make(projection, places[projection.source], target, unit, clock, chance.numbers)

"""The plain-`Synapses` network for Brian2's other devices: C++ standalone, and with their packages CUDA and GeNN.

Without the Python objects of `conversion.brian.network` the windows are in the equations: see `windowed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import brian2
import numpy as np
from brian2 import Clock, Equations, Hz, PoissonGroup, Quantity
from brian2.equations.equations import BOOLEAN, DIFFERENTIAL_EQUATION, INTEGER, PARAMETER, SingleEquation
from brian2.units.fundamentalunits import get_unit
from numpy.typing import NDArray

from conversion.brian.encoding import check_encoder, max_rate, output_accumulator
from conversion.brian.groups import (
    SCHEDULE,
    initialise,
    make_group,
    make_signed,
    relay,
    write_slopes,
)
from conversion.brian.network import members_of, places_of
from conversion.brian.projections import unroll_synapses
from conversion.delays import delay
from conversion.plan import ConversionError, by_neuron, constant_currents, make_plan
from conversion.refusals import refused
from conversion.settings import Simulation
from models.encoders import ConstantCurrent, Poisson
from models.graph import INPUT, Array, Graph
from models.neurons import Neuron

OPEN = "t_in_timesteps >= window_opens"


@dataclass(frozen=True, eq=False)
class DeviceNetwork:
    """Brian2 objects, ready to be run once, and where each population is: its group, and its part of it."""

    network: brian2.Network
    duration: Quantity
    places: Mapping[str, tuple[brian2.Group, slice]]

    def run(self) -> None:
        """Run until the output's window ends, or on a device that compiles, build and run."""
        with (
            refused("run the neurons as they are written"),
            np.errstate(over="ignore"),
        ):  # see conversion.brian.presentation
            self.network.run(self.duration, namespace={})

    def spike_counts(self, name: str) -> NDArray[np.int32]:
        """Spikes of a population in its window after the run, all images one after another, in the engine's order.

        Negative spikes are taken away.
        """
        group, part = self.places[name]
        return np.asarray(group.window_count[:])[part]


def windowed(neuron: Neuron, steps: int) -> Neuron:
    """The neuron that waits in its initial state until its window opens, and counts its spikes while that is open.

    The window opens in step `window_opens` of the network and is open for so many `steps`.
    """
    equations = Equations(neuron.equations)
    states = [e for e in equations.values() if e.type == DIFFERENTIAL_EQUATION or _is_free(e)]
    start = {e.varname: f"{e.varname}_at_start" for e in states}
    kept = [f"{start[e.varname]} : {_unit(e)} (constant)" for e in states]
    held = [f"{x} = int(t_in_timesteps < window_opens) * {x_0} + int({OPEN}) * {x}" for x, x_0 in start.items()]
    counting = "window_count {} int(t_in_timesteps < window_opens + window_steps)"
    negative = f"({neuron.negative_threshold}) and {OPEN}" if neuron.is_signed else ""
    return replace(
        neuron,
        equations="\n".join([neuron.equations, *kept, "window_opens : integer (constant)", "window_count : integer"]),
        threshold=f"({neuron.threshold}) and {OPEN}",
        reset="\n".join([neuron.reset, counting.format("+=")]),
        negative_threshold=negative,
        negative_reset="\n".join([neuron.negative_reset, counting.format("-=")]) if negative else "",
        every_step="\n".join([neuron.every_step, *held]),
        initial={**neuron.initial, **{x_0: x for x, x_0 in start.items()}, "window_opens": "0", "window_count": "0"},
        parameters={**neuron.parameters, "window_steps": steps},
    )


def _is_free(equation: SingleEquation) -> bool:
    """Whether it is a number that statements may change."""
    return bool(equation.type == PARAMETER and "constant" not in equation.flags and equation.var_type != BOOLEAN)


def _unit(equation: SingleEquation) -> str:
    return "integer" if equation.var_type == INTEGER else repr(get_unit(equation.dim))


def device_network(graph: Graph, images: Array, simulation: Simulation) -> DeviceNetwork:
    """The network of a graph, fed with Poisson spikes or constant currents, for the active Brian2 device.

    Raises
    ------
    ConversionError
        If the input is anything else, the neurons do not read it, or another setting asks for what a device does not
        do.
    """
    _require_plain(simulation)
    neuron, dt, encoder = simulation.neuron, simulation.dt, simulation.encoder
    plan = make_plan(graph, signed=neuron.is_signed)
    check_encoder(encoder, neuron, plan, dt)
    plan = delay(plan, simulation.delays, dt, simulation.network_seed, encoder.spikes_at_input)
    clock, rate = Clock(dt, name="network_clock"), float(max_rate(encoder, dt))
    members = members_of(plan, simulation.output)
    neurons = {"neurons": neuron, "relays": relay(), "outputs": output_accumulator(encoder, neuron)}
    neurons |= make_signed(plan, neurons, members)
    neurons = {name: windowed(neuron, simulation.steps) for name, neuron in neurons.items() if members[name]}
    sizes = {name: len(images) * sum(p.size for p in populations) for name, populations in members.items()}
    groups: dict[str, brian2.Group] = {name: make_group(name, neurons[name], sizes[name], clock) for name in neurons}
    for name, group in groups.items():
        initialise(group, neurons[name])
        opens = [np.full(len(images) * p.size, p.depth) for p in members[name]]
        group.window_opens = np.concatenate(opens)
    write_slopes(plan, neurons, groups, members, len(images))
    found = constant_currents(graph, plan, images, encoder.spikes_at_input)
    if "neurons" in groups:
        _write_drive(groups["neurons"], [rate * found[p.name].ravel() for p in members["neurons"]], neuron)
    if encoder.spikes_at_input:
        rates = by_neuron(images, graph.input_shape).ravel() * rate * Hz
        groups["input"] = PoissonGroup(sizes["input"], rates, clock=clock, name="input", namespace={})
    places = places_of(members, groups, neurons, len(images), plan.slopes)
    synapses = [
        unroll_synapses(
            p, places[p.source], places[p.target], float(neurons[places[p.target].group.name].input_unit), clock
        )
        for p in plan.projections
        if p.source in places
    ]
    network = brian2.Network(*groups.values(), *synapses)
    network.schedule = SCHEDULE
    counted = {n: (place.group, slice(place.start, place.stop)) for n, place in places.items() if n != INPUT}
    return DeviceNetwork(network, (simulation.steps + plan.output.depth) * dt, counted)


def _write_drive(group: brian2.Group, activations: Sequence[Array], neuron: Neuron) -> None:
    """The constant current of every neuron, for activations per second of one population after another."""
    drive = np.concatenate(activations) * float(neuron.current_unit) + neuron.background
    if "drive" in group.variables:
        group.drive_ = drive
    elif np.any(drive):
        raise ConversionError("there is a bias, a current or a background, but the equations declare no `drive`")


def _require_plain(simulation: Simulation) -> None:
    """Raise unless a simulation asks for nothing but Poisson spikes or currents, neurons, a window and a step."""
    if type(simulation.encoder) not in (Poisson, ConstantCurrent):
        kind = type(simulation.encoder).__name__
        raise ConversionError(f"a device is fed with Poisson spikes or a constant current, not with {kind}")
    plain = Simulation(neuron=simulation.neuron, encoder=simulation.encoder, duration=simulation.duration)
    if jitter := float(simulation.delays.jitter):
        raise ConversionError(f"the jitter is {jitter} s, which a device network does not do; use conversion.simulate")
    names = ("output", "read_at", "probe", "thresholds", "backgrounds", "gains", "half_threshold_offset", "variability")
    for name in names:
        if (value := getattr(simulation, name)) != getattr(plain, name):
            raise ConversionError(f"{name} is {value!r}, which a device network does not do; use conversion.simulate")

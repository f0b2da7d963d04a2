"""The plain-`Synapses` network for Brian2's other devices: C++ standalone, and with their packages CUDA and GeNN.

Without the Python objects of `conversion.brian.network` there are no windows: all layers are counted over the same
steps, and layer l answers l steps late. So this is for measuring a device and for editing, not for reading a short
window exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import brian2
import numpy as np
from brian2 import Clock, EventMonitor, PoissonGroup, Quantity, SpikeMonitor
from numpy.typing import NDArray

from conversion.brian.encoding import check_encoder, max_rate, output_accumulator
from conversion.brian.groups import (
    NEGATIVE_SPIKE,
    SCHEDULE,
    initialise,
    make_group,
    make_signed,
    relay,
    write_slopes,
)
from conversion.brian.network import members_of, places_of
from conversion.brian.projections import unroll_synapses
from conversion.plan import ConversionError, make_plan, neuron_order
from conversion.refusals import refused
from conversion.settings import Simulation
from models.encoders import Poisson
from models.graph import Array, Graph


@dataclass(frozen=True, eq=False)
class DeviceNetwork:
    """Brian2 objects, ready to be run once, and monitors of the spikes and negative spikes of each neuron per group."""

    network: brian2.Network
    duration: Quantity
    monitors: Mapping[str, SpikeMonitor]
    negative: Mapping[str, EventMonitor]
    slices: Mapping[str, tuple[str, slice]]

    def run(self) -> None:
        """Run for the duration, or on a device that compiles, build and run."""
        with (
            refused("run the neurons as they are written"),
            np.errstate(over="ignore"),
        ):  # see conversion.brian.presentation
            self.network.run(self.duration, namespace={})

    def spike_counts(self, name: str) -> NDArray[np.int32]:
        """Spikes of a population after the run, all images one after another, in the engine's order.

        Negative spikes are taken away.
        """
        group, part = self.slices[name]
        counts = np.asarray(self.monitors[group].count)[part]
        return counts - np.asarray(self.negative[group].count)[part] if group in self.negative else counts


def device_network(graph: Graph, images: Array, simulation: Simulation) -> DeviceNetwork:
    """The network of a graph without biases, fed with Poisson spikes, for the active Brian2 device.

    Raises
    ------
    ConversionError
        If a layer has a bias: without windows its current would start before its input. If the input is not Poisson
        spikes, the neurons do not read them, or another setting asks for what a device does not do.
    """
    _require_plain(simulation)
    neuron, dt = simulation.neuron, simulation.dt
    plan = make_plan(graph, signed=neuron.is_signed)
    check_encoder(simulation.encoder, neuron, plan, dt)
    biased = [name for name, bias in plan.biases.items() if np.any(bias)]
    if biased:
        raise ConversionError(f"{biased[0]!r} has a bias, which needs the windows of conversion.simulate")
    clock = Clock(dt, name="network_clock")
    neurons = {"neurons": neuron, "relays": relay(), "outputs": output_accumulator(simulation.encoder, neuron)}
    members = members_of(plan, simulation.output)
    neurons |= make_signed(plan, neurons, members)
    sizes = {name: len(images) * sum(p.size for p in populations) for name, populations in members.items()}
    groups = {name: make_group(name, neurons[name], sizes[name], clock) for name in neurons if sizes[name]}
    for name, group in groups.items():
        initialise(group, neurons[name])
    write_slopes(plan, neurons, groups, members, len(images))
    pixels = images.reshape(len(images), -1)[:, np.argsort(neuron_order(graph.input_shape))].ravel()
    rates = pixels * max_rate(simulation.encoder, dt)
    groups["input"] = PoissonGroup(sizes["input"], rates, clock=clock, name="input", namespace={})
    places = places_of(members, groups, neurons, len(images), plan.slopes)
    synapses = [
        unroll_synapses(
            p, places[p.source], places[p.target], float(neurons[places[p.target].group.name].input_unit), clock
        )
        for p in plan.projections
    ]
    monitors = {name: SpikeMonitor(group, record=False, name=f"{name}_count") for name, group in groups.items()}
    negative = {
        name: EventMonitor(group, NEGATIVE_SPIKE, record=False, name=f"{name}_negative_count")
        for name, group in groups.items()
        if NEGATIVE_SPIKE in group.events
    }
    network = brian2.Network(*groups.values(), *synapses, *monitors.values(), *negative.values())
    network.schedule = SCHEDULE
    slices = {name: (place.group.name, slice(place.start, place.stop)) for name, place in places.items()}
    return DeviceNetwork(network, simulation.duration, monitors, negative, slices)


def _require_plain(simulation: Simulation) -> None:
    """Raise unless a simulation asks for nothing but Poisson spikes, neurons, a window and a step."""
    if type(simulation.encoder) is not Poisson:
        raise ConversionError(f"a device is fed with Poisson spikes, not with {type(simulation.encoder).__name__}")
    if simulation.neuron.background:
        raise ConversionError(
            "the neurons have a background, which a device network does not give; use conversion.simulate"
        )
    plain = Simulation(neuron=simulation.neuron, encoder=simulation.encoder, duration=simulation.duration)
    if simulation.delays:
        raise ConversionError("a device network has no windows that delays could move; use conversion.simulate")
    for name in ("output", "read_at", "probe", "thresholds", "backgrounds", "gains", "half_threshold_offset"):
        if (value := getattr(simulation, name)) != getattr(plain, name):
            raise ConversionError(f"{name} is {value!r}, which a device network does not do; use conversion.simulate")

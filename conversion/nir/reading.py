"""A NIR graph as a network and its neurons. NIRGraph -> Graph, Neuron and the settings that go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import nir
import numpy as np
from brian2 import Hz, Quantity, second

from conversion.delays import Delays
from conversion.nir.building import add_neurons, input_draft
from conversion.nir.chains import INTEGRATORS, NEURONS, chains_into, sources_of
from conversion.nir.membrane import neuron_of, output_with_leak
from conversion.nir.parameters import common_membrane, parameters_of
from conversion.nir.writing import Spike
from conversion.options import Output
from conversion.plan import ConversionError
from conversion.settings import Simulation
from models.encoders import Encoder
from models.graph import INPUT, Graph
from models.neurons import Neuron


@dataclass(frozen=True, eq=False, kw_only=True)
class FromNIR:
    """What a NIR graph says, in our words.

    Parameters
    ----------
    graph, neuron, thresholds, delays, output : Graph, Neuron, ...
        As `conversion.settings.Simulation` takes them.
    dt, max_rate : Quantity
        Time step, and the rate of the activation 1, for which the biases of `graph` are meant.
    notes : tuple of str
        Where ours will not do exactly what NIR says.
    """

    graph: Graph
    neuron: Neuron
    thresholds: Mapping[str, float]
    delays: Delays
    output: Output
    dt: Quantity
    max_rate: Quantity
    notes: tuple[str, ...]

    def simulation(self, encoder: Encoder, duration: Quantity, **others: Any) -> Simulation:
        """The settings with which `simulate` runs it; the rate of the encoder should be `max_rate`."""
        return Simulation(
            neuron=self.neuron, thresholds=self.thresholds, delays=self.delays, output=self.output, dt=self.dt,
            encoder=encoder, duration=duration, **others,
        )  # fmt: skip


def from_nir(
    network: nir.NIRGraph, *, spike: Spike | None = None, dt: Quantity | None = None, max_rate: Quantity | None = None
) -> FromNIR:
    """The network of a NIR graph, whoever wrote it; see `conversion.nir` for what its numbers stand for.

    Parameters
    ----------
    network : nir.NIRGraph
    spike : {"step", "dirac"}, optional
        What a spike is, if the graph's metadata do not say.
    dt : Quantity, optional
        The time step, likewise.
    max_rate : Quantity, optional
        The rate for which the biases are meant, likewise; by default that of a spike in every step.

    Raises
    ------
    ConversionError
        If there is something that does not convert; it names the node.
    """
    spike, step, rate = _said(network, spike, dt, max_rate)
    area, sources = step if spike == "step" else 1.0, sources_of(network)
    ends = _ends(network, sources)
    parameters = {name: parameters_of(name, network.nodes[name], area) for name in ends}
    membrane = common_membrane(parameters)
    (entrance,) = (name for name, node in network.nodes.items() if isinstance(node, nir.Input))
    shape = tuple(np.asarray(network.nodes[entrance].input_type["input"]).tolist())
    draft = input_draft(area, rate, entrance, shape)
    for name in ends:
        add_neurons(draft, network, list(chains_into(name, network, sources)), parameters[name], membrane.v_th)
    accumulates = isinstance(network.nodes[ends[-1]], INTEGRATORS)
    neuron = output_with_leak(neuron_of(membrane), parameters[ends[-1]].tau_m) if accumulates else neuron_of(membrane)
    if draft.thresholds and membrane.v_reset:
        name, *_ = draft.thresholds
        raise ConversionError(f"{name!r} has a scale of its own and a v_reset that is not 0; give it weights")
    return FromNIR(
        graph=Graph(shape, tuple(draft.layers)), neuron=neuron, thresholds=draft.thresholds,
        delays=_delays(draft.lates), output="accumulating" if accumulates else "spiking", dt=step * second,
        max_rate=rate * Hz, notes=tuple(draft.notes),
    )  # fmt: skip


def _said(
    network: nir.NIRGraph, spike: Spike | None, dt: Quantity | None, max_rate: Quantity | None
) -> tuple[Spike, float, float]:
    """What a spike is, the step in seconds and the rate in Hz, as given or as the file says."""
    said = network.metadata
    spike, step = spike or said.get("spike"), said.get("dt") if dt is None else float(dt)
    if spike not in get_args(Spike):
        raise ConversionError(
            f"the file does not say what a spike is, and spike is {spike!r}; give 'step', the value 1 for a step, or "
            "'dirac', a pulse of area 1 (--spike)"
        )
    if step is None or not step > 0:
        raise ConversionError(
            f"the file says no time step, and dt is {step}; give the one it was written for (--dt-ms)"
        )
    rate = float(said.get("max_rate", 1 / step) if max_rate is None else max_rate)
    return spike, float(step), rate


def _ends(network: nir.NIRGraph, sources: Mapping[str, Sequence[str]]) -> list[str]:
    """The nodes of neurons, the output as the last."""
    ends = [name for name in sources if isinstance(network.nodes[name], NEURONS + INTEGRATORS)]
    (exit_,) = (name for name, node in network.nodes.items() if isinstance(node, nir.Output))
    last = sources[exit_]
    if len(last) != 1 or last[0] not in ends:
        raise ConversionError(f"the output reads {list(last)}; it must read one node of neurons: put an I before it")
    for name in ends:
        if isinstance(network.nodes[name], INTEGRATORS) and name != last[0]:
            raise ConversionError(f"node {name!r} hands on a potential; only the output has one here: make it spike")
    return [*(name for name in ends if name != last[0]), last[0]]


def _delays(lates: Sequence[tuple[str, str, float]]) -> Delays:
    """The delay of the spikes of each layer; ways that meet have to meet in step, as ours do."""
    own: dict[str, float] = {}
    for source, _, late in lates:
        own[source] = min(late, own.get(source, late))
    shifts = {INPUT: 0.0}
    for source, target, _ in lates:
        shifts[target] = max(shifts.get(target, 0.0), shifts[source] + own[source])
    for source, target, late in lates:
        if not np.isclose(shifts[target] - shifts[source], late, atol=1e-9):
            wanted = shifts[target] - shifts[source]
            raise ConversionError(
                f"spikes of {source!r} reach {target!r} after {late:g} s and those of a longer way meet them; ways "
                f"that meet do so in step here: make it {wanted:g} s"
            )
    return Delays({name: late * second for name, late in own.items() if late})

"""A network and its neurons as NIR. Graph x Simulation -> NIRGraph."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import nir
import numpy as np
from numpy.typing import NDArray

from conversion.brian import max_rate
from conversion.delays import delay
from conversion.nir.losses import Loss, losses_of, refuse
from conversion.nir.membrane import Membrane, membrane_of
from conversion.nir.nodes import linear_node, neuron_node, scaling_node, without_max_pooling
from conversion.plan import ConversionError, Plan, Population, Projection, make_plan
from conversion.settings import Simulation
from models.graph import INPUT, Add, Conv2d, Dense, Graph
from models.onnx_io import free_name
from models.structure import per_channel

Spike = Literal["step", "dirac"]


@dataclass(frozen=True)
class Draft:
    """Nodes and edges so far; `places` says which node puts out what a population sends, as it is, late or flat."""

    area: float
    rate: float
    nodes: dict[str, nir.NIRNode] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    places: dict[tuple[str, float, bool], str] = field(default_factory=dict)
    lost: list[Loss] = field(default_factory=list)

    def add(self, name: str, node: nir.NIRNode, *sources: str, **metadata: str) -> str:
        """Add a node under a name that every reader takes; `metadata` keeps ours."""
        name = free_name(re.sub(r"\W", "_", name), self.nodes)
        node.metadata = metadata
        self.nodes[name] = node
        self.edges.extend((source, name) for source in sources)
        return name


def to_nir(graph: Graph, simulation: Simulation, *, lossy: bool = False, spike: Spike = "step") -> nir.NIRGraph:
    """What `simulate` would simulate, as NIR; what each number stands for is derived in `conversion.nir`.

    Parameters
    ----------
    graph : Graph
        Normalised or not.
    simulation : Simulation
        Its neuron, step, delays, thresholds, backgrounds, gains and output, and the rate of its input code.
    lossy : bool
        Write also what NIR cannot say in full; what is lost is in `metadata["lost"]`, in words.
    spike : {"step", "dirac"}
        Whether a spike is the value 1 for a step, or a Dirac pulse.

    Raises
    ------
    ConversionError
        If something would be lost and `lossy` does not allow it, or there is no way to write it.
    """
    dt, rate = float(simulation.dt), float(max_rate(simulation.encoder, simulation.dt))
    if spike not in ("step", "dirac"):
        raise ConversionError(f"spike is {spike!r}; known are 'step', 'dirac'")
    membrane, lost = membrane_of(simulation.neuron)
    graph, pooled = without_max_pooling(graph)
    plan = make_plan(graph)
    delay(plan, simulation.delays, simulation.dt, spikes_at_input=simulation.encoder.spikes_at_input)  # checks them
    draft = Draft(dt if spike == "step" else 1.0, rate, lost=[*lost, *losses_of(simulation), *pooled])
    draft.places[INPUT, 0.0, False] = draft.add("input", nir.Input(np.array(graph.input_shape)))
    shifts = _shifts(plan, simulation)
    for population in plan.populations[1:]:
        _add_population(draft, graph, plan, population, _membrane_at(population, membrane, simulation, plan), shifts)
    output = draft.places[plan.output.name, 0.0, False]
    draft.add("output", nir.Output(np.array(plan.output.shape)), output)
    if not lossy:
        refuse(draft.lost)
    metadata = {"writer": "brianize", "spike": spike, "dt": dt, "max_rate": rate}
    metadata |= {"lost": "; ".join(loss.what for loss in draft.lost)} if draft.lost else {}
    return nir.NIRGraph(draft.nodes, draft.edges, metadata=metadata)


def _membrane_at(population: Population, membrane: Membrane, simulation: Simulation, plan: Plan) -> Membrane | None:
    """That of a layer, whose spikes of weight 1 may add more; None where the output only accumulates."""
    if population is plan.output and simulation.output == "accumulating":
        return None
    name, gain = population.name, simulation.gains.get(population.name, 1.0)
    background = simulation.backgrounds.get(name, simulation.neuron.background) / float(simulation.neuron.current_unit)
    v_th = membrane.v_th * simulation.thresholds.get(name, 1.0)
    return replace(membrane, v_th=v_th / gain, v_reset=membrane.v_reset / gain, background=background / gain)


def _shifts(plan: Plan, simulation: Simulation) -> Mapping[str, float]:
    """In seconds, by how much delays put off each population; paths meet in step, as ours do, so that some wait."""
    mean, shifts = simulation.delays.mean, {INPUT: 0.0}
    own = {p.name: float(mean.get(p.name, 0.0) if isinstance(mean, Mapping) else mean) for p in plan.populations}
    if not simulation.encoder.spikes_at_input:
        own[INPUT] = 0.0
    for p in plan.populations[1:]:
        shifts[p.name] = max(shifts[q.source] + own[q.source] for q in plan.projections if q.target == p.name)
    return shifts


def _add_population(
    draft: Draft, graph: Graph, plan: Plan, population: Population, membrane: Membrane | None,
    shifts: Mapping[str, float],
) -> None:  # fmt: skip
    """Its synapses, then its neurons, and which currents both of them bring."""
    name = population.name
    background = 0.0 if membrane is None else membrane.background
    incoming = [p for p in plan.projections if p.target == name]
    through_synapse = membrane is not None and membrane.tau_s > 0
    weighted = all(isinstance(p.layer, Conv2d | Dense) for p in incoming)
    scale = draft.area / membrane.tau_s if membrane is not None and through_synapse and weighted else 1.0
    current = draft.rate * plan.biases[name].astype(np.float64) + background
    missing, sources = current.copy(), list[str]()
    for projection in incoming:
        bias = None if through_synapse else _carried(projection, draft.rate, background)
        if bias is not None:
            missing -= per_channel(bias, len(population.shape))
            background = 0.0
        late = shifts[name] - shifts[projection.source]
        sources.append(_add_path(draft, plan, projection, late, scale, bias, sources))
    rounded = np.abs(missing) <= 1e-6 * np.abs(current).max()
    leak = _leak(draft, population, membrane, np.where(rounded, 0.0, missing))
    neuron = neuron_node(membrane, population.shape, leak, draft.area, 1 / scale)
    layer = graph[name]
    linear = isinstance(layer, Conv2d | Dense | Add) and layer.activation.is_linear
    ours = {"layer": name} | ({"activation": "linear"} if linear else {})
    draft.places[name, 0.0, False] = draft.add(f"{name}_neurons", neuron, *sources, **ours)


def _carried(projection: Projection, rate: float, background: float) -> NDArray[np.float64] | None:
    """The current per second and channel that the node of a projection can bring; None if it has no bias."""
    layer = projection.layer
    if not isinstance(layer, Conv2d | Dense) or (layer.bias is None and not background):
        return None
    bias = np.zeros(len(layer.weight)) if layer.bias is None else layer.bias.astype(np.float64)
    return rate * bias.reshape(len(bias), -1).mean(axis=1) + background


def _leak(
    draft: Draft, population: Population, membrane: Membrane | None, missing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The `v_leak` that brings the rest of the current; a neuron that does not leak goes without."""
    if not missing.any():
        return np.zeros(population.shape)
    if membrane is not None and math.isfinite(membrane.tau_m):
        return membrane.tau_m * missing
    what = f"a constant current into {population.name!r} that is no bias of a channel"
    draft.lost.append(Loss(what, "use 'lif', or a network and a matching without"))
    return np.zeros(population.shape)


def _add_path(
    draft: Draft, plan: Plan, projection: Projection, late: float, scale: float, bias: NDArray[np.float64] | None,
    others: Sequence[str],
) -> str:  # fmt: skip
    """The nodes of a projection but for the neurons at its ends; the name of the last, which is none of the others."""
    populations = {p.name: p for p in plan.populations}
    source, target = populations[projection.source], populations[projection.target]
    place = _place(draft, source, late, flat=len(source.shape) > len(target.shape))
    node = linear_node(projection.layer, source.shape, target.shape, scale, bias, draft.area, draft.lost)
    if node is None and place not in others:
        return place
    layer = projection.layer.name
    if isinstance(projection.layer, Add):
        once_more = scaling_node(np.ones(target.shape[0], np.float32), target.shape)  # NIR has no edge twice
        return draft.add(f"{layer}_from_{source.name}", node or once_more, place)
    assert node is not None
    return draft.add(layer, node, place, layer=layer)


def _place(draft: Draft, source: Population, late: float, flat: bool) -> str:
    """The node that puts out the spikes of a population so much later, as a vector if it must be one."""
    late = round(late, 12)
    key = (source.name, late, flat)
    if key in draft.places:
        return draft.places[key]
    if flat:
        before = _place(draft, source, late, False)
        node: nir.NIRNode = nir.Flatten(np.array(source.shape), start_dim=0, end_dim=-1)
        name = f"{source.name}_flat"
    else:
        before = draft.places[source.name, 0.0, False]
        node, name = nir.Delay(np.full(source.shape, late, np.float32)), f"{source.name}_late"
    draft.places[key] = draft.add(name, node, before)
    return draft.places[key]

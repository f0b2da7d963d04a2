"""What lies between neurons in a NIR graph: every way from the spikes of one node to the neurons of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import nir

from conversion.plan import ConversionError

NEURONS = (nir.IF, nir.LIF, nir.CubaLIF)
INTEGRATORS = (nir.I, nir.LI)
BETWEEN = (nir.Affine, nir.Linear, nir.Conv2d, nir.SumPool2d, nir.AvgPool2d, nir.Scale, nir.Flatten, nir.Delay)
ENDS = (*NEURONS, *INTEGRATORS, nir.Input)
WORDS = (*ENDS, *BETWEEN, nir.Output)


@dataclass(frozen=True)
class Chain:
    """The nodes between two ends, in the order in which a spike passes them."""

    source: str
    target: str
    between: tuple[str, ...]


def sources_of(network: nir.NIRGraph) -> Mapping[str, Sequence[str]]:
    """What each node reads, in an order in which each comes after what it reads.

    Raises
    ------
    ConversionError
        If a node is none that we have, there are loops, or there is not one input and one output.
    """
    for name, node in network.nodes.items():
        if not isinstance(node, WORDS):
            known = ", ".join(word.__name__ for word in WORDS)
            raise ConversionError(
                f"node {name!r} is a {type(node).__name__}, which has no place here; known are {known}"
            )
    for kind in (nir.Input, nir.Output):
        names = [name for name, node in network.nodes.items() if isinstance(node, kind)]
        if len(names) != 1:
            raise ConversionError(f"the graph has {len(names)} nodes {kind.__name__}, {names}; it must have one")
    sources: dict[str, list[str]] = {name: [] for name in network.nodes}
    for before, after in network.edges:
        sources[after].append(before)
    try:
        return {name: sources[name] for name in TopologicalSorter(sources).static_order()}
    except CycleError as error:
        loop = ", ".join(map(repr, error.args[1]))
        raise ConversionError(f"nodes {loop} are a loop; only networks without recurrence convert") from None


def chains_into(name: str, network: nir.NIRGraph, sources: Mapping[str, Sequence[str]]) -> Iterator[Chain]:
    """Every way that ends in a node of neurons; where edges meet on the way, they add, and so do the ways."""
    yield from (Chain(source, name, between) for source, between in _ways(name, network, sources))


def _ways(
    name: str, network: nir.NIRGraph, sources: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not sources[name]:
        raise ConversionError(f"node {name!r} reads nothing; connect it, or leave it out")
    for before in sources[name]:
        if isinstance(network.nodes[before], ENDS):
            yield before, ()
        else:
            yield from ((source, (*between, before)) for source, between in _ways(before, network, sources))

"""What a step of a large network costs, and where its time goes: the rows of three tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from brian2 import ms
from matplotlib.figure import Figure
from tqdm import tqdm

from conversion.brian import SpikingNetwork
from models.graph import Graph
from models.neurons import integrate_and_fire
from studies.bench import large_networks
from studies.bench.stopwatch import Row, Timing, in_own_process, peak_memory_gb, show, spiking
from studies.draw import HATCHES, PALETTE, drawing
from studies.run import simulation_of

Rows = tuple[list[Row], list[Row], list[Row]]
TABLES = ("networks", "network_layers", "network_parts")
YOLO_LITE = "YOLO-LITE"
VGG_RATE = 0.03  # spikes per neuron and step
YOLO_RATE = 0.024  # keeps all layers of Tiny YOLO, whose pooling raises it, between 2 and 5 %
SETTLING = 50  # steps; more than twice the depth of any of them
SETTLING_FROM_ZERO = 300  # neurons of small activation take long to reach their first spike
PARTS = ("input", "neurons", "synapses", "rest")


def measure_networks(missing: Container[str]) -> dict[str, pd.DataFrame]:
    """The tables `TABLES` of all large networks but those that are missing, each in a process of its own.

    So the peak of memory is theirs alone.
    """
    timed: Mapping[str, Callable[[], Rows]] = {"VGG-16": vgg16, YOLO_LITE: yolo_lite, "Tiny YOLO": tiny_yolo}
    tables: dict[str, list[Row]] = {name: [] for name in TABLES}
    for network in tqdm([name for name in timed if name not in missing], desc="networks", unit="network"):
        for table, rows in zip(tables.values(), in_own_process(timed[network]), strict=True):
            table += [{"network": network, **row} for row in rows]
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def vgg16() -> Rows:
    """VGG-16 at full width and an image of CIFAR-10's size as Poisson spikes."""
    return _random(large_networks.vgg16(), VGG_RATE, 300)


def tiny_yolo() -> Rows:
    """Tiny YOLO's layers and an image of 416 x 416 pixels as Poisson spikes."""
    return _random(large_networks.tiny_yolo(), YOLO_RATE, 40)


def yolo_lite() -> Rows:
    """YOLO-LITE's published weights as signed neurons, and a photograph as constant currents."""
    *graph, images = in_own_process(large_networks.prepare_photograph)
    job = large_networks.photograph()
    simulation = replace(simulation_of(job), duration=(SETTLING_FROM_ZERO + 100) * ms)
    return describe(show(Graph(*graph), images, simulation, settling=SETTLING_FROM_ZERO))


def _random(graph: Graph, rate: float, steps: int) -> Rows:
    graph, images = large_networks.make_spiking(graph, rate)
    simulation = spiking(SETTLING + steps, integrate_and_fire(v_init="uniform"))
    return describe(show(graph, images, simulation, settling=SETTLING))


def describe(timing: Timing) -> Rows:
    """The network as a whole, its populations, and the parts of a step, of one image."""
    return [whole(timing)], layers(timing), parts(timing)


def whole(timing: Timing) -> Row:
    """How large the network is, what happens in a step, and its time: the median and the quartiles."""
    low, median, high = np.quantile(timing.step_seconds, (0.25, 0.5, 0.75))
    spikes, synops = timing.per_step.sum(axis=0)
    return {
        "neurons": sum(population.size for population in timing.populations),
        "synapses": sum(int(p.connection.fan_out().sum()) for p, _ in timing.network.projections),
        "spikes_per_step": spikes,
        "synops_per_step": synops,
        "ms_per_step": 1e3 * median,
        "ms_low": 1e3 * low,
        "ms_high": 1e3 * high,
        "synops_per_s": synops / median,
        "peak_gb": peak_memory_gb(),
    }


def layers(timing: Timing) -> list[Row]:
    """Each population, how much of it spikes, and how fast its spikes are delivered to all that it reaches.

    Only the output delivers nothing, and has no rate.
    """
    rows = []
    for population, (spikes, synops) in zip(timing.populations, timing.per_step, strict=True):
        seconds = sum(timing.profile[p.name] for p, _ in timing.network.projections if p.source == population.name)
        rows.append(
            {
                "layer": population.name,
                "neurons": population.size,
                "spikes_per_step": spikes,
                "share_percent": 100 * spikes / population.size,
                "synops_per_step": synops,
                "delivery_ms": 1e3 * seconds,
                "synops_per_s": synops / seconds if seconds else math.nan,
            }
        )
    return rows


def parts(timing: Timing) -> list[Row]:
    """Mean time of each part of a step, and its share of all of them."""
    part_of, seconds = _part_of(timing.network), dict.fromkeys(PARTS, 0.0)
    for name, time in timing.profile.items():
        seconds[part_of.get(name, "rest")] += time
    total = sum(seconds.values())
    return [{"part": p, "ms_per_step": 1e3 * s, "share_percent": 100 * s / total} for p, s in seconds.items()]


def _part_of(network: SpikingNetwork) -> dict[str, str]:
    """The part that each of Brian2's objects belongs to; counters and the like are the rest."""
    found = {projection.name: "synapses" for projection, _ in network.projections}
    for group_name, group in network.groups.items():
        loop = (network.loops[group_name],) if group_name in network.loops else ()
        for item in (group, *group.contained_objects, *loop):
            found[item.name] = "input" if group_name == "input" else "neurons"
    return found


def draw_parts(rows: pd.DataFrame) -> Figure:
    """Where the time of a step goes: a bar per network, from its first part to its last."""
    table = rows.pivot(index="network", columns="part", values="ms_per_step")
    table = table.loc[rows["network"].unique(), rows["part"].unique()]
    with drawing(8, 0.8 + 0.6 * len(table)) as figure:
        axes = figure.subplots()
        ends = table.cumsum(axis=1)
        for part, colour, hatch in zip(table, PALETTE, HATCHES, strict=False):
            axes.barh(
                table.index, table[part], left=ends[part] - table[part], height=0.6, label=part, color=colour,
                hatch=hatch, edgecolor="black", linewidth=0.6,
            )  # fmt: skip
        for row, total in enumerate(table.sum(axis=1)):
            axes.annotate(f"{total:.3g}", (total, row), (5, 0), textcoords="offset points", va="center")
        axes.invert_yaxis()
        axes.margins(x=0.1)
        axes.set(xlabel="time per step (ms)")
        figure.legend(loc="outside right upper", frameon=False)
    return figure

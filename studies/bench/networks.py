"""Large networks under the stopwatch and Brian2's profiler: what a step costs, and where its time goes.

Three functions measure a network each, and return the rows of the tables `TABLES`. Call them through
`studies.bench.throughput.in_own_process`, so that the peak of memory is theirs alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from conversion.brian import SpikingNetwork
from models.datasets import DatasetError, find_file
from models.graph import Array, Graph, Layer, Shape
from models.neurons import integrate_and_fire
from studies.bench import large_networks
from studies.bench.bounds import additions_per_second
from studies.bench.throughput import Row, Timing, cost, in_own_process, peak_memory_gb, show
from studies.declare import load_study
from studies.run import Job, encoder_of, model_path, neuron_of, prepare

Rows = tuple[list[Row], list[Row], list[Row]]
TABLES = ("networks", "network_layers", "network_parts")
VGG_16, YOLO_LITE, TINY_YOLO = "VGG-16", "YOLO-LITE", "Tiny YOLO"
SETTLING = 50  # steps; more than twice the depth of any of them
SETTLING_FROM_ZERO = 300  # neurons of small activation take long to reach their first spike
STEPS_PER_IMAGE = 2500  # of VGG-16 in Sengupta 2019
PARTS = ("input", "state updates", "thresholds", "resets", "synapses", "rest")
SLOTS = {"groups": "state updates", "thresholds": "thresholds", "resets": "resets"}


def vgg16(rate: float, steps: int) -> Rows:
    """VGG-16 at full width and an image of CIFAR-10's size as Poisson spikes, all layers at `rate` spikes per step."""
    return _spiking(large_networks.vgg16(), rate, steps)


def tiny_yolo(side: int, rate: float, steps: int) -> Rows:
    """Tiny YOLO's layers and an image of `side` pixels as Poisson spikes, convolutions at `rate` spikes per step."""
    return _spiking(large_networks.tiny_yolo(side), rate, steps)


def yolo_lite(steps: int) -> Rows:
    """YOLO-LITE's published weights as signed neurons, and a photograph as constant currents."""
    *graph, images = in_own_process(prepared_photograph)
    c = photograph().condition
    timing = show(
        Graph(*graph), images, neuron_of(c), SETTLING_FROM_ZERO + steps, encoder=encoder_of(c), output="accumulating",
        settling=SETTLING_FROM_ZERO, profile=True,
    )  # fmt: skip
    return rows(timing)


def _spiking(graph: Graph, rate: float, steps: int) -> Rows:
    graph, images = large_networks.spiking(graph, rate)
    neuron = integrate_and_fire(v_init="uniform")
    return rows(show(graph, images, neuron, SETTLING + steps, settling=SETTLING, profile=True))


def photograph() -> Job:
    """YOLO-LITE on one photograph: signed neurons, constant current and channel-wise normalisation, as in the study."""
    declared = load_study("detection_photos")
    (c,) = (c for c, variant in declared.variant_of.items() if variant == "channel-wise")
    return Job(replace(c, images=1), declared.folder)


def prepared_photograph() -> tuple[Shape, tuple[Layer, ...], Array]:
    """The normalised network in parts, which a process can hand over, and the image that it reads."""
    prepared = prepare(photograph())
    return prepared.converted.input_shape, prepared.converted.layers, prepared.images


def missing_files() -> str:
    """Why YOLO-LITE cannot be measured here; empty if it can."""
    job = photograph()
    if not model_path(job).is_file():
        return "there is no data/yolo_lite.onnx; python -m models.yolo_lite data/yolo_lite.onnx makes it"
    for name in (job.condition.dataset, job.condition.calibration_dataset):
        try:
            find_file(f"{name}.npz")
        except DatasetError:  # whose message names directories of this machine
            return f"{name}.npz is in no data directory"
    return ""


def rows(timing: Timing) -> Rows:
    """The network as a whole, its populations, and the parts of a step."""
    row = cost(timing, 1)
    whole = {
        "neurons": row["neurons"],
        "synapses": sum(int(p.connection.fan_out().sum()) for p, _ in timing.network.projections),
        **{name: row[name] for name in row if name not in ("batch_images", "neurons")},
        "s_per_2500_steps": 1e-3 * STEPS_PER_IMAGE * row["ms_per_step"],
        "peak_gb": peak_memory_gb(),
    }
    bounds = additions_per_second()
    return [whole | bounds], layers(timing, bounds), parts(timing)


def layers(timing: Timing, bounds: Mapping[str, float]) -> list[Row]:
    """Each population, how much of it spikes, and how fast its spikes are delivered to all that it reaches.

    The bounds are those of adding weights; a synapse of max pooling compares counts instead, and reads three of them.
    """
    return [
        {
            "layer": population.name,
            "neurons": population.size,
            "spikes_per_step": spikes,
            "share_percent": 100 * spikes / population.size,
            "synops_per_step": synops,
            **_delivery(_delivery_seconds(timing, population.name), synops, bounds),
        }
        for population, (spikes, synops) in zip(timing.populations, timing.per_step, strict=True)
    ]


def _delivery_seconds(timing: Timing, source: str) -> float:
    return sum(timing.profile[p.name] for p, _ in timing.network.projections if p.source == source)


def _delivery(seconds: float, synops: float, bounds: Mapping[str, float]) -> Row:
    """Only the output delivers nothing, and has no rate."""
    rate = synops / seconds if seconds else math.nan
    return {
        "delivery_ms": 1e3 * seconds,
        "synops_per_s": rate,
        "percent_of_cache_bound": 100 * rate / bounds["adds_per_s_in_cache"],
        "percent_of_memory_bound": 100 * rate / bounds["adds_per_s_from_memory"],
    }


def parts(timing: Timing) -> list[Row]:
    """Mean time of each part of a step, and its share of all of them."""
    part_of, seconds = _part_of(timing.network), dict.fromkeys(PARTS, 0.0)
    for name, time in timing.profile.items():
        seconds[part_of.get(name, "rest")] += time
    whole = sum(seconds.values())
    return [{"part": p, "ms_per_step": 1e3 * s, "share_percent": 100 * s / whole} for p, s in seconds.items()]


def _part_of(network: SpikingNetwork) -> dict[str, str]:
    """The part that each of Brian2's objects belongs to; counters and the like are the rest."""
    found = {projection.name: "synapses" for projection, _ in network.projections}
    for group_name, group in network.groups.items():
        for item in (group, *group.contained_objects):
            found[item.name] = "input" if group_name == "input" else SLOTS.get(item.when, "rest")
    return found

"""The time of every step, by a stopwatch inside the simulation, and of every Brian2 object, by Brian2's profiler.

So nothing that is paid once is counted: not importing, building or compiling, nor Brian2's fixed cost per run. All of
it runs on one thread. Call what measures through `in_own_process`, one at a time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from brian2 import BrianObject, Clock, Hz, ms
from numpy.typing import NDArray

from conversion.brian import SpikingNetwork, build, max_rate, run
from conversion.plan import Population, make_plan
from conversion.settings import Simulation
from conversion.simulate import make_batch
from conversion.threads import at_most
from models.encoders import Poisson
from models.graph import Array, Graph
from models.neurons import Neuron, integrate_and_fire

Row = dict[str, Any]


def spiking(steps: int, neuron: Neuron | None = None) -> Simulation:
    """Non-leaky neurons, unless others are given, and Poisson input of up to a spike in every step of 1 ms."""
    return Simulation(neuron=neuron or integrate_and_fire(), encoder=Poisson(1000 * Hz), duration=steps * ms)


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a new process: no device, preference or memory of an earlier measurement is there."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


class Stopwatch(BrianObject):
    """Notes the time at the end of every step."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock, when="end", order=1, name="stopwatch")
        self.times: list[float] = []

    def run(self) -> None:
        self.times.append(time.perf_counter())


@dataclass(frozen=True, eq=False)
class Timing:
    """What was noted while batches of images were shown.

    Parameters
    ----------
    network : SpikingNetwork
    ends : array, shape (batches, steps)
        When every step ended, in seconds.
    totals : array, shape (steps, populations, 2)
        Spikes and synaptic operations, the mean over the batches.
    settling : int
        How many steps of the last batch do not count yet.
    profile : mapping of str to float
        Mean seconds that each Brian2 object takes in a step that counts; empty if none does.
    """

    network: SpikingNetwork
    ends: NDArray[np.float64]
    totals: NDArray[np.float64]
    settling: int
    profile: Mapping[str, float]

    @property
    def populations(self) -> list[Population]:
        """Those that spike or accumulate; an input of constant currents is none."""
        return [window.population for window in self.network.counter.windows]

    @property
    def batch_seconds(self) -> NDArray[np.float64]:
        """Of each batch but the first, which warms up."""
        return np.diff(self.ends[:, -1])

    @property
    def step_seconds(self) -> NDArray[np.float64]:
        """Of each step of the last batch that counts, but the first."""
        return np.diff(self.ends[-1][self.settling :])

    @property
    def per_step(self) -> NDArray[np.float64]:
        """Mean spikes and synaptic operations of each population in a step that counts, shape (populations, 2)."""
        return self.totals[self.settling :].mean(axis=0)


def show(
    graph: Graph, images: Array, simulation: Simulation, n_batches: int = 1, settling: int | None = None
) -> Timing:
    """Show the same batch of images `n_batches` times, and note when every step ends.

    What follows the first `settling` steps of the last batch is profiled; without a number nothing is. It is a run of
    its own, so that what Brian2 and numba do at first is not part of it. The output is read once, at the end.
    """
    simulation = replace(simulation, read_at=simulation.duration)
    plan, n_images = make_plan(graph, signed=simulation.neuron.is_signed), len(images)
    with at_most(1):
        network = build(plan, simulation, n_images)
    stopwatch = Stopwatch(network.clock)
    network.network.add(stopwatch)
    rate, part = float(max_rate(simulation.encoder, simulation.dt)), slice(0, n_images)
    batches = [
        partial(make_batch, graph, plan, replace(simulation, seed=seed), rate, images, {}, part)
        for seed in range(n_batches)
    ]
    profiled = 0 if settling is None else network.period - settling
    shown = [slice(number * n_images, (number + 1) * n_images) for number in range(n_batches)]
    run(network, batches, shown, progress=False, profiled=profiled)
    ends = np.array(stopwatch.times).reshape(n_batches, network.period)
    means = {name: float(s) / profiled for name, s in network.network.profiling_info} if profiled else {}
    totals = network.counter.counts.totals / n_batches
    return Timing(network, ends, totals, network.period - profiled, means)


def peak_memory_gb() -> float:
    """The most memory that this process has held so far, in units of 10^9 bytes.

    Linux does not count from zero: what the process that started this one held by then is the least it can be.
    """
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9

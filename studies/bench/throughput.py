"""How fast the engine is: the time of every step, by a stopwatch inside the simulation.

So nothing that is paid once is counted: not importing, building or compiling, nor Brian2's fixed cost per run. C++
standalone has no room for a stopwatch; it reports the time of its simulation loop itself, and the time it took to
compile stands beside it. All of it runs on one thread. Call these functions through `in_own_process`, one at a time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import brian2
import numpy as np
from brian2 import BrianObject, Clock, Hz, ms
from joblib.externals.loky import get_reusable_executor
from numpy.typing import NDArray

from conversion.brian import SpikingNetwork, build, choose_target, device_network, max_rate, run
from conversion.normalize import normalize
from conversion.options import Connectivity, Output
from conversion.plan import Population, make_plan
from conversion.settings import Simulation
from conversion.simulate import make_batch
from models.datasets import load_dataset
from models.encoders import Encoder, Poisson
from models.graph import Array, Graph
from models.neurons import Neuron, integrate_and_fire
from models.onnx_io import load
from models.paths import WEIGHTS
from studies.bench.large_networks import spiking, tiny_yolo
from studies.declare import parse_study
from studies.run import run_study

Row = dict[str, Any]
MAX_RATE, DT = 1000 * Hz, 1 * ms
POISSON = Poisson(MAX_RATE)
CONVNET = "mnist_convnet"
CALIBRATION = 1000
SETTLING = 20  # steps until the initial potentials are forgotten


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
        Mean seconds that each Brian2 object takes in a step that counts, if `show` was asked for it.
    """

    network: SpikingNetwork
    ends: NDArray[np.float64]
    totals: NDArray[np.float64]
    settling: int = SETTLING
    profile: Mapping[str, float] = field(default_factory=dict)

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
        """Of each step of the last batch once it has settled."""
        return np.diff(self.ends[-1][self.settling :])

    @property
    def per_step(self) -> NDArray[np.float64]:
        """Mean spikes and synaptic operations of each population in a settled step, shape (populations, 2)."""
        return self.totals[self.settling :].mean(axis=0)


@choose_target(neuron_updates=0)  # numpy, unless another target is chosen
def show(
    graph: Graph,
    images: Array,
    neuron: Neuron,
    steps: int,
    n_batches: int = 1,
    connectivity: Connectivity = "shared",
    *,
    encoder: Encoder = POISSON,
    output: Output = "spiking",
    settling: int = SETTLING,
    profile: bool = False,
) -> Timing:
    """Show the same batch of images `n_batches` times, and note when every step ends.

    With `profile` the settled steps of the last batch are profiled; they are a run of their own, so that what Brian2
    and numba do at first is not part of it.
    """
    simulation = Simulation(
        neuron=neuron, encoder=encoder, duration=steps * DT, read_at=steps * DT, connectivity=connectivity,
        output=output,
    )  # fmt: skip
    plan, n_images = make_plan(graph, signed=neuron.is_signed), len(images)
    network = build(plan, simulation, n_images)
    stopwatch = Stopwatch(network.clock)
    network.network.add(stopwatch)
    rate, part = float(max_rate(encoder, DT)), slice(0, n_images)
    batches = [
        partial(make_batch, graph, plan, replace(simulation, seed=seed), rate, images, {}, part)
        for seed in range(n_batches)
    ]
    profiled = network.period - settling if profile else 0
    shown = [slice(number * n_images, (number + 1) * n_images) for number in range(n_batches)]
    run(network, batches, shown, progress=False, profiled=profiled)
    ends = np.array(stopwatch.times).reshape(n_batches, network.period)
    means = {name: float(s) / profiled for name, s in network.network.profiling_info} if profile else {}
    return Timing(network, ends, network.counter.counts.totals / n_batches, settling, means)


def runtime(connectivity: Connectivity, target: str, n_images: int, steps: int, n_batches: int) -> list[Row]:
    """The ConvNet of Diehl 2015 on the runtime device, a row per batch after the first.

    Parameters
    ----------
    connectivity : {"shared", "synapses"}
    target : {"numpy", "cython"}
        Brian2's code generation.
    """
    brian2.prefs.codegen.target = target
    graph, images = convnet(n_images)
    timing = show(graph, images, integrate_and_fire(), steps, n_batches, connectivity)
    return [{"batch_images": n_images, "ms_per_image": 1e3 * s / n_images} for s in timing.batch_seconds]


def standalone(n_images: int, steps: int, repeats: int) -> list[Row]:
    """The same network as C++ standalone, compiled once: a row per run but the first."""
    graph, images = convnet(n_images)
    with tempfile.TemporaryDirectory() as folder, np.errstate(over="ignore"):  # see conversion.brian.presentation
        brian2.set_device("cpp_standalone", directory=folder, build_on_run=False)
        simulation = Simulation(
            neuron=integrate_and_fire(), encoder=POISSON, duration=(steps + make_plan(graph).output.depth) * DT
        )
        device_network(graph, images, simulation).run()
        device: Any = brian2.get_device()
        start = time.perf_counter()
        device.build(directory=folder, run=False, with_output=False)
        row = {"batch_images": n_images, "compile_s": time.perf_counter() - start}
        return [row | {"ms_per_image": 1e3 * _loop_seconds(device) / n_images} for _ in range(1 + repeats)][1:]


def _loop_seconds(device: Any) -> float:
    device.run(with_output=False)
    return device._last_run_time


def batch_sizes(sizes: list[int]) -> list[Row]:
    """Cost of a step of the ConvNet against the images that are shown at once."""
    graph, images = convnet(max(sizes))
    return [cost(_enough(graph, images[:size]), size) for size in sizes]


def input_rates(rates_hz: list[float], n_images: int) -> list[Row]:
    """Cost of a step of the ConvNet against its spikes, which grow with the largest rate of an input."""
    graph, images = convnet(n_images)
    return [cost(_enough(graph, images * np.float32(rate / float(MAX_RATE))), n_images) for rate in rates_hz]


def sides(pixels: list[int], rate: float) -> list[Row]:
    """Cost of a step of networks with Tiny YOLO's layers against their neurons, which grow with the image."""
    return [cost(_enough(*spiking(tiny_yolo(side), rate)), 1) for side in pixels]


def cost(timing: Timing, n_images: int) -> Row:
    """The median and the quartiles of the time of a step, and what happens in a step."""
    low, median, high = np.quantile(timing.step_seconds, (0.25, 0.5, 0.75))
    spikes, synops = timing.per_step.sum(axis=0)
    return {
        "batch_images": n_images,
        "neurons": n_images * sum(population.size for population in timing.populations),
        "spikes_per_step": spikes,
        "synops_per_step": synops,
        "ms_per_step": 1e3 * median,
        "ms_low": 1e3 * low,
        "ms_high": 1e3 * high,
        "synops_per_s": synops / median,
    }


def _enough(graph: Graph, images: Array) -> Timing:
    """A batch for about half a second."""
    neurons = len(images) * sum(population.size for population in make_plan(graph).populations)
    steps = int(np.clip(1e8 / neurons, 20, 1000))
    return show(graph, images, integrate_and_fire(v_init="uniform"), SETTLING + steps)


def sweep(content: dict[str, Any], workers: int) -> list[Row]:
    """Seconds that a study takes on some workers, their start included."""
    with tempfile.TemporaryDirectory() as folder:
        study = parse_study(content, "sweep", Path(folder))
        start = time.perf_counter()
        run_study(study, Path(folder) / "sweep", jobs=workers)
        seconds = time.perf_counter() - start
    if workers > 1:
        get_reusable_executor().shutdown()  # its idle workers would keep this process for minutes
    return [{"workers": workers, "conditions": len(study.conditions), "seconds": seconds}]


def convnet(n_images: int) -> tuple[Graph, Array]:
    """The data-normalised ConvNet of Diehl 2015, and test images."""
    digits = load_dataset("digits")
    graph = load(WEIGHTS / f"{CONVNET}.onnx")
    return normalize(graph, digits.x[-CALIBRATION:], "data"), digits.x[:n_images]


def peak_memory_gb() -> float:
    """The most memory that this process has held so far, in units of 10^9 bytes.

    Linux does not count from zero: what the process that started this one held by then is the least it can be.
    """
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9

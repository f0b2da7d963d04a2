"""Engines side by side: the ConvNet of Diehl 2015 with shared weights, as plain `Synapses` in three ways, in PyTorch.

The engines take turns, so that whatever else the machine does meets all of them, and medians are compared. C++
standalone has no room for a stopwatch; it reports the time of its simulation loop itself, and the time it took to
compile stands beside it.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Any

import brian2
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from tqdm import tqdm

from conversion.brian import can_compile, device_network
from conversion.options import Connectivity
from studies.bench import pytorch
from studies.bench.convnet import STEPS, convnet
from studies.bench.stopwatch import Row, in_own_process, show, spiking
from studies.draw import HATCHES, PALETTE, drawing

ROUNDS = 3
BATCH = 27  # images; what `simulate` shows of this network at once
CYTHON, CPP = "Synapses, Cython", "Synapses, C++ standalone"
PYTORCH, PYTORCH_ONE = "PyTorch loop", "PyTorch loop, one image"


def measure_engines(missing: Container[str]) -> pd.DataFrame:
    """Columns engine, round, batch_images, ms_per_image and, of C++, compile_s; a row per repetition."""
    turns = [(number, *turn) for number in range(1, ROUNDS + 1) for turn in engines(number) if turn[0] not in missing]
    rows: list[Row] = []
    for number, engine, function, arguments in tqdm(turns, desc="engines", unit="turn"):
        rows += [{"engine": engine, "round": number, **row} for row in in_own_process(function, *arguments)]
    return pd.DataFrame(rows)


def engines(number: int) -> list[tuple[str, Callable[..., list[Row]], tuple[Any, ...]]]:
    """What runs in a round; each engine gets the batch that suits it, and C++ is compiled in the first round only."""
    turns: list[tuple[str, Callable[..., list[Row]], tuple[Any, ...]]] = [
        ("shared weights", time_runtime, ("shared", "auto", BATCH, 31)),
        ("shared weights, one image", time_runtime, ("shared", "auto", 1, 41)),
        (PYTORCH, pytorch.time_loop, (100, 4)),
        (PYTORCH_ONE, pytorch.time_loop, (1, 20)),
        ("Synapses, numpy", time_runtime, ("synapses", "numpy", 5, 6)),
        (CYTHON, time_runtime, ("synapses", "cython", 5, 6)),
    ]
    return turns + [(CPP, time_standalone, (10, 5))] * (number == 1)


def missing_engines() -> Mapping[str, str]:
    """What cannot run on this machine, and why."""
    missing = {} if pytorch.is_installed() else dict.fromkeys((PYTORCH, PYTORCH_ONE), "PyTorch is not installed")
    if not in_own_process(can_compile):
        missing[CYTHON] = "Brian2 cannot compile with Cython here"
    if not any(map(shutil.which, ("g++", "clang++"))):
        missing[CPP] = "there is no C++ compiler (g++ or clang++)"
    return missing


def time_runtime(connectivity: Connectivity, target: str, n_images: int, n_batches: int) -> list[Row]:
    """Time the ConvNet on the runtime device by a target, "auto" being our loops: a row per batch but the first.

    The first warms up.
    """
    brian2.prefs.codegen.target = target
    graph, images = convnet(n_images)
    timing = show(graph, images, replace(spiking(STEPS), connectivity=connectivity), n_batches)
    return [{"batch_images": n_images, "ms_per_image": 1e3 * s / n_images} for s in timing.batch_seconds]


def time_standalone(n_images: int, repeats: int) -> list[Row]:
    """Time the same network as C++ standalone, compiled once: a row per run but the first."""
    graph, images = convnet(n_images)
    with tempfile.TemporaryDirectory() as folder, np.errstate(over="ignore"):  # see conversion.brian.presentation
        brian2.set_device("cpp_standalone", directory=folder, build_on_run=False)
        device_network(graph, images, spiking(STEPS)).run()
        device: Any = brian2.get_device()
        start = time.perf_counter()
        device.build(directory=folder, run=False, with_output=False)
        row = {"batch_images": n_images, "compile_s": time.perf_counter() - start}
        return [row | {"ms_per_image": 1e3 * _loop_seconds(device) / n_images} for _ in range(1 + repeats)][1:]


def _loop_seconds(device: Any) -> float:
    device.run(with_output=False)
    return device._last_run_time


def compare(rows: pd.DataFrame) -> pd.DataFrame:
    """Median, slowest and fastest images per second of each engine, in the order of the rows of `measure_engines`."""
    times = rows.groupby("engine", sort=False)["ms_per_image"]
    rates = {"images_per_s": 1e3 / times.median(), "slowest": 1e3 / times.max(), "fastest": 1e3 / times.min()}
    return pd.DataFrame(rates).reset_index()


def draw_engines(rows: pd.DataFrame) -> Figure:
    """Images per second of each engine: medians, and the range over all repetitions."""
    rates = compare(rows)
    with drawing(6.4, 2.8) as figure:
        axes = figure.subplots()
        beyond = [rates["images_per_s"] - rates["slowest"], rates["fastest"] - rates["images_per_s"]]
        bars = axes.barh(
            rates["engine"], rates["images_per_s"], xerr=beyond, capsize=2, color=PALETTE, edgecolor="black",
            linewidth=0.6,
        )  # fmt: skip
        for bar, hatch, rate in zip(bars, HATCHES, rates.itertuples(), strict=False):
            bar.set_hatch(hatch)
            place = (rate.fastest, bar.get_y() + bar.get_height() / 2)
            axes.annotate(f"{rate.images_per_s:.3g}", place, (5, 0), textcoords="offset points", va="center")
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set(xlabel="images per second and core, 100 steps each")
        sns.despine(ax=axes)
    return figure

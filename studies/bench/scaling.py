"""How the cost of an image falls with the batch, that of a step grows with its neurons, and what the memory allows."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
from brian2 import ms
from numba import njit
from tqdm import tqdm

from conversion.settings import Simulation
from models.encoders import ConstantCurrent
from models.graph import Dense, sequential
from models.neurons import Neuron, integrate_and_fire, leaky_integrate_and_fire
from studies.bench.engines import time_runtime
from studies.bench.stopwatch import Row, in_own_process, show

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
SIZES = (1_000, 10_000, 100_000, 1_000_000)
NEURONS = {"if": integrate_and_fire(), "lif": leaky_integrate_and_fire(20 * ms)}
TOUCHED = 16  # bytes of a neuron that is driven: the potential is read and written, drive and threshold are read
REPEATS = 50


def measure_batches() -> pd.DataFrame:
    """Columns batch_images, ms_per_image: of the ConvNet, a row per repetition."""
    rows: list[Row] = []
    for size in tqdm(BATCHES, desc="batches", unit="size"):
        rows += in_own_process(time_runtime, "shared", "auto", size, 4)
    return pd.DataFrame(rows)


def measure_neurons() -> pd.DataFrame:
    """Columns neuron, neurons, ns_per_neuron, gb_per_s and, of as much memory, copy_gb_per_s: a row per size."""
    cases = [(name, size) for name in NEURONS for size in SIZES]
    return pd.DataFrame([in_own_process(time_neurons, *case) for case in tqdm(cases, desc="neurons", unit="size")])


def time_neurons(name: str, size: int) -> Row:
    """The loop over driven neurons that hardly spike, beside a plain sum of two arrays of the same bytes."""
    seconds = _seconds_of(NEURONS[name], size)
    return {
        "neuron": name,
        "neurons": size,
        "ns_per_neuron": 1e9 * seconds / size,
        "gb_per_s": TOUCHED * size / seconds / 1e9,
        "copy_gb_per_s": bandwidth(TOUCHED * size),
    }


def _seconds_of(neuron: Neuron, size: int) -> float:
    """Of a step of neurons that one input drives, by Brian2's profiler."""
    graph = sequential((1,), Dense(name="fc", inputs=(), weight=np.full((size, 1), 1e-3, np.float32)))
    simulation = Simulation(neuron=neuron, encoder=ConstantCurrent(), duration=4 * REPEATS * ms)
    return show(graph, np.ones((1, 1), np.float32), simulation, settling=REPEATS).profile["neurons_loop"]


def bandwidth(size: int) -> float:
    """GB per second of a sum of two arrays of 32-bit numbers, of so many bytes together with what is written."""
    a, b = (np.ones(max(size // 12, 1), np.float32) for _ in range(2))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        _add(a, b)
        times.append(time.perf_counter() - start)
    return 12 * a.size / float(np.median(times)) / 1e9


@njit(cache=True)
def _add(a: Any, b: Any) -> None:
    for i in range(a.size):
        a[i] += b[i]

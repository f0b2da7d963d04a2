"""The benchmark of the engine, `python -m studies bench`: results/throughput, and a table of what was asked of it.

`python -m studies bench --networks` measures the large networks alone, says what came out, and writes nothing.

Every measurement is a process of its own, and only one runs at a time. The engines that are compared take turns, so
that whatever else the machine does meets all of them; numbers are medians, and ratios are of one round of turns.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import cpu_count
from tqdm import tqdm

from conversion.brian import can_compile
from models.paths import ROOT
from studies.bench import figures as bench_figures
from studies.bench import networks as bench_networks
from studies.bench import throughput
from studies.bench.large_networks import SIDE
from studies.bench.networks import TINY_YOLO, VGG_16, YOLO_LITE
from studies.bench.report import report, requirements
from studies.tables import claim_folder, write_run, write_table

FOLDER = ROOT / "results" / "throughput"
WINDOW = 100  # steps per image
ROUNDS = 3
RATE = 0.024  # spikes per neuron and step that keep all layers of Tiny YOLO, whose pooling raises it, between 2 and 5 %
VGG_RATE = 0.03
SWEEP: Mapping[str, Any] = {
    "title": "Sweep",
    "question": "How long do the workers take?",
    "fixed": {"model": throughput.CONVNET, "dataset": "digits", "images": 500, "calibration": 1000},
    "grid": {"normalization": ["model", "data"], "seed": list(range(12))},
}


@dataclass(frozen=True)
class Task:
    """A function that measures, the tables that its rows go to, and what to write in front of each row."""

    tables: tuple[str, ...]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return " ".join(map(str, (self.tables[0], *self.columns.values())))


def measure_all(folder: Path = FOLDER) -> None:
    """Measure everything (some ten minutes), write the tables and figures, and print them.

    Raises
    ------
    ResultsError
        If the folder holds the results of a study.
    """
    account = {"title": "Throughput", "question": "How fast is the engine?", "machine": machine()}
    claim_folder(folder, account)
    missing = unavailable()
    tables = measure(list(tasks(missing)))
    tables["requirements"] = requirements(tables)
    for name, table in tables.items():
        write_table(folder, name, [table])
    write_run(folder, account | {"left_out": missing})
    drawn = bench_figures.draw(folder)
    print(report(tables, missing, drawn))


def measure_large_networks() -> None:
    """Measure the large networks only (a minute), and print them; no results are touched."""
    missing = _missing_networks()
    tables = measure(list(network_tasks(missing)))
    tables["requirements"] = requirements(tables)
    print(report(tables, missing, []))


def measure(todo: Sequence[Task]) -> dict[str, pd.DataFrame]:
    """The rows of all tasks, by table."""
    rows: dict[str, list[dict[str, Any]]] = {}
    with tqdm(todo, desc="measurements", unit="measurement") as bar:
        for task in bar:
            bar.set_postfix_str(task.label)
            result = throughput.in_own_process(task.function, *task.arguments)
            for name, part in zip(task.tables, result if len(task.tables) > 1 else (result,), strict=True):
                rows.setdefault(name, []).extend({**task.columns, **row} for row in part)
    return {name: pd.DataFrame(part) for name, part in rows.items()}


def tasks(missing: Mapping[str, str]) -> Iterator[Task]:
    """Everything that is measured, but for the engines that are missing."""
    for number in range(1, ROUNDS + 1):
        for engine, (function, arguments) in engines(number).items():
            if engine not in missing:
                yield Task(("engines",), function, arguments, {"engine": engine, "round": number})
    yield from network_tasks(missing)
    yield Task(("scaling",), throughput.batch_sizes, ([1, 2, 4, 8, 16, 32, 64, 128, 250],), {"varied": "batch"})
    yield Task(("scaling",), throughput.sides, ([32, 64, 96, 160, 256, SIDE], RATE), {"varied": "neurons"})
    rates = [50.0, 100.0, 200.0, 400.0, 600.0, 800.0, 1000.0]
    yield Task(("scaling",), throughput.input_rates, (rates, 50), {"varied": "spikes"})
    if "two workers" not in missing:
        for workers in (1, 2):
            yield Task(("sweep",), throughput.sweep, (SWEEP, workers))


def network_tasks(missing: Mapping[str, str]) -> Iterator[Task]:
    """The large networks, but for those that are missing."""
    networks: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        VGG_16: (bench_networks.vgg16, (VGG_RATE, 300)),
        YOLO_LITE: (bench_networks.yolo_lite, (100,)),
        TINY_YOLO: (bench_networks.tiny_yolo, (SIDE, RATE, 40)),
    }
    for name, (function, arguments) in networks.items():
        if name not in missing:
            yield Task(bench_networks.TABLES, function, arguments, {"network": name})


def engines(number: int) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """What runs in a round; each engine gets the batch that suits it, and C++ is compiled in one round only."""
    runtime = {
        "shared weights": (throughput.runtime, ("shared", "numpy", 50, WINDOW, 21)),
        "Synapses, numpy": (throughput.runtime, ("synapses", "numpy", 5, WINDOW, 6)),
        "Synapses, Cython": (throughput.runtime, ("synapses", "cython", 5, WINDOW, 6)),
    }
    compiled = {"Synapses, C++ standalone": (throughput.standalone, (10, WINDOW, 5))}
    return runtime | (compiled if number == 1 else {})


def unavailable() -> dict[str, str]:
    """What cannot be measured on this machine, and why."""
    missing = {}
    if not throughput.in_own_process(can_compile):
        missing["Synapses, Cython"] = "Brian2 cannot compile with Cython here"
    if not any(map(shutil.which, ("g++", "clang++"))):
        missing["Synapses, C++ standalone"] = "there is no C++ compiler (g++ or clang++)"
    if cpu_count() < 2:
        missing["two workers"] = "there is only one core"
    return missing | _missing_networks()


def _missing_networks() -> dict[str, str]:
    reason = bench_networks.missing_files()
    return {YOLO_LITE: reason} if reason else {}


def machine() -> dict[str, Any]:
    """What the numbers depend on, without saying whose machine it is."""
    return {
        "processor": _processor(),
        "cores": cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "system": platform.system(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("brian2", "numpy", "numba", "onnxruntime")},
        },
    }


def _processor() -> str:
    """The processor's name; on Linux the kernel knows it better than Python."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()

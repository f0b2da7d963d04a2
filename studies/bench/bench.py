"""The benchmark of the engine, `brianize bench`: results/throughput.

`brianize bench --networks` measures the large networks alone, prints what came out, and writes nothing. Every
measurement is a process of its own, and only one runs at a time.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import cpu_count

from models.paths import RESULTS
from studies.bench.engines import compare, draw_engines, measure_engines, missing_engines
from studies.bench.large_networks import missing_files
from studies.bench.pytorch import is_installed
from studies.bench.scaling import measure_batches, measure_neurons
from studies.bench.steps import YOLO_LITE, draw_parts, measure_networks
from studies.draw import save
from studies.tables import claim_folder, write_run, write_table

TITLES = {
    "engines": "The ConvNet of Diehl 2015, 100 steps per image, one core",
    "batches": "The ConvNet in batches of other sizes",
    "neurons": "A step of driven neurons, and a sum of two arrays of as much memory",
    "networks": "Large networks, one image, one core",
    "network_layers": "Their layers, and the delivery of the spikes of each",
    "network_parts": "Their steps",
}


def measure_all(folder: Path = RESULTS / "throughput") -> None:
    """Measure everything (some minutes), write the tables and figures, and print them.

    Raises
    ------
    ResultsError
        If the folder holds the results of a study.
    """
    account = {"title": "Throughput", "question": "How fast is the engine?", "machine": machine()}
    claim_folder(folder, account)
    missing = {**missing_engines(), **_missing_networks()}
    tables = {
        "engines": measure_engines(missing),
        "batches": measure_batches(),
        "neurons": measure_neurons(),
        **measure_networks(missing),
    }
    for name, table in tables.items():
        write_table(folder, name, [table])
    write_run(folder, account | {"left_out": missing})
    figures = {"engines": draw_engines(tables["engines"]), "networks": draw_parts(tables["network_parts"])}
    paths = [path for name, figure in figures.items() for path in save(figure, folder, name)]
    print(report({**tables, "engines": compare(tables["engines"])}, missing), *paths, sep="\n")


def measure_large_networks() -> None:
    """Measure the large networks only (a minute), and print them; no results are touched."""
    missing = _missing_networks()
    print(report(measure_networks(missing), missing))


def report(tables: Mapping[str, pd.DataFrame], missing: Mapping[str, str]) -> str:
    """The tables as text, and what is missing."""
    parts = [f"{TITLES[name]}\n{_text(table)}" for name, table in tables.items()]
    return "\n\n".join([*parts, *(f"left out: {what}, because {why}" for what, why in missing.items())])


def _text(table: pd.DataFrame) -> str:
    return table.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.4g}")


def _missing_networks() -> dict[str, str]:
    reason = missing_files()
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
            **({"torch": version("torch")} if is_installed() else {}),
        },
    }


def _processor() -> str:
    """The processor's name; on Linux the kernel knows it better than Python."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()

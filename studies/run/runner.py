"""Run a study: the conditions that are not stored yet, in parallel, each stored as it finishes; then its tables.

Workers only compute; this process writes. So the same code runs on one machine and, inside
`joblib.parallel_config(backend="dask")`, on a cluster without a shared disk for results. A worker runs one condition at
a time (one thread per Dask worker): Brian2's random seed belongs to the process.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from studies.declare import KEYS, TABLES, Condition, Study
from studies.run.code import code_hash
from studies.run.experiment import Rows, check_job, key_of, rows_of
from studies.run.files import Job
from studies.tables import CAVEAT, claim_folder, read_rows, select_drawn, write_rows, write_run, write_table


def run_study(study: Study, folder: Path, *, jobs: int | None = None, data_dir: Path | None = None) -> Path:
    """Run what is missing of a study and write metrics.csv, layers.csv, of detectors boxes.csv, and run.json.

    The tables have the same bytes whatever the number of workers, and whether or not an earlier run was interrupted.

    Parameters
    ----------
    folder : Path
        Of its results; made if it is not there.
    jobs : int, optional
        Worker processes; by default as `joblib.parallel_config` says, and outside of it, none but this one.
    data_dir : Path, optional
        Where the datasets are; see `models.datasets.loading`.

    Raises
    ------
    ValueError
        If the study, its files or its folder are not as they must be; before anything is simulated.
    OSError
        If the folder cannot be written; what has finished before stays.
    """
    start = time.perf_counter()
    every = [Job(condition, study.folder, data_dir) for condition in study.conditions]
    _check(every)
    keys = {job.condition: key_of(job) for job in every}
    claim_folder(folder, _account(study))
    distinct = {keys[job.condition]: job for job in every}
    todo = [job for key, job in distinct.items() if read_rows(folder, key) is None]
    _compute(todo, keys, folder, jobs, already=len(distinct) - len(todo))
    _write_tables(study, keys, folder)
    last_run = {"computed": len(todo), "seconds": round(time.perf_counter() - start, 1)}
    write_run(folder, _account(study) | {"keys": list(distinct), "last_run": last_run})
    return folder


def _check(jobs: list[Job]) -> None:
    """Check each different combination of files, and of what has to fit them, once."""
    files = ("model", "dataset", "images", "calibration", "calibration_dataset")
    names = (*files, "pooling", "encoder", "readout", "neuron", "negative_slope")
    different = {tuple(getattr(job.condition, name) for name in names): job for job in jobs}
    for job in different.values():
        check_job(job)


def _compute(todo: list[Job], keys: Mapping[Condition, str], folder: Path, jobs: int | None, already: int) -> None:
    workers = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    finished = workers(delayed(_with_rows)(jobs) for jobs in _by_simulation(todo))
    bar = tqdm(total=already + len(todo), initial=already, desc="conditions", unit="condition")
    with closing(finished), bar:
        for condition, rows in chain.from_iterable(finished):
            write_rows(folder, keys[condition], rows)
            bar.update()


def _by_simulation(todo: list[Job]) -> list[list[Job]]:
    """The jobs, those together that differ only in when their evaluation begins."""
    groups: dict[Condition, list[Job]] = {}
    for job in todo:
        groups.setdefault(replace(job.condition, evaluation_delay_ms=None), []).append(job)
    return list(groups.values())


def _with_rows(jobs: list[Job]) -> list[tuple[Condition, Rows]]:
    return list(zip((job.condition for job in jobs), rows_of(jobs), strict=True))


def _write_tables(study: Study, keys: Mapping[Condition, str], folder: Path) -> None:
    rows = {condition: read_rows(folder, key) or {} for condition, key in keys.items()}
    variants = study.variant_of
    for name in TABLES:
        parts = [
            _named(study.columns, variants[condition], condition, part[name])
            for condition, part in rows.items()
            if name in part
        ]
        if parts and name == "boxes":
            parts = [select_drawn(pd.concat(parts, ignore_index=True), study)]
        if parts:
            write_table(folder, name, parts)


def _named(names: Sequence[str], variant: str, condition: Condition, columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    """Rows with the columns that say which condition they belong to, in front."""
    length = len(next(iter(columns.values())))
    named = {"variant": variant, **asdict(condition)}
    values = {name: pd.Series([named[name]] * length, dtype=_dtype(name)) for name in names}
    return pd.DataFrame({**values, **columns})


def _dtype(key: str) -> str:
    """One type per key, however many conditions leave it empty."""
    kinds = KEYS[key].metadata["kinds"] if key in KEYS else (str,)
    return "float64" if float in kinds else "Int64" if int in kinds else "object"


def _account(study: Study) -> dict[str, Any]:
    """What run.json says: the study as declared, the first condition with all its defaults, and the versions."""
    versions = {name: version(name) for name in ("brian2", "numpy", "onnxruntime", "pandas", "joblib")}
    return {
        "title": study.title,
        "question": study.question,
        "study": study.content(),
        "first_condition": asdict(study.conditions[0]),
        "code_sha256": code_hash(),
        "versions": {"python": platform.python_version(), **versions},
        "energy": CAVEAT,
    }

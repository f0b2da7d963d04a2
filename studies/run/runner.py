"""Run a study: the conditions that are not stored yet, in parallel, each stored as it finishes; then its tables.

Workers only compute; this process writes. So the same code runs on one machine and on a cluster without a common disk.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, cpu_count, delayed, effective_n_jobs

from conversion.threads import at_most
from studies.declare import KEYS, TABLES, Condition, Study, StudyError, cells, check_kinds, unit_of_column
from studies.progress import shown
from studies.run.board import Board, open_board, reported, writer
from studies.run.chance import say_accuracies
from studies.run.code import code_hash
from studies.run.experiment import PREDICTIONS, Rows, check_job, check_reach, rows_of
from studies.run.files import Job, has_boxes
from studies.run.keys import key_of
from studies.tables import (
    CAVEAT,
    ResultsError,
    claim_folder,
    read_rows,
    select_drawn,
    write_rows,
    write_run,
    write_table,
)

Keys = Mapping[Condition, str]
Answers = tuple[int, list[tuple[Condition, Rows]]]
Finished = Generator[Answers, None, None]


def run_study(
    study: Study,
    folder: Path,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    data_dir: Path | None = None,
    predictions: bool = False,
) -> Path:
    """Run what is missing of a study and write metrics.csv, layers.csv, of detectors boxes.csv, and run.json.

    The tables have the same bytes whatever the number of workers, and whether or not an earlier run was interrupted.

    Parameters
    ----------
    folder : Path
        Of its results; made if it is not there.
    jobs : int, optional
        Worker processes; by default as `joblib.parallel_config` says, and outside of it, none but this one.
    scheduler : str, optional
        The address of a Dask cluster whose workers do it instead; see `studies.run.cluster`.
    data_dir : Path, optional
        Where the datasets are; see `models.datasets.loading`.
    predictions : bool
        Whether to write predictions.csv too, a row per image (see `studies.measure.per_image`). Conditions that ran
        without it run again.

    Raises
    ------
    ValueError
        If the study, its files or its folder are not as they must be; before anything is simulated.
    OSError
        If the folder cannot be written; what has finished before stays.
    """
    start = time.perf_counter()
    every = [Job(condition, study.folder, data_dir, predictions=predictions) for condition in study.conditions]
    with shown(lambda: f"{study.title}: reading networks and images"):
        _check(every)
        detectors = [has_boxes(job) for job in {job.condition.dataset: job for job in every}.values()]
        check_kinds(study.figures, detectors)
        _check_predictions(predictions, detectors)
        keys = {job.condition: key_of(job) for job in every}
    account = _account(study, folder)
    claim_folder(folder, account)
    distinct = {keys[job.condition]: job for job in every}
    todo = [job for key, job in distinct.items() if _is_missing(read_rows(folder, key), predictions)]
    say_accuracies(todo)
    groups = _by_simulation(todo)
    with open_board(study, groups, len(distinct) - len(todo)) as board:
        _store(_computed(groups, keys, board, jobs, scheduler), keys, folder, board)
    _write_tables(study, keys, folder)
    last_run = {"computed": len(todo), "seconds": round(time.perf_counter() - start, 1)}
    write_run(folder, account | {"keys": list(distinct), "last_run": last_run})
    return folder


def _is_missing(rows: Rows | None, predictions: bool) -> bool:
    return rows is None or (predictions and PREDICTIONS not in rows)


def _check_predictions(wanted: bool, detectors: list[bool]) -> None:
    if wanted and any(detectors):
        raise StudyError("predictions are of networks that tell classes; one here finds boxes, which boxes.csv has")


def _check(jobs: list[Job]) -> None:
    """Check each different combination of files, and of what has to fit them, once."""
    files = ("model", "dataset", "images", "calibration", "calibration_dataset", "scale", "mean", "std")
    names = (*files, "pooling", "encoder", "readout", "neuron", "negative_slope", "synapse", "arguments")
    rates = (
        "normalization", "percentile", "headroom", "max_rate_hz", "phase_period", "dt_ms", "refractory_ms", "matching",
        "tau_m_ms", "v_th", "v_min", "reset", "delay", "delay_sd", "jitter", "membrane_noise", "background",
        "background_weight",
    )  # fmt: skip
    for check, keys in ((check_job, names), (check_reach, (*names, *rates))):
        different = {tuple(getattr(job.condition, key) for key in keys): job for job in jobs}
        for job in different.values():
            check(job)


def _computed(groups: list[list[Job]], keys: Keys, board: Board, jobs: int | None, scheduler: str | None) -> Finished:
    """The number and the rows of each group of conditions as it finishes, whichever is the first."""
    if groups and scheduler is not None:
        from studies.run.cluster import computed_on

        return computed_on(scheduler, groups, keys, board.places)
    workers = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    cores = max(1, cpu_count() // effective_n_jobs(jobs))
    return workers(delayed(_with_rows)(group, board.file, number, cores) for number, group in enumerate(groups))


def _store(finished: Finished, keys: Keys, folder: Path, board: Board) -> None:
    with closing(finished), shown(board.line):
        for number, answers in finished:
            for condition, rows in answers:
                write_rows(folder, keys[condition], rows)
            board.end(number)


def _by_simulation(todo: list[Job]) -> list[list[Job]]:
    """The jobs, those together that differ only in when their evaluation begins."""
    groups: dict[Condition, list[Job]] = {}
    for job in todo:
        groups.setdefault(replace(job.condition, evaluation_delay_ms=None), []).append(job)
    return list(groups.values())


def _with_rows(jobs: list[Job], board: Path, number: int, cores: int) -> Answers:
    with at_most(cores), reported(writer(board, number)):
        return number, list(zip((job.condition for job in jobs), rows_of(jobs), strict=True))


def _write_tables(study: Study, keys: Keys, folder: Path) -> None:
    rows = {condition: _stored_rows(folder, key) for condition, key in keys.items()}
    for name in (*TABLES, PREDICTIONS):
        parts = [_named(study, condition, part[name]) for condition, part in rows.items() if name in part]
        if parts and name == "boxes":
            parts = [select_drawn(pd.concat(parts, ignore_index=True), study)]
        if name == PREDICTIONS and len(parts) < len(rows):  # those of some conditions would be taken for all
            (folder / f"{name}.csv").unlink(missing_ok=True)
        elif parts:
            write_table(folder, name, parts)


def _stored_rows(folder: Path, key: str) -> Rows:
    rows = read_rows(folder, key)
    if rows is None:
        raise ResultsError(f"{folder} has lost rows while the study ran; run it again")
    return rows


def _named(study: Study, condition: Condition, columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    """Rows with the columns that say which condition they belong to, in front."""
    length = len(next(iter(columns.values())))
    named = {"variant": study.variant_of[condition], **cells(condition)}
    values = {name: pd.Series([named[name]] * length, dtype=_dtype(name)) for name in study.columns}
    return pd.DataFrame({**values, **columns})


def _dtype(key: str) -> str:
    """One type per key, however many conditions leave it empty."""
    kinds = (float,) if unit_of_column(key) else KEYS[key].metadata["kinds"] if key in KEYS else (str,)
    return "float64" if float in kinds else "Int64" if int in kinds else "object"


def _account(study: Study, folder: Path) -> dict[str, Any]:
    """What run.json says: the study as declared, the first condition with all its defaults, and the versions."""
    versions = {name: version(name) for name in ("brian2", "numpy", "onnxruntime", "pandas", "joblib")}
    return {
        **study.identity(folder),
        "first_condition": asdict(study.conditions[0]),
        "code_sha256": code_hash(),
        "versions": {"python": platform.python_version(), **versions},
        "energy": CAVEAT,
    }

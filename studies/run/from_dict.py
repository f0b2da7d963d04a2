"""A study in a notebook: a sweep from a dict to a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from studies.declare import KEYS, TABLES, parse_study, require_known
from studies.run.experiment import PREDICTIONS
from studies.run.runner import run_study
from studies.tables import read_table

NAME = "sweep"


def sweep(
    keys: Mapping[str, Any],
    variants: Sequence[Mapping[str, Any]] = (),
    *,
    table: str = "metrics",
    folder: str | Path | None = None,
    here: str | Path = ".",
    jobs: int = 1,
    data_dir: Path | None = None,
) -> pd.DataFrame:
    """Run a condition or many; what a study's file would give, with the same checks, and progress on stderr.

    Parameters
    ----------
    keys : mapping
        Those of a study (`studies.declare.Condition`): what is one value is fixed, and a list is a grid. The lists of
        `scale`, `mean` and `std`, one number per channel, are one value.
    variants : sequence of mapping
        As [[variants]] in a file: a "name", and the keys that it changes.
    table : {"metrics", "layers", "boxes", "predictions"}
        Which of the tables to return.
    folder : path, optional
        Where to keep what has run; a sweep with the same folder computes only what is new. By default nothing is kept.
    here : path
        Where relative paths of networks, datasets and neurons start.
    jobs, data_dir
        See `run_study`.

    Returns
    -------
    DataFrame
        A row per condition and time, layer or image, with the columns of what varies.

    Raises
    ------
    StudyError
        As for a study's file: one line that names the key, its value and what it takes.
    """
    require_known("table", table, (*TABLES, PREDICTIONS))
    fixed: dict[str, Any] = {}
    grid: dict[str, Any] = {}
    for key, value in keys.items():
        is_grid = isinstance(value, list | tuple) and not (key in KEYS and list in KEYS[key].metadata["kinds"])
        (grid if is_grid else fixed)[key] = list(value) if is_grid else value
    content = {"title": NAME, "question": "", "fixed": fixed, "grid": grid, "variants": list(map(dict, variants))}
    study = parse_study(content, NAME, Path(here).resolve())
    with TemporaryDirectory() as scratch:
        into = Path(scratch) / NAME if folder is None else Path(folder)
        run_study(study, into, jobs=jobs, data_dir=data_dir, predictions=table == PREDICTIONS)
        return read_table(into, table)

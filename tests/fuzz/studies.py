"""Fuzzing of studies: a file is refused in one line, or it is a study; some of those that are short are run."""

from __future__ import annotations

import contextlib
import io
import json
import math
import tomllib
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from models.graph import GraphError
from models.onnx_io import save
from models.paths import STUDIES
from studies.__main__ import main
from studies.declare import Condition, Study, StudyError, load_study, study_names
from studies.run import Job, check_job
from tests.fuzz import study_mutations
from tests.fuzz.outcome import Outcome, Wrong, outcome_of, pick
from tests.studies.conftest import STUDY, tiny_network

Rng = np.random.Generator
NAME = "study.toml"
SHARES = ("accuracy", "ann_accuracy", "agreement")
COUNTS = ("spikes_per_image", "synops_per_image", "energy_nj", "ann_energy_nj")
RUN_ONE_OF = 2  # of the studies that load and are short


def make(rng: Rng, folder: Path) -> None:
    """A study that is sound, changed in one to three ways, with its network beside it."""
    save(tiny_network(), folder / "tiny.onnx")
    shipped = rng.random() < 0.25
    text = (STUDIES / f"{pick(rng, study_names())}.toml").read_text(encoding="utf-8") if shipped else STUDY
    if rng.random() < 0.1:
        (folder / NAME).write_bytes(study_mutations.damaged(text.encode(), rng))
        return
    content = tomllib.loads(text)
    for _ in range(int(pick(rng, [1, 1, 2, 3]))):
        with contextlib.suppress(KeyError, TypeError, AttributeError):  # of what an earlier change took away
            pick(rng, study_mutations.MUTATIONS)(content, rng)
    (folder / NAME).write_text(study_mutations.as_toml(content), encoding="utf-8", errors="surrogateescape")


def judge(folder: Path) -> Outcome:
    path = folder / NAME
    read = outcome_of(_reads, folder, (StudyError,), str(path))
    if read.kind != "equal":
        return read
    study = load_study(path)
    checked = outcome_of(lambda folder: _checks(study), folder, (ValueError,), "")
    if checked.kind != "equal" or zlib.crc32(path.read_bytes()) % RUN_ONE_OF or not is_short(study):
        return checked
    return outcome_of(runs, folder, (), "")


def _reads(folder: Path) -> str:
    """As it is, and its quick version; what it says can be written down."""
    study = load_study(folder / NAME)
    json.dumps(study.identity(folder / "results"))
    with contextlib.suppress(StudyError):
        load_study(folder / NAME, quick=True)
    return "equal"


def _checks(study: Study) -> str:
    """Whether the files fit the first conditions, where the data are at hand without reading long."""
    for condition in study.conditions[:4]:
        if condition.dataset in ("digits8", "nothing.npz", "tiny.onnx") and condition.calibration_dataset != "digits":
            try:
                check_job(Job(condition, study.folder, study.folder))
            except GraphError as error:
                raise Wrong(f"{condition}: {error}") from error
    return "equal"


def is_short(study: Study) -> bool:
    return len(study.conditions) <= 6 and all(map(_is_short, study.conditions))


def _is_short(c: Condition) -> bool:
    window = max(c.duration_ms + c.residual_ms, c.calibration_ms or 0.0)
    small = c.images <= 12 and (c.calibration or 0) <= 50 and window / c.dt_ms <= 200
    return small and c.dataset.startswith(("digits8", "images.npz")) and c.model == "tiny.onnx"


def runs(folder: Path) -> str:
    """From the command line to the tables, which hold what numbers of their kind can be."""
    said, results = io.StringIO(), folder / "results"
    call = ["run", str(folder / NAME), "--jobs", "1", "--results", str(results)]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        status = main(call)
    if status == 0:
        _require_possible(results / Path(NAME).stem, load_study(folder / NAME))
        return "equal"
    if status != 2:
        main([*call, "--debug"])
    last = said.getvalue().splitlines()[-1]
    if not last.startswith("error: ") or "Traceback" in said.getvalue():
        raise Wrong(f"status {status}: {said.getvalue()[-500:]}")
    return "refused"


def _require_possible(folder: Path, study: Study) -> None:
    metrics, layers = pd.read_csv(folder / "metrics.csv"), pd.read_csv(folder / "layers.csv")
    if len(metrics) < len(study.conditions):
        raise Wrong(f"{len(metrics)} rows of {len(study.conditions)} conditions")
    for table in (metrics, layers):
        for name in [*COUNTS, "rate_hz"]:
            if name in table and not (np.isfinite(table[name]).all() and (table[name] >= 0).all()):
                raise Wrong(f"{name} is {table[name].unique()[:9]}")
    for name in SHARES:
        if not metrics[name].between(0, 1).all():
            raise Wrong(f"{name} is {metrics[name].unique()[:9]}")
    largest = max(c.duration_ms + c.residual_ms for c in study.conditions)
    if not math.isclose(metrics["time_ms"].max(), largest, rel_tol=1e-6):
        raise Wrong(f"time_ms ends at {metrics['time_ms'].max()}, not {largest}")

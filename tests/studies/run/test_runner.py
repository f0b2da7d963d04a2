"""Running a study: the same bytes with any number of workers, and after any interruption."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
import onnx
import pandas as pd
import pytest

from conversion.normalize.schemes import normalize
from conversion.plan.populations import ConversionError
from conversion.threads import n_threads
from models.graph import Activation, sequential
from models.onnx_io.reading import load as load_onnx
from models.onnx_io.writing import save, to_onnx
from models.paths import ROOT
from studies import progress
from studies.declare.columns import LAYER_COLUMNS, METRIC_COLUMNS
from studies.declare.study import load_study
from studies.run import runner
from studies.run.experiment import rows_of
from studies.run.runner import run_study
from studies.tables.quoted import Source, functions
from studies.tables.store import write_rows
from tests.studies.conftest import STUDY, tiny_network

CONDITIONS = 6


def tables(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "metrics.csv").read_bytes(), (folder / "layers.csv").read_bytes()


def stored(folder: Path) -> list[Path]:
    return sorted((folder / ".conditions").glob("*.json"))


@pytest.fixture
def study(study_file):
    return load_study(study_file)


@pytest.fixture
def expected(study, tmp_path) -> tuple[bytes, bytes]:
    return tables(run_study(study, tmp_path / "expected"))


def test_tables_are_tidy(study, tmp_path):
    folder = run_study(study, tmp_path / "out")
    metrics, layers = (pd.read_csv(folder / f"{name}.csv") for name in ("metrics", "layers"))
    assert tuple(metrics.columns) == ("normalization", "seed", *METRIC_COLUMNS)
    assert tuple(layers.columns) == ("normalization", "seed", *LAYER_COLUMNS)
    assert len(metrics) == CONDITIONS * 4
    assert list(metrics["seed"][::4]) == [0, 1, 2, 0, 1, 2]
    assert list(layers["layer"][:4]) == ["input", "conv", "pool", "fc"]
    assert not metrics.drop(columns=["time_to_99_ms", "time_to_99_9_ms"]).isna().any(axis=None)


def test_run_json_says_what_was_run(study, tmp_path):
    account = json.loads((run_study(study, tmp_path / "out") / "run.json").read_text())
    assert account["title"] == "Tiny"
    assert account["file"] == "../tiny.toml"
    assert account["study"]["grid"] == {"normalization": ["none", "data"], "seed": [0, 1, 2]}
    assert account["first_condition"]["v_th"] == 1.0
    assert sorted(f"{key}.json" for key in account["keys"]) == [path.name for path in stored(tmp_path / "out")]
    assert account["versions"].keys() >= {"python", "brian2", "numpy"}
    assert account["last_run"]["computed"] == CONDITIONS


def test_two_workers_write_the_same_bytes_and_say_how_far_they_are(study, tmp_path, expected, monkeypatch, capsys):
    """Each of the conditions is seen while it runs, and the more is finished, the further they are."""
    monkeypatch.setattr(progress, "FIRST", 0.0)
    monkeypatch.setattr(progress, "IN_LOGS", 0.002)
    assert tables(run_study(study, tmp_path / "two", jobs=2)) == expected
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Tiny: reading networks and images"
    finished = [int(line.split()[0]) for line in lines if line[0].isdigit()]
    assert finished == sorted(finished)
    seen = {
        label: [int(part) for line in lines for part in re.findall(rf"{label} (\d+) %", line)]
        for label in (f"{normalization} seed {seed}" for normalization in ("none", "data") for seed in range(3))
    }
    assert all(parts == sorted(parts) for parts in seen.values())
    assert any(0 < part < 100 for parts in seen.values() for part in parts)  # some may be over between two looks


def test_a_second_run_computes_nothing(study, tmp_path, expected, monkeypatch):
    monkeypatch.setattr(runner, "rows_of", lambda jobs: pytest.fail("computed again"))
    assert tables(run_study(study, tmp_path / "expected")) == expected


@pytest.mark.parametrize("damage", [b"", b'{"metrics": {"accuracy": [0.', b"\x00\xff", b"17", b"null"])
def test_damaged_rows_are_computed_again_with_a_word(study, tmp_path, expected, monkeypatch, capsys, damage):
    path = stored(tmp_path / "expected")[0]
    path.write_bytes(damage)
    seen = []
    monkeypatch.setattr(runner, "rows_of", lambda jobs: seen.append(jobs) or rows_of(jobs))
    assert tables(run_study(study, tmp_path / "expected")) == expected
    assert len(seen) == 1
    assert f"warning: {path} is damaged" in capsys.readouterr().err


def test_a_larger_grid_computes_only_what_is_new(study_file, tmp_path, monkeypatch):
    folder = run_study(load_study(study_file), tmp_path / "out")
    study_file.write_text(study_file.read_text().replace("seed = [0, 1, 2]", "seed = [3, 0, 1, 2]"))
    seen = []
    original = rows_of
    monkeypatch.setattr(
        runner, "rows_of", lambda jobs: seen.extend(job.condition.seed for job in jobs) or original(jobs)
    )
    run_study(load_study(study_file), folder)
    assert seen == [3, 3]
    assert list(pd.read_csv(folder / "metrics.csv")["seed"].unique()) == [3, 0, 1, 2]


def test_what_no_seed_changes_is_simulated_once(study_file, tmp_path, monkeypatch):
    study_file.write_text(study_file.read_text().replace("[fixed]", '[fixed]\nencoder = "constant"'))
    seen, original = [], rows_of
    monkeypatch.setattr(runner, "rows_of", lambda jobs: seen.append(jobs) or original(jobs))
    metrics = pd.read_csv(run_study(load_study(study_file), tmp_path / "out") / "metrics.csv")
    assert len(seen) == 2
    assert [len(rows) for _, rows in metrics.groupby("seed")] == [8, 8, 8]


def test_delays_of_the_evaluation_share_a_simulation(study_file, tmp_path, monkeypatch):
    study_file.write_text(study_file.read_text().replace("[grid]", "[grid]\nevaluation_delay_ms = [0, 5, 10]"))
    seen, original = [], rows_of
    monkeypatch.setattr(runner, "rows_of", lambda jobs: seen.append(jobs) or original(jobs))
    metrics = pd.read_csv(run_study(load_study(study_file), tmp_path / "out") / "metrics.csv")
    assert [len(jobs) for jobs in seen] == [3] * CONDITIONS
    assert metrics.groupby("evaluation_delay_ms")["time_ms"].min().to_dict() == {0: 5, 5: 10, 10: 15}


def test_new_weights_make_old_rows_stale(study, study_file, tmp_path):
    folder = run_study(study, tmp_path / "out")
    model = study_file.with_name("tiny.onnx")
    save(normalize(load_onnx(model), np.empty(0), "model"), model)
    before = tables(folder)
    assert tables(run_study(study, folder)) != before
    assert len(stored(folder)) == 2 * CONDITIONS


def test_new_weights_beside_the_file_make_old_rows_stale(study, study_file, tmp_path):
    """PyTorch writes weights as external data by default: the .onnx itself has the same bytes before and after."""
    path, first = study_file.with_name("tiny.onnx"), load_onnx(study_file.with_name("tiny.onnx"))
    beside = {"save_as_external_data": True, "size_threshold": 0, "location": "tiny.onnx.data"}
    onnx.save_model(to_onnx(first), path, **beside)
    folder = run_study(study, tmp_path / "out")
    before, file = tables(folder), path.read_bytes()
    path.with_name("tiny.onnx.data").unlink()
    onnx.save_model(to_onnx(normalize(first, np.empty(0), "model")), path, **beside)
    assert path.read_bytes() == file
    assert tables(run_study(study, folder)) != before


def test_a_full_disk_in_the_middle_loses_nothing(study, tmp_path, expected, monkeypatch):
    folder, writes = tmp_path / "full", []
    original = write_rows

    def store(*args):
        if len(writes) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        writes.append(original(*args))

    monkeypatch.setattr(runner, "write_rows", store)
    with pytest.raises(OSError, match="No space left"):
        run_study(study, folder)
    assert len(stored(folder)) == 3
    monkeypatch.setattr(runner, "write_rows", original)
    assert tables(run_study(study, folder)) == expected
    assert json.loads((folder / "run.json").read_text())["last_run"]["computed"] == CONDITIONS - 3


@pytest.mark.parametrize("neurons", [["signed", "if"], ["if", "signed"]])
def test_neurons_that_do_not_fit_the_network_are_refused_before_anything_is_simulated(study_file, tmp_path, neurons):
    leaky = [replace(x, activation=Activation(0.1)) if x.name == "conv" else x for x in tiny_network()]
    save(sequential((1, 8, 8), *leaky), study_file.parent / "tiny.onnx")
    study_file.write_text(study_file.read_text().replace("seed = [0, 1, 2]", f"neuron = {neurons}"))
    with pytest.raises(ConversionError, match="use signed neurons"):
        run_study(load_study(study_file), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("jobs", "threads"), [(1, 8), (4, 2), (16, 1)])
def test_workers_share_eight_cores(study_file, tmp_path, monkeypatch, jobs: int, threads: int) -> None:
    """In this process, where a fake of joblib calls one worker after another."""

    def parallel(**_):
        return lambda calls: (function(*arguments) for function, arguments, _ in calls)

    def rows(jobs):
        seen.append(n_threads())
        return rows_of(jobs)

    seen: list[int] = []
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 8)
    for name, fake in {"cpu_count": lambda: 8, "Parallel": parallel, "rows_of": rows}.items():
        monkeypatch.setattr(runner, name, fake)
    run_study(load_study(study_file), tmp_path / "out", jobs=jobs)
    assert seen == [threads] * CONDITIONS
    assert n_threads() == 8


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory) -> tuple[bytes, bytes]:
    """The tables of the study that the following test stops."""
    folder = tmp_path_factory.mktemp("never_stopped")
    save(tiny_network(), folder / "tiny.onnx")
    (folder / "tiny.toml").write_text(STUDY.replace("duration_ms = 20", "duration_ms = 400"))
    return tables(run_study(load_study(folder / "tiny.toml"), folder / "whole"))


INTERRUPTED = "error: interrupted; what a study or a training has finished is kept, and the same command continues"


@pytest.mark.parametrize(
    ("number", "jobs", "status", "said"),
    [
        (signal.SIGKILL, 1, -signal.SIGKILL, ""),
        (signal.SIGINT, 1, 130, INTERRUPTED),
        pytest.param(signal.SIGTERM, 1, 130, INTERRUPTED, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 2, 130, INTERRUPTED, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 2, 130, INTERRUPTED, marks=pytest.mark.slow),
    ],
)
def test_stopped_in_the_middle_and_continued(study_file, tmp_path, never_stopped, number, jobs, status, said):
    """A signal once two conditions are stored; the run that continues writes the bytes of one never interrupted."""
    study_file.write_text(study_file.read_text().replace("duration_ms = 20", "duration_ms = 400"))
    folder = tmp_path / "stopped" / "tiny"
    command = [sys.executable, "-m", "studies", "run", study_file, "--jobs", str(jobs), "--results", folder.parent]
    (scratch := tmp_path / "scratch").mkdir()
    environment, pipes = {**os.environ, "TMPDIR": str(scratch)}, {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as process:
        limit = time.monotonic() + 120
        while len(stored(folder)) < 2 and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.005)
        os.kill(process.pid, number)
        out, err = process.communicate()
    assert (process.returncode, out) == (status, "")
    assert [line for line in err.splitlines() if line.startswith("error")] == [said] * bool(said)
    assert "Traceback" not in err
    assert status < 0 or list(scratch.glob("brianize-*")) == []
    assert 2 <= len(stored(folder)) < CONDITIONS
    assert not (folder / "metrics.csv").exists()
    kept = {path: path.stat().st_mtime_ns for path in stored(folder)}
    continued = tables(run_study(load_study(study_file), folder))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert continued == never_stopped


def test_a_page_begins_with_what_a_run_has_left(tmp_path, expected):
    assert functions(Source(tmp_path, "expected"))["header"]().startswith("# Tiny\n\nDoes it run?\n\n    brianize run")

"""A Dask cluster: the same bytes, from workers with clones of their own too; and what cannot be used is refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numba
import numpy as np
import pytest

from conversion.threads import n_threads
from models.paths import ROOT
from studies.declare.study import Study, load_study
from studies.run import runner
from studies.run.experiment import rows_of
from studies.run.runner import run_study
from studies.tables.store import write_rows

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

from studies.run.cluster import computing as cluster  # noqa: E402  needs it

WITHOUT = shutil.ignore_patterns("*.onnx", "*.j2", "*.toml")


@pytest.fixture
def study(study_file: Path) -> Study:
    """With images of its own beside it, as its network is."""
    rng = np.random.default_rng(0)
    np.savez(study_file.with_name("mine.npz"), x=rng.random((60, 8, 8)), y=rng.integers(0, 10, 60))
    study_file.write_text(study_file.read_text().replace('"digits8"', '"mine.npz"'))
    return load_study(study_file)


def started(folder: Path, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A Dask program that knows no other code than a clone in its own folder."""
    for name in ("models", "conversion", "studies"):
        shutil.copytree(ROOT / name, folder / name, ignore=WITHOUT)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"]
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and the processes of its two workers."""
    file = tmp_path / "scheduler.json"
    scheduler = started(tmp_path / "scheduler", "dask_scheduler", "--port", "0", "--scheduler-file", str(file))
    options = ("--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--local-directory", "scratch")
    processes = [started(tmp_path / name, "dask_worker", *options) for name in ("one", "two")]
    try:
        with distributed.Client(scheduler_file=str(file), timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
            yield client.scheduler.address, processes
    finally:
        for process in (*processes, scheduler):
            process.kill()
            process.wait()


def tables(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "metrics.csv").read_bytes(), (folder / "layers.csv").read_bytes()


@pytest.mark.slow
def test_workers_without_a_common_disk_write_the_same_bytes_though_one_is_killed(
    study: Study, workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, (one, _) = workers
    stored = count()

    def store(*arguments) -> None:
        write_rows(*arguments)
        if next(stored) == 0:
            one.send_signal(signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "write_rows", store)
        patch.setattr(runner, "rows_of", lambda jobs: pytest.fail("computed here"))
        folder = run_study(study, tmp_path / "away", scheduler=address)
    assert one.wait() == -signal.SIGKILL
    assert next(stored) == len(study.conditions)
    assert len(list((tmp_path / "two").rglob("brianize/*/*"))) == 2  # the network and the images
    assert tables(folder) == tables(run_study(study, tmp_path / "here"))


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a cluster in this process, whose one worker has that many threads."""
    options = {"processes": False, "dashboard_address": None, "host": "127.0.0.1", "protocol": "tcp"}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=request.param, **options) as local:
        yield local.scheduler_address


def refused(study: Study, address: str, folder: Path) -> str:
    with pytest.raises(cluster.ClusterError) as error:
        run_study(study, folder, scheduler=address)
    assert list((folder / ".conditions").iterdir()) == []
    return str(error.value)


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_a_worker_writes_the_same_bytes_and_says_how_far_it_is(
    study: Study, threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tables(run_study(study, tmp_path / "here"))
    heard: dict[int, list[float]] = {}

    def hear(places, event, original=cluster._hear) -> None:
        original(places, event)
        heard.setdefault(event[1][0], []).append(places[event[1][0]])

    def rows(jobs):
        cores.append(n_threads())
        return rows_of(jobs)

    cores: list[int] = []
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 4)
    monkeypatch.setattr(cluster, "rows_of", rows)
    monkeypatch.setattr(cluster, "_hear", hear)
    monkeypatch.setattr(cluster, "INTERVAL", 0.0)
    monkeypatch.setattr(runner, "rows_of", lambda jobs: pytest.fail("computed here"))
    assert tables(run_study(study, tmp_path / "away", scheduler=threads)) == here
    assert cores == [1] * len(study.conditions)
    assert sorted(heard) == list(range(len(study.conditions)))
    assert all(parts == sorted(parts) and (parts[0], parts[-1]) == (0, 1) for parts in heard.values())


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_a_worker_of_several_threads_is_refused(study: Study, threads: str, tmp_path: Path) -> None:
    assert "has 2 threads, but Brian2's random seed belongs to the process" in refused(study, threads, tmp_path / "out")


@pytest.mark.parametrize("threads", [1], indirect=True)
@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("code", ["5eed" * 16, "c0de" * 16], "it differs in code (5eed5eed5eed, here c0dec0dec0de);"),
        ("version of brian2", ["2.9", "2.10"], "it differs in version of brian2 (2.9, here 2.10);"),
        ("dataset 'mine.npz'", ["f00d" * 16, "beef" * 16], "in dataset 'mine.npz' (f00df00df00d, here beefbeefbeef);"),
    ],
)
def test_a_worker_that_would_make_other_rows_is_refused(
    study: Study, threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, values: list, words: str
) -> None:
    """The worker is a thread of this process; what it says of itself is the first of two values."""
    monkeypatch.setattr(cluster, "key_of", lambda job: "another")

    def sources_of(job, original=cluster.sources_of):
        return {**original(job), name: values[threading.current_thread() is threading.main_thread()]}

    monkeypatch.setattr(cluster, "sources_of", sources_of)
    message = refused(study, threads, tmp_path / "out")
    assert message.startswith("worker tcp://127.0.0.1:")
    assert words in message


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_a_worker_without_the_data_is_named(
    study: Study, threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(job) -> str:
        raise OSError("there is no such file")

    monkeypatch.setattr(cluster, "key_of", absent)
    message = refused(study, threads, tmp_path / "out")
    assert message.startswith("worker tcp://127.0.0.1:")
    assert message.endswith(": there is no such file")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1", "smoke://signals"])
def test_no_scheduler(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(cluster, "SECONDS", 0.5)
    start = time.monotonic()
    assert refused(study, address, tmp_path / "out").startswith(f"no Dask scheduler answers at {address!r} (")
    assert time.monotonic() - start < 10

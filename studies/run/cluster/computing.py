"""Conditions on the workers of a Dask cluster, which may have nothing in common with this machine but the code.

A worker has a clone of its own, with the datasets that have a name; the files of a study are sent to each worker once,
also to those that come later. A worker that would make other rows than this machine refuses: it computes the key of a
condition anew, from its own code, libraries and data. It has one thread, since Brian2's random seed belongs to the
process.
"""

from __future__ import annotations

import logging
import sys
import time
import uuid
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, KilledWorker, Worker, WorkerPlugin, as_completed, get_worker
from distributed.comm import CommClosedError
from numpy.typing import NDArray

from conversion.threads import at_most
from studies.declare import Condition
from studies.run.board import Report, reported
from studies.run.cluster.parcels import Contents, located, pack, unpack
from studies.run.experiment import Rows, rows_of
from studies.run.files import Job
from studies.run.keys import key_of, sources_of

Answer = tuple[Condition, Rows]
SECONDS = 5  # for a scheduler to answer
INTERVAL = 1.0  # s between two events of a worker


class ClusterError(ValueError):
    """A cluster that cannot run a study; the message says which part of it and what to do."""


class OtherRows(Exception):
    """Of a worker that would make other rows of a condition: its address, the condition, and what they come from."""


class Files(WorkerPlugin):
    """Puts the files of a study on every worker of a cluster."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents

    def setup(self, worker: Worker) -> None:
        unpack(self.contents, _scratch(worker))


def computed_on(
    address: str, groups: list[list[Job]], keys: Mapping[Condition, str], places: NDArray[np.float64]
) -> Generator[tuple[int, list[Answer]]]:
    """The number of each group of conditions, and their rows from one simulation on some worker, as they finish.

    Parameters
    ----------
    places : array
        Where it is kept how far each group is; see `studies.run.board`.

    Raises
    ------
    ClusterError
        If no scheduler answers, or a worker has several threads or would make other rows than this machine.
    """
    packed, contents = pack(groups)
    tasks = [[(job, keys[job.condition]) for job in group] for group in packed]
    with _reported(address, groups), _client(address) as client, _files(client, contents):
        if not client.nthreads():
            print(f"waiting for the first worker of {address}", file=sys.stderr)
        topic = f"brianize-{uuid.uuid4().hex}"
        client.subscribe_topic(topic, partial(_hear, places))
        numbers = range(len(tasks))
        for future in as_completed(client.map(compute, numbers, tasks, topic=topic, pure=False)):
            yield future.result()


def _hear(places: NDArray[np.float64], event: tuple[Any, tuple[int, float]]) -> None:
    _, (number, at) = event
    places[number] = at


def compute(number: int, tasks: list[tuple[Job, str]], topic: str) -> tuple[int, list[Answer]]:
    """On a worker: the rows of packed jobs that share a simulation, each given with its key on the machine that asks.

    How far they are is said as events of a topic.

    Raises
    ------
    ClusterError
        If the worker has several threads, or not the files of a condition.
    OtherRows
        If the rows would not be those of that key.
    """
    worker = get_worker()
    if worker.state.nthreads > 1:
        raise ClusterError(
            f"worker {worker.address} has {worker.state.nthreads} threads, but Brian2's random seed belongs to the "
            "process; start it again with `dask worker --nthreads 1`"
        )
    jobs = [located(job, _scratch(worker)) for job, _ in tasks]
    for job, (_, key) in zip(jobs, tasks, strict=True):
        if _key_on(worker, job) != key:
            raise OtherRows(worker.address, job.condition, sources_of(job))
    with at_most(1), reported(_events(worker, topic, number)):
        return number, list(zip((job.condition for job in jobs), rows_of(jobs), strict=True))


def _events(worker: Worker, topic: str, number: int) -> Report:
    """What tells the scheduler, and by it who listens, at times how far a group is."""
    last = -INTERVAL

    def say(at: float) -> None:
        nonlocal last
        if time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            worker.log_event(topic, (number, at))

    return say


def _key_on(worker: Worker, job: Job) -> str:
    try:
        return key_of(job)
    except (ValueError, OSError) as error:
        raise ClusterError(f"worker {worker.address}: {error}") from None


def _difference(jobs: Mapping[Condition, Job], worker: str, condition: Condition, theirs: Mapping[str, Any]) -> str:
    ours = sources_of(jobs[condition])
    parts = [
        f"{name} ({str(theirs.get(name))[:12]}, here {str(ours[name])[:12]})"
        for name in ours
        if theirs.get(name) != ours[name]
    ]
    return (
        f"worker {worker} would make other rows: it differs in {', '.join(parts) or 'the code'}; give it the clone, "
        "the libraries and the datasets of this machine, and start it again"
    )


@contextmanager
def _reported(address: str, groups: list[list[Job]]) -> Iterator[None]:
    """Errors of a cluster as `ClusterError`, those of its way of working in words of ours."""
    try:
        yield
    except OtherRows as error:
        raise ClusterError(_difference({job.condition: job for job in chain(*groups)}, *error.args)) from None
    except KilledWorker as error:
        raise ClusterError(f"{error}; too little memory? memory_gb is what a batch of images takes") from None
    except (CancelledError, CommClosedError):
        raise ClusterError(f"the scheduler {address} was lost; the same command continues once it is back") from None


@contextmanager
def _client(address: str) -> Iterator[Client]:
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it says in one line what it logs in fifty
    try:
        client = Client(address, timeout=SECONDS)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address!r} ({' '.join(str(error).split())}); start one with "
            "`dask scheduler` and name the address that it prints, such as tcp://HOST:8786"
        ) from None
    with client:
        yield client


@contextmanager
def _files(client: Client, contents: Contents) -> Iterator[None]:
    """While the workers have some files, also those workers that come later."""
    name = f"brianize-{uuid.uuid4().hex}"
    try:
        client.register_plugin(Files(contents), name)
    except Exception as error:  # of any kind that a worker met
        raise ClusterError(f"a worker cannot take the study's files, or has no such clone: {error}") from None
    try:
        yield
    finally:
        with suppress(OSError):  # of a scheduler that is lost
            client.unregister_worker_plugin(name)


def _scratch(worker: Worker) -> Path:
    return Path(worker.local_directory) / "brianize"

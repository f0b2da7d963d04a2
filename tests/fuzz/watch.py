"""Cases made and judged in another process, which may hang in compiled code, or die, and is then begun again."""

from __future__ import annotations

import multiprocessing
import resource
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from tests.fuzz.outcome import SECONDS, Outcome

KINDS = {"onnx": "tests.fuzz.onnx_files", "study": "tests.fuzz.studies", "npz": "tests.fuzz.npz_files"}
MEMORY = 6 << 30  # bytes of addresses that a process may take, with all its libraries
PATIENCE = 60 + 2 * SECONDS  # the first case waits for the imports

Ask = Callable[[int, Path], Outcome]


def make(kind: str, seed: int, number: int, folder: Path) -> None:
    """Write a case into a folder; the same for the same seed and number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers out of range are meant
        import_module(KINDS[kind]).make(np.random.default_rng([seed, number]), folder)


def judge(kind: str, folder: Path) -> Outcome:
    """What comes of the case in a folder."""
    return import_module(KINDS[kind]).judge(folder)


@contextmanager
def watched(kind: str, seed: int) -> Iterator[Ask]:
    """A function of a case's number and an empty folder for it."""
    held: list = []

    def ask(number: int, folder: Path) -> Outcome:
        if not held:
            held[:] = _begun(kind, seed)
        process, here = held
        try:
            here.send((number, folder))
            if here.poll(PATIENCE):
                return here.recv()
            outcome = Outcome("hang", f"no answer after {PATIENCE} s, in compiled code")
        except (EOFError, OSError):
            process.join()
            outcome = Outcome("crash", f"the process ended with {process.exitcode}")
        process.kill()
        held.clear()
        return outcome

    try:
        yield ask
    finally:
        if held:
            held[1].close()  # which ends it
            held[0].join(SECONDS)
            held[0].kill()


def _begun(kind: str, seed: int) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, kind, seed), daemon=True)
    process.start()
    there.close()
    return process, here


def _work(conversation: Connection, kind: str, seed: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with suppress(EOFError):
        while True:
            number, folder = conversation.recv()
            make(kind, seed, number, folder)
            conversation.send(judge(kind, folder))

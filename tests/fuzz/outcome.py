"""What may come of a case: it loads and is right, or it is refused in one line. Anything else is a finding."""

from __future__ import annotations

import re
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 30  # a compiler may take a part of them
FINE = ("equal", "refused", "vague", "overflow")
FINDINGS = ("wrong", "traceback", "line", "warning", "hang", "crash")
IN_PYTHONS_WORDS = re.compile(r"cannot be read, (?!Value|Graph|Onnx|Memory)\w+: ")


@dataclass(frozen=True)
class Outcome:
    """One of `FINE` or `FINDINGS`, and more about it.

    "vague" is a refusal in Python's words, "overflow" a network that onnxruntime answers with numbers out of range.
    "line" is a refusal that is not one line with the file's name.
    """

    kind: str
    words: str = ""

    @property
    def is_finding(self) -> bool:
        return self.kind in FINDINGS


class Wrong(Exception):
    """Something loaded and is not what the file says."""


class Hang(BaseException):
    """Of no kind that code under test may catch."""


def outcome_of(judge: Callable[[Path], str], folder: Path, refusals: Sequence[type[Exception]], named: str) -> Outcome:
    """What `judge` says of the case in a folder, within the limits of time and without a warning.

    Parameters
    ----------
    judge : callable
        Returns a kind of `FINE`, or raises: one of `refusals`, in a line that has `named` in it, or `Wrong`.
    """
    try:
        with _alarm(SECONDS), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outcome = _judged(judge, folder, tuple(refusals), named)
    except Hang:
        return Outcome("hang", traceback.format_exc())
    heard = [w for w in caught if not _is_among_libraries(w)]
    if heard and not outcome.is_finding:
        return Outcome("warning", "; ".join(f"{w.filename}:{w.lineno} {w.message}" for w in heard))
    return outcome


def _is_among_libraries(warning: warnings.WarningMessage) -> bool:
    """What a library says of another's future, which Python shows nobody."""
    deprecates = issubclass(warning.category, DeprecationWarning | PendingDeprecationWarning)
    return "site-packages" in warning.filename and deprecates


def _judged(judge: Callable[[Path], str], folder: Path, refusals: tuple[type[Exception], ...], named: str) -> Outcome:
    try:
        return Outcome(judge(folder))
    except Wrong as error:
        return Outcome("wrong", str(error))
    except refusals as error:
        line = str(error)
        if named not in line or len(line.splitlines()) != 1 or not line.isprintable():
            return Outcome("line", repr(line))
        return Outcome("vague" if IN_PYTHONS_WORDS.search(line) else "refused", line)
    except Exception:
        return Outcome("traceback", traceback.format_exc())


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def pick(rng: np.random.Generator, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]

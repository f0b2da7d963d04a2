"""How far the conditions of a study are that its workers compute, as the workers say it.

A worker writes one number into its place of a file that all map into memory: how many simulations it has begun, less
what the last of them still has to do. That takes no lock, no thread and no time. What they amount to, only the process
that asks knows.
"""

from __future__ import annotations

import math
import mmap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversion.progress import heard_by
from models.graph import Add, Conv2d, Dense, Flatten, Graph
from models.onnx_io import load
from studies.declare import Condition, Study, cells, unit_of_column
from studies.progress import in_words
from studies.run.files import Job, model_path
from studies.run.settings import MATCHED_IMAGES

Report = Callable[[float], object]
MATCHINGS = 3  # simulations for each layer that is matched (conversion.normalize.calibrate_matching), about
WAITING = -1.0  # in the place of a group that no worker has begun


@dataclass
class Board:
    """What is known of a run.

    Parameters
    ----------
    labels, sizes : sequence of str, of int
        Of each group that shares a simulation: what it is called, and how many conditions it has.
    works : sequence of sequence of float
        Of each group: how much each of its simulations has to do, in any unit.
    file : path
        What the workers of this machine write into.
    places : array
        Of each group: what its worker reports; the content of the file.
    finished : int
        Conditions whose rows are stored, those included that were there before.
    ended : set of int
        The groups that have finished in this run.
    begun : float, optional
        When the first step of any was done, in the clock's seconds.
    """

    labels: Sequence[str]
    sizes: Sequence[int]
    works: Sequence[Sequence[float]]
    file: Path
    places: NDArray[np.float64]
    finished: int
    ended: set[int] = field(default_factory=set)
    begun: float | None = None

    def __post_init__(self) -> None:
        self.total = self.finished + sum(self.sizes)
        self.whole = [sum(works) for works in self.works]

    def end(self, number: int) -> None:
        """A group has finished, and its rows are stored."""
        self.ended.add(number)
        self.finished += self.sizes[number]

    def line(self) -> str:
        """How many conditions are finished, how far the others are, and about how long they will take."""
        at = {n: reported for n, reported in enumerate(self.places.tolist()) if reported > WAITING}
        shares = {n: share(reported, self.works[n]) for n, reported in at.items() if n not in self.ended}
        if self.begun is None and any(shares.values()):
            self.begun = time.monotonic()
        left = self._left(shares)
        running = ", ".join(f"{self.labels[n]} {math.floor(100 * part)} %" for n, part in shares.items())
        text = f"{self.finished} of {self.total} conditions"
        if self.finished == self.total:
            return text
        text += f", about {left} left" if left else ""
        return f"{text}; running: {running}" if running else f"{text}; waiting for workers"

    def _left(self, shares: Mapping[int, float]) -> str:
        done = sum(self.whole[n] for n in self.ended) + sum(self.whole[n] * part for n, part in shares.items())
        if self.begun is None or not done:
            return ""
        return in_words((time.monotonic() - self.begun) * (sum(self.whole) - done) / done)


@contextmanager
def open_board(study: Study, groups: Sequence[Sequence[Job]], finished: int) -> Iterator[Board]:
    """A board for groups of jobs, each from one simulation, none of which has begun; its file is there for so long."""
    sizes = {path: _sizes(load(path)) for path in {model_path(group[0]) for group in groups}}
    with TemporaryDirectory(prefix="brianize-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "board"
        np.full(max(1, len(groups)), WAITING).tofile(file)
        yield Board(
            labels_of(study, [group[0].condition for group in groups]),
            [len(group) for group in groups],
            [works_of(group[0].condition, *sizes[model_path(group[0])]) for group in groups],
            file,
            np.memmap(file, np.float64, "r+"),
            finished,
        )


def labels_of(study: Study, conditions: Sequence[Condition]) -> list[str]:
    """What tells each condition from the others of its study: words as they are, numbers behind their key."""
    varied = [name for name in study.columns if len({_value(study, name, c) for c in study.conditions}) > 1]
    every = [{name: _value(study, name, c) for name in varied} for c in conditions]
    return [" ".join(_in_words(*pair) for pair in each.items() if pair[1] is not None) or study.name for each in every]


def _in_words(name: str, value: Any) -> str:
    unit = unit_of_column(name)
    return (
        value
        if isinstance(value, str)
        else f"{name.partition(' [')[0]} {value:g}" + (f" {unit}" if unit else "").removesuffix(" 1")
    )


def _value(study: Study, name: str, c: Condition) -> Any:
    return study.variant_of[c] if name == "variant" else cells(c).get(name)


def writer(file: Path, number: int) -> Report:
    """What writes into a place of a board's file; on a machine that does not have it, nothing."""
    try:
        with file.open("r+b") as opened:
            places = memoryview(mmap.mmap(opened.fileno(), 0)).cast("d")
    except OSError:
        return lambda at: None

    def write(at: float) -> None:
        places[number] = at

    return write


@contextmanager
def reported(report: Report) -> Iterator[None]:
    """Report how many simulations in the context have ended, and of the present one, which part."""
    before = 0

    def listen(step: int, steps: int) -> None:
        nonlocal before
        report(before + step / steps)
        before += step == steps

    report(0.0)
    with heard_by(listen):
        yield


def share(at: float, works: Sequence[float]) -> float:
    """Which part of its work a group has done that has ended as many simulations, and a part of the next."""
    ended, part = divmod(at, 1)
    whole, rest = sum(works[: int(ended)]), works[int(ended) :]
    return min(1.0, (whole + (part * rest[0] if rest else 0.0)) / sum(works))


def works_of(c: Condition, calibrated: Sequence[int], neurons: int) -> list[float]:
    """What each simulation of a condition has to do, in neurons times images times steps.

    Parameters
    ----------
    calibrated : sequence of int
        How many neurons are simulated while each layer is calibrated.
    neurons : int
        How many there are.
    """
    window = (c.duration_ms if c.calibration_ms is None else c.calibration_ms) / c.dt_ms
    all_images = [size * (c.calibration or 0) * window for size in calibrated]
    some_images = [size * MATCHED_IMAGES * window for size in calibrated for _ in range(MATCHINGS)]
    calibrations = [
        *(all_images if c.normalization == "spike" else []),
        *(some_images if c.matching == "calibrated" else []),
        *(all_images if c.bias_calibration == "mean" else []),
    ]
    return calibrations + [neurons * c.images * ms / c.dt_ms for ms in (c.residual_ms, c.duration_ms) if ms]


def _sizes(graph: Graph) -> tuple[list[int], int]:
    """For each layer that is calibrated, how many neurons there are up to it; and how many there are."""
    neurons = (0 if isinstance(layer, Flatten) else math.prod(graph.shapes[layer.name]) for layer in graph)
    reached = list(zip(graph, accumulate(neurons), strict=True))
    return [up_to for layer, up_to in reached if isinstance(layer, Conv2d | Dense | Add)], reached[-1][1]

"""What does not depend on each other within a step, done at once by the threads of this process.

All our kernels let go of Python's lock. As many threads take part as numba may use: one per core, unless its
environment variable NUMBA_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numba
from brian2 import BrianObject

WORTH = 3e-4  # s; handing over takes 0.05 ms, and as much again until the other thread is at work
TRIED_AGAIN = 16  # steps after which the number of threads is tried that was slower
_most = math.inf


def n_threads() -> int:
    """How many threads may work at once, this one among them."""
    return int(min(_most, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]


@contextmanager
def at_most(n: int) -> Iterator[None]:
    """Let no more than n threads work at once."""
    global _most
    before, _most = _most, n
    try:
        yield
    finally:
        _most = before


class Together(BrianObject):
    """Runs objects of one slot at once, in as many tasks as do not depend on each other.

    Each thread takes what took longest in the last step of all that is left, so that none waits for one that begins
    late because its core is busy elsewhere. This thread does all alone where that takes little, or less time.

    Parameters
    ----------
    members : sequence of BrianObject
        Of the same slot, in the same network; they no longer run by themselves.
    tasks : sequence of callable
        What they do, in any order and by any thread.
    last : sequence of callable
        What this thread does when all tasks are done.
    """

    def __init__(
        self, name: str, members: Sequence[BrianObject], tasks: Sequence[Callable[[], Any]],
        last: Sequence[Callable[[], Any]] = (),
    ) -> None:  # fmt: skip
        super().__init__(clock=members[0].clock, when=members[0].when, order=members[0].order, name=name)
        self.members, self.tasks, self.last = members, tasks, last
        self.seconds, self.took, self.k = [0.0] * len(tasks), dict[int, float](), 0
        for member in members:
            member.active = False

    def before_run(self, run_namespace: Any) -> None:
        for member in self.members:
            member.before_run(run_namespace)

    def run(self) -> None:
        start, n = time.perf_counter(), self._how_many()
        longest_first = sorted(range(len(self.tasks)), key=self.seconds.__getitem__, reverse=True)
        _at_once(partial(self._do, iter(longest_first)), n)
        self.took[n] = time.perf_counter() - start
        for function in self.last:
            function()

    def _how_many(self) -> int:
        """How many threads: whatever took less time when it was tried last; in every sixteenth step the other."""
        n, self.k = min(n_threads(), len(self.tasks)), self.k + 1
        if sum(self.seconds) < WORTH:
            return 1
        faster, slower = sorted((n, 1), key=lambda n: self.took.get(n, 0))
        return slower if self.k % TRIED_AGAIN == 0 else faster

    def _do(self, left: Iterator[int]) -> None:
        """Do tasks until none is left."""
        for number in left:
            start = time.perf_counter()
            self.tasks[number]()
            self.seconds[number] = time.perf_counter() - start

    def after_run(self) -> None:
        for member in self.members:
            member.after_run()


def _at_once(work: Callable[[], None], n: int) -> None:
    """Call it in n threads, this one among them, and return when it is done; one that comes too late is not awaited."""
    helpers = [_pool().submit(work) for _ in range(n - 1)]
    try:
        work()
    finally:
        for helper in helpers:
            if not helper.cancel():
                helper.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="step")

"""Who is told how far a simulation is: nobody, a bar, or whoever listens from outside.

A condition of a study simulates many times where it calibrates, deep inside of functions that know nothing of studies.
So a listener belongs to the context, and is no argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any

from tqdm import tqdm

Listener = Callable[[int, int], Any]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Call `listener(step, steps)` after every step of every simulation in the context; step counts from 1 in each."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def counted(steps: int, bar: bool) -> Iterator[Callable[[], Any]]:
    """What a simulation calls after each of its steps; where a bar is asked for, no listener hears them."""
    listener, numbers = _listener.get(), count(1)
    if bar:
        with tqdm(total=steps, desc="steps", unit="step", leave=False) as shown:
            yield shown.update
    elif listener is not None:
        yield lambda: listener(next(numbers), steps)
    else:
        yield lambda: None

"""How far something is, on stderr while it is done: on a terminal one line that changes, in a log a line at times."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from threading import Event, Thread

from tqdm import tqdm

SECONDS = 1.0  # between two looks, on a terminal
FIRST, IN_LOGS = 2.0, 30.0  # until the first line in a log, and between two of them

Line = Callable[[], str]


@contextmanager
def shown(line: Line) -> Iterator[None]:
    """Show what `line()` says while the context lasts; of it nothing is left on a terminal, and in a log every line."""
    over = Event()
    show = _on_terminal if sys.stderr.isatty() else _in_log
    thread = Thread(target=show, args=(line, over), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def in_words(seconds: float) -> str:
    """A time as one says it."""
    for unit, length, until in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 72)):
        if seconds < until * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def _on_terminal(line: Line, over: Event) -> None:
    with tqdm(bar_format="{desc}", dynamic_ncols=True, leave=False, file=sys.stderr) as place:
        while True:
            place.set_description_str(line())
            if over.wait(SECONDS):
                return


def _in_log(line: Line, over: Event) -> None:
    for seconds in chain([FIRST], repeat(IN_LOGS)):
        if over.wait(seconds):
            return
        print(line(), file=sys.stderr, flush=True)

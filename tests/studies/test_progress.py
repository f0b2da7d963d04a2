"""What is said while something is done: where it is seen, how often, and that nothing of it is left."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable
from itertools import count

import pytest

from studies import progress


class Terminal(io.StringIO):
    """A stderr that somebody looks at."""

    def isatty(self) -> bool:
        return True


def until(true: Callable[[], bool]) -> None:
    """Wait for a thread, as long as a busy machine may need."""
    limit = time.monotonic() + 20
    while not true() and time.monotonic() < limit:
        time.sleep(0.005)


def test_a_terminal_shows_every_line_in_the_place_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, numbers = Terminal(), count()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "SECONDS", 0.01)
    with progress.shown(lambda: f"line {next(numbers)}"):
        until(lambda: "line 3" in terminal.getvalue())
    written = terminal.getvalue()
    assert [part for part in written.split("\r") if "line" in part][:4] == ["line 0", "line 1", "line 2", "line 3"]
    assert "\n" not in written
    assert written.rsplit("\r", 2)[1].isspace()
    assert written.endswith("\r")
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]


def test_a_log_gets_whole_lines_and_only_of_what_takes_its_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with progress.shown(lambda: "too early"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "FIRST", 0.0)
    monkeypatch.setattr(progress, "IN_LOGS", 0.05)
    said: list[int] = []
    with progress.shown(lambda: f"line {said.append(len(said)) or said[-1]}"):
        until(lambda: len(said) > 2)
    assert capsys.readouterr().err.startswith("line 0\nline 1\n")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (99.4, "99 s"), (119, "2 min"), (5400, "90 min"), (4 * 3600, "4 h"), (5 * 86400, "5 days")],
)
def test_a_time_in_words(seconds: float, words: str) -> None:
    assert progress.in_words(seconds) == words

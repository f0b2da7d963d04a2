"""One page after the other: each is a thread of its own, and neither Brian2 nor pyplot knows of threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
_TURN = RLock()


def in_turn(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which waits while another such one runs in another thread."""

    @wraps(function)
    def waiting(*arguments: P.args, **named: P.kwargs) -> R:
        with _TURN:
            return function(*arguments, **named)

    return waiting

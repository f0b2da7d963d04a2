"""What is asked of Brian2 for the time of a run: its code generation, its garbage, its interrupts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from brian2 import prefs


def is_own() -> bool:
    """Whether groups run as our compiled loops: unless the user chose one of Brian2's targets."""
    return bool(prefs.codegen.target == "auto")


@contextmanager
def numpy_for_the_rest() -> Iterator[None]:
    """Let Brian2 run what no loop of ours does, such as `Synapses`, by numpy, unless the user chose a target."""
    chosen = prefs.codegen.target
    prefs.codegen.target = "numpy" if is_own() else chosen
    try:
        yield
    finally:
        prefs.codegen.target = chosen


@contextmanager
def interrupts_raise() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt in a run of Brian2, which else ends it quietly and returns half a result."""
    chosen = prefs.core.stop_on_keyboard_interrupt
    prefs.core.stop_on_keyboard_interrupt = False
    try:
        yield
    finally:
        prefs.core.stop_on_keyboard_interrupt = chosen


_frozen: list[None] = []  # as many as there are `heap_frozen` within each other


@contextmanager
def heap_frozen() -> Iterator[None]:
    """Spare Brian2 most of the garbage that it collects at the start of every run, ten times a small simulation's time.

    What is there already is looked through no more, until afterwards. Within another, it changes nothing.
    """
    _frozen.append(None)
    try:
        if len(_frozen) == 1:
            gc.freeze()
        yield
    finally:
        _frozen.pop()
        if not _frozen:
            gc.unfreeze()


def can_compile() -> bool:
    """Whether Brian2 finds what Cython needs."""
    from brian2.codegen.runtime.cython_rt import CythonCodeObject

    return bool(CythonCodeObject.is_available())

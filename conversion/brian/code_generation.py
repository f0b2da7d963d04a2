"""What is asked of Brian2 for the time of a run: its code generator, its garbage, its interrupts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from brian2 import prefs

WORTH_COMPILING = 20_000_000_000  # neuron updates: compiled ones save 1 to 3 ns each; compiling takes 10 to 60 s, once


@contextmanager
def choose_target(neuron_updates: int) -> Iterator[None]:
    """Use numpy, and for long simulations Cython if there is a compiler, unless the user has chosen a target.

    Parameters
    ----------
    neuron_updates : int
        Neurons times images times steps. The spikes are the same.
    """
    chosen = prefs.codegen.target
    if chosen == "auto":
        prefs.codegen.target = "cython" if neuron_updates >= WORTH_COMPILING and can_compile() else "numpy"
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


@contextmanager
def heap_frozen() -> Iterator[None]:
    """Spare Brian2 most of the garbage that it collects at the start of every run, ten times a small simulation's time.

    What is there already is looked through no more, until afterwards.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def can_compile() -> bool:
    """Whether Brian2 finds what Cython needs."""
    from brian2.codegen.runtime.cython_rt import CythonCodeObject

    return bool(CythonCodeObject.is_available())

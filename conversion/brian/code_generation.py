"""Which of Brian2's code generators runs a simulation: the one that starts at once, or the one that compiles."""

from __future__ import annotations

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


def can_compile() -> bool:
    """Whether Brian2 finds what Cython needs."""
    from brian2.codegen.runtime.cython_rt import CythonCodeObject

    return bool(CythonCodeObject.is_available())

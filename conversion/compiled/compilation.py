"""The source of a loop compiled by numba, once for all processes: numba keeps the result on disk, beside this file.

As with all that numba keeps, the environment variable NUMBA_CACHE_DIR names another folder, and where nobody can write,
the user's own is taken. Nothing depends on it but time.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np

from conversion.compiled import functions
from conversion.compiled.source import NAMESPACE

Compiled = Callable[..., None]
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}


def compiled(source: str, arguments: Sequence[Any]) -> Compiled:
    """The function `step` of a source, compiled for arguments of these types."""
    return _compiled(source, tuple(map(numba.typeof, arguments)))


@cache
def _compiled(source: str, signature: tuple[numba.types.Type, ...]) -> Compiled:
    name = f"step_{_key(source, signature)}"
    with suppress(Exception):  # no folder, a full disk, a file that is damaged: numba raises whatever that raises
        return _kept(source, signature, name)
    with suppress(Exception):
        _forget(name)
    return numba.njit(_function(source, name, "<loop>"), **OPTIONS)


def _kept(source: str, signature: tuple[numba.types.Type, ...], name: str) -> Compiled:
    """As an earlier process left it on disk, or compiled and left there for later ones.

    To numba it is a function of this file.
    """
    step = numba.njit(_function(source, name, __file__), cache=True, **OPTIONS)
    step.compile(signature)
    return step


def _function(source: str, name: str, file: str) -> Compiled:
    """The function of a source; by its name numba tells it from the others, of this process and of those before."""
    namespace: dict[str, Any] = {**NAMESPACE, "__name__": __name__}
    exec(compile(source, file, "exec"), namespace)  # made of Brian2's checked expressions
    namespace["step"].__qualname__ = name
    return namespace["step"]


def _key(source: str, signature: tuple[numba.types.Type, ...]) -> str:
    """What the compiled code depends on: of several that did not differ by it, numba might take another's."""
    return hashlib.sha256("\n".join([source, str(signature), *_surroundings()]).encode()).hexdigest()[:32]


@cache
def _surroundings() -> tuple[str, ...]:
    """The functions that loops call, the libraries, the processor."""
    return inspect.getsource(functions), numba.__version__, np.__version__, llvmlite.binding.get_host_cpu_name()


def _forget(name: str) -> None:
    """Remove what is on disk, so that the next process leaves something whole there."""
    kept = numba.njit(_function("def step(): pass", name, __file__), cache=True)
    for path in Path(str(kept.stats.cache_path)).glob(f"*.{name}-*"):
        path.unlink()

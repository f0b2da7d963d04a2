"""What numba keeps of a loop on disk is that loop's alone, and whatever happens to it, the loop is the same."""

from __future__ import annotations

from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import caching

from conversion.compiled import compilation

SOURCE = "def step(_n, x):\n    for _i in range(_n):\n        x[_i] += exp32(x[_i]) * float32({factor})"


def run(x: np.ndarray, factor: int = 2) -> tuple[numba.core.dispatcher.Dispatcher, np.ndarray]:
    """The compiled loop, as a process has it that has compiled none yet, and what it makes of an array."""
    compilation._compiled.cache_clear()
    changed = x.copy()
    step = compilation.compiled(SOURCE.format(factor=factor), [x.size, x])
    step(x.size, changed)
    return step, changed


def right(x: np.ndarray, changed: np.ndarray, factor: int = 2) -> bool:
    return np.allclose(changed, x + factor * np.exp(x), rtol=1e-6, atol=1e-6)


@pytest.fixture
def x() -> np.ndarray:
    return np.linspace(-1, 1, 9, dtype=np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that numba keeps compiled code in."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def test_what_one_process_compiled_the_next_one_reads(x):
    for hits in (0, 1):
        step, changed = run(x)
        assert sum(step.stats.cache_hits.values()) == hits
        assert len(step.signatures) == 1  # the call compiled nothing
        assert right(x, changed)


def test_loops_and_types_that_differ_are_never_taken_for_each_other(x):
    for _ in range(2):
        for factor in (2, 3):
            for dtype in (np.float32, np.float64):
                _, changed = run(x.astype(dtype), factor)
                assert changed.dtype == dtype
                assert right(x, changed, factor)


def test_other_functions_libraries_or_processors_need_other_code(monkeypatch):
    before = compilation._surroundings()
    keys = {compilation._key("source", ())}
    for place in range(len(before)):
        changed = (*before[:place], before[place] + "x", *before[place + 1 :])
        monkeypatch.setattr(compilation, "_surroundings", lambda changed=changed: changed)
        keys.add(compilation._key("source", ()))
    assert len(keys) == 1 + len(before)


@pytest.mark.parametrize(("kind", "content"), [("nbi", b""), ("nbi", None), ("nbc", b"garbage"), ("nbc", None)])
def test_a_damaged_file_is_compiled_again_and_replaced(x, folder, kind, content):
    run(x)
    (path,) = folder.rglob(f"*.{kind}")
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    assert right(x, run(x)[1])
    step, changed = run(x)
    if not sum(step.stats.cache_hits.values()):  # the last one compiled, without keeping it
        step, changed = run(x)
    assert sum(step.stats.cache_hits.values()) == 1
    assert right(x, changed)


def test_without_a_folder_that_can_be_written_it_is_compiled_all_the_same(x, folder, monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert right(x, run(x)[1])
    assert not list(folder.iterdir())


def test_a_disk_that_is_full_costs_no_more_than_time(x, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", full)
    for _ in range(2):
        assert right(x, run(x)[1])

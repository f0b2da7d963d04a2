"""The loop that tells what a core allows adds what it says; never how fast."""

from __future__ import annotations

import numpy as np
import pytest

from studies.bench import bounds


def test_every_run_is_added_in_every_round():
    weights = np.random.default_rng(0).integers(-8, 8, (5, bounds.RUN)).astype(np.float32)
    target = np.ones(bounds.RUN, np.float32)
    bounds.add_runs(target, weights, 3)
    np.testing.assert_array_equal(target, 1 + 3 * weights.sum(axis=0))


def test_both_rates_count_all_additions(monkeypatch: pytest.MonkeyPatch):
    """A second each."""
    monkeypatch.setattr(bounds, "RUNS_IN_MEMORY", 64)
    monkeypatch.setattr(bounds, "_seconds", lambda *run: 1.0)
    assert bounds.additions_per_second() == {
        "adds_per_s_in_cache": 64 * bounds.RUN,
        "adds_per_s_from_memory": 64 * bounds.RUN,
    }

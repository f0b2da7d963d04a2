"""What is measured of neurons and memory, on made-up times; never how long something takes."""

from __future__ import annotations

import itertools

import pytest

from studies.bench import scaling


def test_a_step_of_neurons_in_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million neurons in a millisecond: 1 ns and 16 bytes each."""
    monkeypatch.setattr(scaling, "_seconds_of", lambda neuron, size: 1e-3)
    monkeypatch.setattr(scaling, "bandwidth", lambda size: {16_000_000: 64.0}[size])
    row = scaling.time_neurons("if", 1_000_000)
    assert row.pop("neuron") == "if"
    assert row == pytest.approx({"neurons": 1e6, "ns_per_neuron": 1, "gb_per_s": 16, "copy_gb_per_s": 64})


def test_the_bandwidth_counts_two_reads_and_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock of a millisecond a look; 1200 bytes are a hundred numbers of each array."""
    clock = itertools.count()
    monkeypatch.setattr(scaling.time, "perf_counter", lambda: next(clock) * 1e-3)
    assert scaling.bandwidth(1200) == pytest.approx(1200 / 1e-3 / 1e9)


def test_neurons_that_a_current_drives_are_profiled() -> None:
    assert 0 < scaling._seconds_of(scaling.NEURONS["lif"], 100) < 1

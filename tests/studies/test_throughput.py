"""What the measurements count, and that each has a process of its own; never how long something takes."""

from __future__ import annotations

import os

import numpy as np
import pytest

from conversion.plan import plan
from models.graph import LINEAR, Conv2d, Flatten, MaxPool2d, sequential
from models.graph import Dense as DenseLayer
from models.neurons import integrate_and_fire
from studies.throughput import SETTLING, Timing, cost, in_own_process, peak_memory_gb, show


def network():
    """Every weight and every input is 1: from the second step of its window on, each neuron spikes in every step."""
    return sequential(
        (1, 4, 4),
        Conv2d(name="conv", inputs=("",), weight=np.ones((2, 1, 1, 1), np.float32)),
        MaxPool2d(name="pool", inputs=("",), kernel=(2, 2), stride=(2, 2)),
        Flatten(name="flat", inputs=("",)),
        DenseLayer(name="fc", inputs=("",), weight=np.ones((3, 8), np.float32), activation=LINEAR),
    )


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_spikes_and_synaptic_operations_of_a_step(connectivity):
    images = np.ones((2, 1, 4, 4), np.float32)
    timing = show(network(), images, integrate_and_fire(), SETTLING + 5, n_batches=2, connectivity=connectivity)
    assert timing.ends.shape == (2, SETTLING + 5 + 3)
    assert (np.diff(timing.ends.ravel()) > 0).all()
    spikes, synops = timing.per_step.T
    np.testing.assert_array_equal(spikes, [2 * 16, 2 * 32, 2 * 8, 2 * 3])
    np.testing.assert_array_equal(synops, [2 * 16 * 2, 2 * 32, 2 * 8 * 3, 0])


def timing_of(step_ms):
    """Two batches of which the second has steps of these lengths; 10 spikes and 40 synaptic operations in each."""
    second = 100 + 1e-3 * np.cumsum([500.0] * (SETTLING + 1) + step_ms)
    ends = np.stack([np.linspace(0, 100, len(second)), second])
    totals = np.tile([[10, 40]], (len(second) - 3, 1, 1)).repeat(4, axis=1)
    return Timing(plan(network()), ends, totals)


def test_median_and_quartiles_of_the_settled_steps():
    row = cost(timing_of([4.0, 1.0, 2.0, 3.0, 100.0]), 2)
    assert (row["ms_low"], row["ms_per_step"], row["ms_high"]) == pytest.approx((2, 3, 4))
    assert row["neurons"] == 2 * (16 + 32 + 8 + 3)
    assert row["spikes_per_step"] == 40
    assert row["synops_per_s"] == pytest.approx(160 / 3e-3)


def test_first_batch_is_not_timed():
    timing = timing_of([1.0, 1.0])
    assert timing.batch_seconds == pytest.approx([(SETTLING + 1) * 0.5 + 2e-3])


def test_each_measurement_has_a_process_of_its_own():
    first, second = in_own_process(os.getpid), in_own_process(os.getpid)
    assert len({first, second, os.getpid()}) == 3


def peak_after_an_array(size):
    np.ones(size, np.int8)
    return peak_memory_gb()


def test_peak_memory_stays_after_the_array_is_gone():
    assert 0.6 < in_own_process(peak_after_an_array, 600_000_000) < 6

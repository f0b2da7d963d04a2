"""Counts over the windows of several populations, against sums by hand and by NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.brian.counts.counting import Tally


class Said:
    """Events as a test says them, in the shape of `conversion.brian.spikes.events.Events`."""

    def __init__(self, bounds: list[int]) -> None:
        self.bounds = np.array(bounds, np.int32)

    def say(self, neurons: list[int]) -> None:
        self.space = np.array([*neurons, len(neurons)], np.int32)
        self.cuts = np.searchsorted(neurons, self.bounds)


def test_a_population_is_counted_in_its_own_window_and_only_for_images_that_are_shown() -> None:
    """Two populations of two and one neurons, three images of which the last is filling; windows of two steps."""
    events = Said([0, 6, 9])
    tally = Tally([events], [2, 1], [0, 1], [0, 2], [np.array([10, 20]), np.array([3])], np.dtype(np.int8))
    totals = np.zeros((2, 3, 2), np.int64)
    for k, neurons in enumerate([[0, 3, 5, 6], [3, 4, 6, 8], [1, 7]]):
        events.say(neurons)
        tally.step(k, 2, np.array([1, 1]), totals)
    assert tally.counts.tolist() == [1, 0, 0, 2, 0, 0, 1, 1, 0]
    assert totals[:, 0].tolist() == [[2, 30], [1, 20]]
    assert totals[:, 2].tolist() == [[1, 3], [1, 3]]
    assert not totals[:, 1].any()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_signed_counts_are_weighted_differences_and_totals_are_sums(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images, sizes, steps = 3, [4, 1, 3], 5
    bounds = np.cumsum([0, *(images * size for size in sizes)]).tolist()
    weights = rng.random(steps)
    positive, negative = Said(bounds), Said(bounds)
    fans = [rng.integers(0, 9, size).astype(np.uint8) for size in sizes[:2]] + [np.array([300], np.uint16)]
    tally = Tally([positive, negative], sizes, [0, 0, 0], [0, 1, 2], fans, np.dtype(np.float64))
    sent = rng.choice([-1, 0, 1], (steps, bounds[-1]))
    totals = np.zeros((steps, 3, 2), np.int64)
    for k in range(steps):
        positive.say(np.flatnonzero(sent[k] > 0).tolist())
        negative.say(np.flatnonzero(sent[k] < 0).tolist())
        tally.step(k, images, weights, totals)
    np.testing.assert_allclose(tally.counts, weights @ sent, atol=1e-12)
    for p, fan in enumerate(fans):
        own = np.abs(sent[:, bounds[p] : bounds[p + 1]]).reshape(steps, images, -1).sum(axis=1)
        np.testing.assert_array_equal(totals[:, p], np.column_stack([own.sum(axis=1), (own * fan).sum(axis=1)]))

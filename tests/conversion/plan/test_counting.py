"""Spikes and their synapses, counted by hand and against an independent count of a batch."""

from __future__ import annotations

import numpy as np
import pytest

from conversion.plan.counting import count_spikes, fan_out, find_spikes
from conversion.plan.populations import make_plan
from models.graph import INPUT, Conv2d, Dense, Graph

START, SIZE, IMAGES = 7, 5, 4


def test_where_all_neurons_have_as_many_synapses_one_number_says_so():
    plan = make_plan(Graph((3,), (Dense(name="fc", inputs=(INPUT,), weight=np.ones((300, 3), np.float32)),)))
    assert [fan_out(plan, population).tolist() for population in plan.populations] == [[300], [0]]


@pytest.mark.parametrize(("channels", "kind"), [(2, np.uint8), (200, np.uint16)])
def test_neurons_at_the_border_have_fewer_synapses(channels, kind):
    weight = np.ones((channels, 1, 2, 2), np.float32)
    plan = make_plan(Graph((1, 2, 3), (Conv2d(name="conv", inputs=(INPUT,), weight=weight),)))
    found = fan_out(plan, plan.populations[0])
    assert found.dtype == kind
    np.testing.assert_array_equal(found, np.multiply([1, 2, 1, 1, 2, 1], channels, dtype=int))


@pytest.mark.parametrize("weight", [1, -1, 0.25])
@pytest.mark.parametrize("numbers", [[3], [1, 0, 2, 9, 300]])
@pytest.mark.parametrize("n_images", [1, 3, 4])
def test_only_the_spikes_of_images_that_are_shown_count(weight, numbers, n_images):
    spiked = np.random.default_rng(0).random((IMAGES, SIZE)) < 0.5
    counts = np.zeros(n_images * SIZE, np.float32 if weight == 0.25 else np.int8)
    numbers = np.array(numbers, np.uint16)
    spikes = (np.flatnonzero(spiked) + START).astype(np.int32)
    found = count_spikes(spikes, START, n_images, SIZE, counts, numbers, weight)
    shown = spiked[:n_images]
    assert found == (shown.sum(), (shown * numbers).sum())
    np.testing.assert_array_equal(counts.reshape(n_images, SIZE), weight * shown)


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [(0, 12, [2, 3, 5, 9]), (3, 9, [3, 5]), (4, 5, []), (9, 12, [9]), (10, 12, []), (0, 2, [])],
)
def test_the_spikes_of_a_population_are_found_among_those_of_its_group(start, stop, expected):
    events = np.array([2, 3, 5, 9, 4, 4, 4, 4, 4], np.int32)
    first, last = find_spikes(events, start, stop)
    assert events[first:last].tolist() == expected


def test_in_a_step_without_spikes_none_are_found():
    assert find_spikes(np.array([7, 7, 0], np.int32), 0, 9) == (0, 0)

"""Boxes: overlaps by counting pixels, suppression by a loop."""

from __future__ import annotations

import numpy as np
import pytest

from models.detection.boxes import NO_BOX, overlaps, pad_boxes, suppress, unpad_boxes


def random_corners(count: int, rng: np.random.Generator) -> np.ndarray:
    """Corners on a grid of 20 x 20 pixels, none without an area."""
    start = rng.integers(0, 15, (count, 2))
    return np.hstack([start, start + rng.integers(1, 6, (count, 2))])


def mask(corners: np.ndarray) -> np.ndarray:
    canvas = np.zeros((20, 20), bool)
    x0, y0, x1, y1 = corners
    canvas[y0:y1, x0:x1] = True
    return canvas


def test_overlaps_are_shares_of_pixels() -> None:
    rng = np.random.default_rng(0)
    one, other = random_corners(12, rng), random_corners(9, rng)
    found = overlaps(one / 20, other / 20)
    for i, j in np.ndindex(12, 9):
        a, b = mask(one[i]), mask(other[j])
        assert found[i, j] == pytest.approx(np.sum(a & b) / np.sum(a | b))


def test_a_box_without_an_area_overlaps_nothing() -> None:
    point = np.array([[0.5, 0.5, 0.5, 0.5]])
    assert overlaps(point, np.array([[0.0, 0.0, 1.0, 1.0]])) == 0
    assert overlaps(point, point) == 0


def greedy(found: np.ndarray, overlap: float) -> list[tuple]:
    """The best box that is left stays and takes its copies with it, until none is left."""
    left, stays = sorted(map(tuple, found), key=lambda box: -box[5]), []
    while left:
        best = left.pop(0)
        stays.append(best)
        left = [
            box
            for box in left
            if box[0] != best[0] or overlaps(np.array([box[1:5]]), np.array([best[1:5]]))[0, 0] <= overlap
        ]
    return stays


@pytest.mark.parametrize("overlap", [0.1, 0.45, 0.9])
def test_suppression_is_greedy_and_per_class(overlap: float) -> None:
    rng = np.random.default_rng(1)
    found = np.column_stack([rng.integers(0, 3, 60), random_corners(60, rng) / 20, rng.permutation(60) / 60])
    expected = greedy(found, overlap)
    np.testing.assert_array_equal(suppress(found, overlap), expected)
    assert len(expected) < 60 or overlap == 0.9


def test_a_suppressed_box_suppresses_none() -> None:
    """Three boxes in a row: each is a copy of the next, but the last is none of the first."""
    row = np.array([[0, 0.0, 0, 0.4, 1, 0.9], [0, 0.1, 0, 0.5, 1, 0.8], [0, 0.2, 0, 0.6, 1, 0.7]])
    np.testing.assert_array_equal(suppress(row, 0.5), row[[0, 2]])
    assert len(suppress(np.empty((0, 6)), 0.5)) == 0


def test_images_with_different_numbers_of_boxes_become_one_array_and_back() -> None:
    boxes = [np.full((2, 6), 3.0), np.empty((0, 6)), np.zeros((3, 6))]
    array = pad_boxes(boxes)
    assert array.shape == (3, 3, 6)
    np.testing.assert_array_equal(array[..., 0], [[3, 3, NO_BOX], [NO_BOX] * 3, [0, 0, 0]])
    for got, wanted in zip(unpad_boxes(array), boxes, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert pad_boxes([np.empty((0, 6))] * 2).shape == (2, 0, 6)

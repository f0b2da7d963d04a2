"""Scenes of digits: boxes that fit their digits to the pixel, sizes and overlaps within bounds, no digit twice."""

from __future__ import annotations

import numpy as np
import pytest

from models.datasets.scenes import SIDE, compose_scenes, resize
from models.detection.boxes import unpad_boxes

RNG = np.random.default_rng


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rectangles of one grey each, whose grey and label say which digit it is."""
    rng, images = RNG(0), np.zeros((count, 1, 28, 28), np.float32)
    for i, image in enumerate(images):
        top, left = rng.integers(2, 10, 2)
        height, width = rng.integers(8, 18, 2)
        image[0, top : top + height, left : left + width] = (i + 1) / 255
    return images, np.arange(count)


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray]:
    return compose_scenes(*digits(250), RNG(1))


def pixels(box: np.ndarray) -> np.ndarray:
    return np.rint(box[1:5] * SIDE).astype(int)


def test_a_scene_for_five_digits(made) -> None:
    images, boxes = made
    assert images.shape == (50, 1, SIDE, SIDE)
    assert images.dtype == np.float32
    assert boxes.shape == (50, 5, 6)
    numbers = [len(rows) for rows in unpad_boxes(boxes)]
    assert set(numbers) == {2, 3, 4, 5}


def test_every_digit_is_in_one_scene_at_most_and_in_its_box(made) -> None:
    seen = []
    for scene, (image, rows) in enumerate(zip(made[0][:, 0], unpad_boxes(made[1]), strict=True)):
        for row in rows:
            x0, y0, x1, y1 = pixels(row)
            assert scene == int(row[0]) // 5
            seen.append(int(row[0]))
            hidden_by = image[y0:y1, x0:x1] * 255
            assert np.sum(np.rint(hidden_by) == row[0] + 1) >= 0.5 * (y1 - y0) * (x1 - x0)
    assert len(seen) == len(set(seen))


def test_outside_the_boxes_all_is_black(made) -> None:
    for image, rows in zip(made[0][:, 0].copy(), unpad_boxes(made[1]), strict=True):
        for x0, y0, x1, y1 in map(pixels, rows):
            image[y0:y1, x0:x1] = 0
        assert not image.any()


def test_sizes_and_overlaps_are_within_bounds(made) -> None:
    longest = []
    for rows in unpad_boxes(made[1]):
        places = [pixels(row) for row in rows]
        longest += [max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in places]
        areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in places]
        for i in range(len(places)):
            for j in range(i):
                sides = np.minimum(places[i][2:], places[j][2:]) - np.maximum(places[i][:2], places[j][:2])
                assert np.prod(np.maximum(sides, 0)) <= 0.1 * min(areas[i], areas[j])
    assert min(longest) >= 14
    assert max(longest) <= 48
    assert max(longest) - min(longest) > 25


def test_the_seed_makes_the_scene() -> None:
    one, same, other = (compose_scenes(*digits(10), RNG(seed))[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_resized_keeps_the_tight_part_and_its_shape() -> None:
    digit = np.zeros((28, 28), np.float32)
    digit[5:25, 10:14] = 1.0
    np.testing.assert_array_equal(resize(digit, 40.0), np.ones((40, 8), np.float32))
    digit[5:25, 10:12] = 0.0
    assert resize(digit, 14.0).shape == (14, 1)

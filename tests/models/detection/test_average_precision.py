"""Mean average precision: by hand, and against the protocol of PASCAL VOC as a loop."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from models.datasets.files import DatasetError
from models.datasets.loading import find_file
from models.detection import average_precision
from models.detection.average_precision import _evaluate, _resampled, map_and_interval, mean_average_precision
from models.detection.boxes import overlaps, unpad_boxes
from models.detection.yolo import detect
from models.onnx_io.running import predict
from models.yolo_lite import VOC, WEIGHTS, yolo_lite

LEFT, RIGHT = [0.0, 0.0, 0.4, 1.0], [0.6, 0.0, 1.0, 1.0]


def boxes(*rows: tuple) -> np.ndarray:
    return np.array([[number, *corners, last] for number, corners, last in rows], float).reshape(-1, 6)


def test_all_found_and_nothing_else_is_one() -> None:
    truth = [boxes((0, LEFT, 0), (1, RIGHT, 0)), boxes((1, LEFT, 0))]
    found = [boxes((0, LEFT, 0.1), (1, RIGHT, 0.9)), boxes((1, LEFT, 0.2))]
    assert mean_average_precision(found, truth) == pytest.approx(1)


def test_a_wrong_box_of_higher_score_halves_the_precision() -> None:
    truth = [boxes((0, LEFT, 0))]
    wrong = (0, RIGHT, 0.9)
    assert mean_average_precision([boxes((0, LEFT, 0.5), wrong)], truth) == pytest.approx(0.5)
    assert mean_average_precision([boxes((0, LEFT, 0.95), wrong)], truth) == pytest.approx(
        1
    )  # the recall is complete before it


def test_half_of_the_objects_reach_the_levels_up_to_one_half() -> None:
    truth = [boxes((0, LEFT, 0), (0, RIGHT, 0))]
    assert mean_average_precision([boxes((0, LEFT, 0.5))], truth) == pytest.approx(51 / 101)


def test_an_object_is_found_once() -> None:
    truth = [boxes((0, LEFT, 0), (0, RIGHT, 0))]
    found = [boxes((0, LEFT, 0.9), (0, LEFT, 0.8), (0, RIGHT, 0.7))]  # right, wrong, right
    assert mean_average_precision(found, truth) == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


@pytest.mark.parametrize(("width", "expected"), [(0.51, 1.0), (0.49, 0.0)])
def test_half_an_overlap_is_enough(width: float, expected: float) -> None:
    truth, found = [boxes((0, [0, 0, 1, 1], 0))], [boxes((0, [0, 0, width, 1], 0.5))]
    assert mean_average_precision(found, truth) == pytest.approx(expected)


def test_difficult_objects_neither_count_nor_harm() -> None:
    truth = [boxes((0, LEFT, 0), (0, RIGHT, 1), (1, RIGHT, 1))]
    for found in (boxes((0, LEFT, 0.5)), boxes((0, LEFT, 0.5), (0, RIGHT, 0.9), (1, RIGHT, 0.9))):
        assert mean_average_precision([found], truth) == pytest.approx(1)


def test_classes_that_no_image_shows_do_not_count() -> None:
    found = boxes((0, LEFT, 0.5), (7, RIGHT, 0.9))
    assert mean_average_precision([found], [boxes((0, LEFT, 0))]) == pytest.approx(1)


def scattered(rng: np.random.Generator, images: int = 12) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Boxes of three classes, one of them rare, some found, some moved, some invented, some difficult."""
    found, truth = [], []
    for image in range(images):
        corners = rng.uniform(0, 0.6, (4, 2))
        classes = rng.integers(0, 2 + (image == 3), 4)
        there = np.column_stack([classes, corners, corners + 0.3, rng.random(4) < 0.2])
        moved = there.copy()
        moved[:, 1:5] += rng.normal(0, 0.06, (4, 1))
        moved[:, 5] = rng.random(4)
        found.append(moved[rng.random(4) < 0.8])
        truth.append(there[rng.random(4) < 0.8])
    return found, truth


@pytest.mark.parametrize("seed", range(5))
def test_a_draw_has_the_map_of_images_that_are_there_so_often(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found, truth = scattered(rng)
    times = np.vstack([np.ones(12, int), rng.multinomial(12, np.full(12, 1 / 12), 20)])
    expected = []
    for each in times:
        images = np.repeat(np.arange(12), each)
        expected.append(mean_average_precision([found[i] for i in images], [truth[i] for i in images]))
    np.testing.assert_allclose(_resampled(_evaluate(found, truth), times), expected, atol=1e-9)


def test_an_interval_has_the_quantiles_of_the_draws() -> None:
    """Of n images half are found: the share of the found ones among those drawn is binomial, and so is its mAP."""
    truth = [boxes((0, LEFT, 0))] * 100
    found = [boxes((0, LEFT, 0.5))] * 50 + [boxes()] * 50
    value, low, high = map_and_interval(found, truth)
    assert value == pytest.approx(51 / 101)  # the levels of recall up to one half
    assert (low, high) == (pytest.approx(0.40, abs=0.015), pytest.approx(0.60, abs=0.015))
    assert map_and_interval(found, truth) == (value, low, high)
    assert map_and_interval(found[:1], truth[:1]) == (pytest.approx(1),) * 3


def test_intervals_where_there_is_nothing() -> None:
    assert map_and_interval([boxes()], [boxes((0, LEFT, 0))]) == (0, 0, 0)
    assert all(map(math.isnan, map_and_interval([boxes((0, LEFT, 0.5))], [boxes()])))


def test_nothing_found_is_zero_and_nothing_to_find_is_no_number() -> None:
    truth = [boxes((0, LEFT, 0))]
    assert mean_average_precision([boxes()], truth) == 0.0
    assert mean_average_precision([boxes((3, LEFT, 0.5))], truth) == 0.0
    assert math.isnan(mean_average_precision([boxes((0, LEFT, 0.5))], [boxes()]))


def of_voc(found: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """The development kit of VOC 2007: a box belongs to the true one that it overlaps most."""
    precisions = []
    for number in sorted({int(row[0]) for image in truth for row in image if row[5] == 0}):
        of_class = [image[image[:, 0] == number] for image in truth]
        taken = [np.zeros(len(image), bool) for image in of_class]
        right = []
        every = [(row, i) for i, image in enumerate(found) for row in image if row[0] == number]
        for row, i in sorted(every, key=lambda pair: -pair[0][5]):
            shared = overlaps(row[None, 1:5], of_class[i][:, 1:5])[0]
            best = int(shared.argmax()) if len(shared) else -1
            if best >= 0 and shared[best] >= 0.5 and of_class[i][best, 5]:
                continue
            right.append(best >= 0 and shared[best] >= 0.5 and not taken[i][best])
            if right[-1]:
                taken[i][best] = True
        total = sum(int((image[:, 5] == 0).sum()) for image in of_class)
        hits = np.cumsum(right)
        recall, precision = hits / total, hits / np.arange(1, len(hits) + 1)
        reached = (recall >= level for level in np.linspace(0, 1, 101))
        precisions.append(np.mean([precision[r].max() if r.any() else 0 for r in reached]))
    return float(np.mean(precisions))


@pytest.mark.parametrize("seed", range(3))
def test_as_pascal_voc_counts(seed: int) -> None:
    """Objects that do not overlap, so that the one which is overlapped most is the only one that can be found."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(12):
        cells = rng.permutation(9)[: rng.integers(0, 5)]
        start = np.column_stack([cells % 3, cells // 3]) / 3
        corners = np.hstack([start, start + 0.3])
        truth.append(np.column_stack([rng.integers(0, 3, len(cells)), corners, rng.random(len(cells)) < 0.2]))
        seen = np.repeat(truth[-1], 2, axis=0) + np.array([0, *[0.06] * 4, 0]) * rng.normal(size=(2 * len(cells), 6))
        seen[:, 0] = np.where(rng.random(len(seen)) < 0.8, seen[:, 0], rng.integers(0, 3, len(seen)))
        seen[:, 5] = rng.random(len(seen))
        found.append(seen[seen[:, 3] > seen[:, 1]])
    expected = of_voc(found, truth)
    assert 0.1 < expected < 0.9
    assert mean_average_precision(found, truth) == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "measured"), [("voc2007_test14", 51.6), ("indoor_photos", 15.0)])
def test_yolo_lite_finds_what_others_measured_with_eleven_levels(
    real_data, monkeypatch: pytest.MonkeyPatch, dataset: str, measured: float
) -> None:
    monkeypatch.setattr(average_precision, "LEVELS", 11)
    photographs = real_data(dataset)
    raw = predict(yolo_lite(weights())[0], photographs.x)
    found = mean_average_precision(detect(raw, VOC), unpad_boxes(photographs.y))
    assert 100 * found == pytest.approx(measured, abs=0.1)


def weights() -> Path:
    try:
        return find_file(WEIGHTS)
    except DatasetError as error:
        pytest.skip(str(error))

"""Photographs with boxes from an npz file that the test writes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.datasets.files import DatasetError
from models.datasets.loading import load_dataset
from models.datasets.photos import SIDE, read_photographs
from models.detection.boxes import unpad_boxes

GT = np.array([[11, 0.1, 0.2, 0.3, 0.4, 0], [3, 0, 0, 1, 1, 1], [5, 0.5, 0.5, 0.6, 0.7, 0]], np.float32)


def encoded(images: list[np.ndarray]) -> dict[str, np.ndarray]:
    parts = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        parts.append(buffer.getvalue())
    return {"blob": np.frombuffer(b"".join(parts), np.uint8), "offset": np.cumsum([0, *map(len, parts)])}


def halves(height: int, width: int) -> np.ndarray:
    """Red on the left, blue on the right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = image[:, width // 2 :, 2] = 255
    return image


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    images = [halves(30, 60), halves(448, 300), np.full((10, 10), 51, np.uint8)]
    return encoded(images) | {"gt": GT, "gt_offset": np.array([0, 2, 2, 3])}


def test_photographs_of_any_size_are_stretched(tmp_path: Path, arrays) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    x, y = read_photographs(tmp_path / "x.npz")
    assert x.shape == (3, 3, SIDE, SIDE)
    for image in x[:2]:
        np.testing.assert_array_equal(image[:, :, 20], np.array([1, 0, 0])[:, None].repeat(SIDE, axis=1))
        np.testing.assert_array_equal(image[:, :, -20], np.array([0, 0, 1])[:, None].repeat(SIDE, axis=1))
    np.testing.assert_allclose(x[2], 0.2)
    for got, wanted in zip(unpad_boxes(y), (GT[:2], GT[:0], GT[2:]), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_photographs_without_boxes_have_none(tmp_path: Path, arrays) -> None:
    np.savez(tmp_path / "photos.npz", blob=arrays["blob"], offset=arrays["offset"])
    data = load_dataset("photos", tmp_path)
    assert data.has_boxes
    assert data.y.shape == (3, 0, 6)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"gt": GT[:, :5]}, r"gt has shape \(3, 5\)"),
        ({"gt_offset": np.array([0, 3])}, "1 of 3 photographs"),
        ({"gt_offset": np.array([0, 2, 1, 3])}, r"gt_offset is \[0, 2, 1, 3\]; it cuts 3 boxes, from 0 on, in order"),
        ({"gt_offset": np.array([0, 2, 2, 4])}, r"gt_offset is \[0, 2, 2, 4\]; it cuts 3 boxes"),
        ({"gt_offset": np.array([-1, 2, 2, 3])}, r"gt_offset is \[-1, 2, 2, 3\]"),
        ({"gt_offset": np.array([0.0, 2, 2, 3])}, "has no gt_offset, whole numbers"),
        ({"gt": GT * np.nan}, "gt is not all finite numbers"),
        ({"gt": GT.astype(str)}, "gt is not all finite numbers"),
        ({"blob": np.zeros(9, np.uint8)}, "blob does not hold images"),
    ],
)
def test_what_is_no_photographs_with_boxes(tmp_path: Path, arrays, damage, words) -> None:
    np.savez(tmp_path / "x.npz", **arrays | damage)
    with pytest.raises(DatasetError, match=words):
        read_photographs(tmp_path / "x.npz")


def test_a_file_that_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"voc2007_test14\.npz is not in .*; name its directory with --data"):
        load_dataset("voc2007_test14", tmp_path)


def test_photographs_of_some_parts_with_boxes_that_are_padded(tmp_path: Path, arrays) -> None:
    boxes = np.full((3, 2, 6), -1, np.float32)
    boxes[0], boxes[2, 0] = GT[:2], GT[2]
    kept = {name: arrays[name] for name in ("blob", "offset")} | {"boxes": boxes, "split": np.array([1, 2, 0])}
    np.savez(tmp_path / "bccd.npz", **kept)
    test, train = (load_dataset(name, tmp_path, (3, 20, 20)) for name in ("bccd", "bccd_train"))
    assert (test.x.shape, train.x.shape) == ((1, 3, 20, 20), (2, 3, 20, 20))
    np.testing.assert_allclose(train.x[1], 0.2)
    assert [len(of_image) for of_image in unpad_boxes(test.y)] == [0]
    for got, wanted in zip(unpad_boxes(train.y), (GT[:2], GT[2:]), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"boxes": np.zeros((2, 1, 6))}, r"boxes has shape \(2, 1, 6\) for 3 photographs"),
        ({"boxes": np.zeros((3, 1, 5))}, r"boxes has shape \(3, 1, 5\)"),
        ({"boxes": np.full((3, 1, 6), np.nan)}, "boxes is not all finite numbers"),
        ({"split": np.zeros(2)}, "has no split, a number for each of its 3 photographs"),
        ({"split": np.zeros(3)}, "no photograph has a split of 2"),
    ],
)
def test_what_is_no_part_of_photographs(tmp_path: Path, arrays, damage, words) -> None:
    np.savez(tmp_path / "bccd.npz", **{"split": np.full(3, 2), **arrays, **damage})
    with pytest.raises(DatasetError, match=words):
        load_dataset("bccd", tmp_path)

"""The head of YOLOv2 against its formulas, box by box, and its entry in the metadata of a file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.detection.yolo import Head, HeadError, check_output, decode, detect, metadata, read_head
from models.graph import LINEAR, Conv2d, sequential
from models.onnx_io.writing import save

HEAD = Head(anchors=((1.0, 2.0), (3.0, 0.5)), classes=("a", "b", "c"))
ROWS, COLUMNS = 3, 4


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_boxes_and_scores_follow_the_formulas() -> None:
    raw = np.random.default_rng(0).normal(0, 1, (2, HEAD.channels, ROWS, COLUMNS)).astype(np.float32)
    corners, scores = decode(raw, HEAD)
    assert corners.shape == (2, 2 * ROWS * COLUMNS, 4)
    assert scores.shape == (2, 2 * ROWS * COLUMNS, 3)
    for image in range(2):
        boxes = ((a, row, column) for a in range(2) for row in range(ROWS) for column in range(COLUMNS))
        for k, (a, row, column) in enumerate(boxes):
            x, y, w, h, objectness, *classes = (float(v) for v in raw[image, 8 * a : 8 * a + 8, row, column])
            x, y = (column + sigmoid(x)) / COLUMNS, (row + sigmoid(y)) / ROWS
            w, h = (HEAD.anchors[a][0] * math.exp(w) / COLUMNS, HEAD.anchors[a][1] * math.exp(h) / ROWS)
            np.testing.assert_allclose(corners[image, k], [x - w / 2, y - h / 2, x + w / 2, y + h / 2], rtol=1e-6)
            total = sum(math.exp(c) for c in classes)
            expected = [sigmoid(objectness) * math.exp(c) / total for c in classes]
            np.testing.assert_allclose(scores[image, k], expected, rtol=1e-6)


def raw_of(row: int, column: int, anchor: int, objectness: float, winner: int) -> np.ndarray:
    """An output that sees one object, in the middle of a cell, with the size of an anchor."""
    raw = np.zeros((1, 2, 8, ROWS, COLUMNS), np.float32)
    raw[:, :, 4] = -20
    raw[0, anchor, 4, row, column] = objectness
    raw[0, anchor, 5 + winner, row, column] = 30
    return raw.reshape(1, -1, ROWS, COLUMNS)


def test_an_object_is_found_where_it_is() -> None:
    (found,) = detect(raw_of(row=1, column=2, anchor=0, objectness=2.0, winner=1), HEAD)
    np.testing.assert_allclose(found, [[1, 2 / 4, 0.5 / 3, 3 / 4, 2.5 / 3, sigmoid(2)]], rtol=1e-6)


def test_scores_that_are_too_low_are_left_out() -> None:
    low, high = (math.log(score / (1 - score)) for score in (0.0049, 0.0051))
    assert [len(detect(raw_of(0, 0, 1, objectness, 2), HEAD)[0]) for objectness in (low, high)] == [0, 1]


def test_the_same_object_seen_by_two_anchors_is_found_once() -> None:
    raw = raw_of(1, 1, 0, 3.0, 1) + 0
    by_box = raw.reshape(1, 2, 8, ROWS, COLUMNS)
    by_box[0, 1, 2:, 1, 1] = [math.log(1 / 3), math.log(4), 1.0, 0, 30, 0]  # the other anchor, with the first's size
    (found,) = detect(raw, HEAD)
    assert found[:, 5] == pytest.approx([sigmoid(3)])
    by_box[0, 1, 5:, 1, 1] = [30, 0, 0]
    assert [row[0] for row in detect(raw, HEAD)[0]] == [1, 0]


def test_whatever_a_network_puts_out_is_finite() -> None:
    corners, scores = decode(np.full((1, HEAD.channels, 1, 1), 1e6, np.float32), HEAD)
    assert np.isfinite(corners).all()
    assert np.isfinite(scores).all()


def test_outputs_of_other_shapes_are_refused() -> None:
    check_output(HEAD, (16, 5, 5))
    for shape in ((15, 5, 5), (16,)):
        with pytest.raises(HeadError, match=r"2 anchors and 3 classes need \(16, rows, columns\)"):
            check_output(HEAD, shape)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    conv = Conv2d(name="conv", inputs=(), weight=np.ones((16, 1, 1, 1), np.float32), activation=LINEAR)
    save(sequential((1, 2, 2), conv), tmp_path / "x.onnx")
    return tmp_path / "x.onnx"


def with_entries(path: Path, entries: dict[str, str]) -> Path:
    model = onnx.load(path)
    onnx.helper.set_model_props(model, entries)
    onnx.save(model, path)
    return path


def test_a_head_is_read_as_it_was_written(path: Path) -> None:
    assert read_head(with_entries(path, dict(metadata(HEAD)))) == HEAD


def test_a_file_without_a_head_or_with_half_of_one(path: Path) -> None:
    with pytest.raises(HeadError, match=r"x\.onnx finds no boxes: its metadata has no 'yolo_head'"):
        read_head(path)
    for text in ("{", '{"anchors": [[1, 2]]}', '{"anchors": [1, 2], "classes": []}', "3"):
        with pytest.raises(HeadError, match="it holds anchors"):
            read_head(with_entries(path, {"yolo_head": text}))

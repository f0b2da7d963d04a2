"""The loss of a YOLO head, box by box."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[train]'")

from models.detection.boxes import pad_boxes  # noqa: E402
from models.detection.yolo import Head, detect  # noqa: E402
from models.train.yolo_loss import yolo_loss  # noqa: E402

HEAD = Head(anchors=((1.0, 1.0), (1.0, 3.0)), classes=("a", "b", "c"))
ROWS, COLUMNS = 3, 5
# Centres (0.7, 0.9) and (2.5, 1.5), in cells: the first is square, the second upright.
BOXES = [
    np.array([[2, 0.2 / 5, 0.4 / 3, 1.2 / 5, 1.4 / 3, 0]]),
    np.array([[0, 2.0 / 5, 0.25 / 3, 3.0 / 5, 2.75 / 3, 1]]),
]
PLACES = [(0, 0, 0, 0, 2, (0.7, 0.9), (1.0, 1.0)), (1, 1, 1, 2, 0, (0.5, 0.5), (1.0, 2.5))]


def entropy(x: float, target: float) -> float:
    p = 1 / (1 + math.exp(-x))
    return -target * math.log(p) - (1 - target) * math.log(1 - p)


def by_hand(raw: np.ndarray) -> float:
    by_box = raw.reshape(2, 2, 8, ROWS, COLUMNS).astype(float)
    objects = {place[:4] for place in PLACES}
    indices = np.ndindex(2, 2, ROWS, COLUMNS)
    total = sum(entropy(by_box[i, a, 4, row, column], (i, a, row, column) in objects) for i, a, row, column in indices)
    for i, a, row, column, number, centre, size in PLACES:
        x, y, w, h, _, *classes = by_box[i, a, :, row, column]
        total += entropy(x, centre[0]) + entropy(y, centre[1])
        total += sum(
            (v - math.log(s / anchor)) ** 2 for v, s, anchor in zip((w, h), size, HEAD.anchors[a], strict=True)
        )
        total += math.log(sum(math.exp(c) for c in classes)) - classes[number]
    return total / 2


def test_the_loss_is_the_sum_of_its_parts_per_box() -> None:
    raw = np.random.default_rng(0).normal(size=(2, 16, ROWS, COLUMNS)).astype(np.float32)
    loss = yolo_loss(torch.from_numpy(raw), torch.from_numpy(pad_boxes(BOXES)), HEAD)
    assert loss.item() == pytest.approx(by_hand(raw), rel=1e-5)


def test_an_output_that_minimises_it_finds_the_boxes() -> None:
    raw = torch.zeros(2, 16, ROWS, COLUMNS, requires_grad=True)
    optimizer, truth = torch.optim.Adam([raw], lr=0.3), torch.from_numpy(pad_boxes(BOXES))
    for _ in range(150):
        optimizer.zero_grad()
        yolo_loss(raw, truth, HEAD).backward()
        optimizer.step()
    for found, wanted in zip(detect(raw.detach().numpy(), HEAD), BOXES, strict=True):
        best = found[found[:, 5] > 0.5]
        np.testing.assert_allclose(best[:, :5], wanted[:, :5], atol=0.02)


def test_a_box_at_the_far_border_belongs_to_the_last_cell() -> None:
    corner = [np.array([[1, 1.0, 1.0, 1.0 + 1e-3, 1.0 + 1e-3, 0]])]
    loss = yolo_loss(torch.zeros(1, 16, ROWS, COLUMNS), torch.from_numpy(pad_boxes(corner)), HEAD)
    assert math.isfinite(loss.item())

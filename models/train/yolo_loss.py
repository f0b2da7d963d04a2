"""What a YOLO head is trained to do, as a loss of PyTorch; only training needs it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.detection import NO_BOX, Head


def yolo_loss(raw: Tensor, boxes: Tensor, head: Head) -> Tensor:
    """How far an output is from the true boxes, per box.

    The cell that holds the centre of a box answers for it, with the anchor that has its shape: objectness 1 there and 0
    everywhere else (cross entropies), the place in the cell (cross entropy), the logarithm of the size (squared error)
    and the class (cross entropy).

    Parameters
    ----------
    raw : tensor, shape (N, anchors * (5 + classes), rows, columns)
    boxes : tensor, shape (N, M, 6)
        See `models.detection`.
    """
    by_box = raw.unflatten(1, (len(head.anchors), -1)).movedim(2, -1)
    grid = torch.tensor([raw.shape[3], raw.shape[2]], device=raw.device)
    image, number = torch.nonzero(boxes[..., 0] != NO_BOX, as_tuple=True)
    truth = boxes[image, number]
    centre, size = (truth[:, 1:3] + truth[:, 3:5]) / 2 * grid, (truth[:, 3:5] - truth[:, 1:3]) * grid
    cell = torch.minimum(centre.long(), grid - 1)
    anchors = torch.tensor(head.anchors, device=raw.device)
    anchor = _of_like_shape(size, anchors)
    place = (image, anchor, cell[:, 1], cell[:, 0])
    responsible, objectness = by_box[place], by_box[..., 4]
    is_object = torch.zeros_like(objectness)
    is_object[place] = 1
    return (
        functional.binary_cross_entropy_with_logits(objectness, is_object, reduction="sum")
        + functional.binary_cross_entropy_with_logits(responsible[:, :2], centre - cell, reduction="sum")
        + functional.mse_loss(responsible[:, 2:4], torch.log(size / anchors[anchor]), reduction="sum")
        + functional.cross_entropy(responsible[:, 5:], truth[:, 0].long(), reduction="sum")
    ) / len(truth)


def _of_like_shape(size: Tensor, anchors: Tensor) -> Tensor:
    """The index of the anchor with the largest intersection over union with each size (n, 2), at one centre."""
    shared = torch.minimum(size[:, None], anchors).prod(dim=-1)
    return (shared / (size.prod(dim=-1)[:, None] + anchors.prod(dim=-1) - shared)).argmax(dim=1)

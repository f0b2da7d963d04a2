"""Tiny YOLO as an ONNX file: `python -m models.tiny_yolo OUT.onnx`. Its 8-bit weights lie in the data directory.

Tiny YOLO v2 in full, as Kim 2020 has it but for its head, trained on photographs of blood cells (BCCD): nine
convolutions, the last of which is 1x1, each but the last with leaky ReLU 0.1 and each of the first six followed by 2x2
max pooling, of which the sixth has stride 1 and is padded below and to the right. `tiny_yolo_bccd.npz` holds w1 .. w9
(out, in, k, k) in 8 bits, s1 .. s9, the scale of each output channel, b1 .. b9, and the anchors.
"""

from __future__ import annotations

from pathlib import Path

from models.datasets import DatasetError, npz_arrays
from models.detection import Head
from models.graph import Graph, Layer, MaxPool2d, sequential
from models.structure import per_channel
from models.yolo_lite import convolution, write_as_told

WEIGHTS = "tiny_yolo_bccd.npz"
SIDE, CONVOLUTIONS, POOLINGS = 416, 9, 6
CLASSES = ("RBC", "WBC", "Platelets")


def tiny_yolo(path: Path) -> tuple[Graph, Head]:
    """The network from its npz file, for RGB images of 416 x 416 pixels in [0, 1], and what its output means.

    Raises
    ------
    DatasetError
        If the file does not hold the weights.
    """
    arrays = npz_arrays(path)
    needed = ["anchors", *(f"{kind}{i}" for i in range(1, CONVOLUTIONS + 1) for kind in "wsb")]
    if missing := [name for name in needed if name not in arrays]:
        raise DatasetError(f"{path} has no {missing[0]}; it holds {', '.join(sorted(arrays))}")
    layers: list[Layer] = []
    for i in range(1, CONVOLUTIONS + 1):
        weight = arrays[f"w{i}"] * per_channel(arrays[f"s{i}"], 4)
        layers.append(convolution(f"conv{i}", weight, arrays[f"b{i}"], is_last=i == CONVOLUTIONS))
        layers += [_pooling(i)] if i <= POOLINGS else []
    anchors = tuple((float(width), float(height)) for width, height in arrays["anchors"])
    return sequential((3, SIDE, SIDE), *layers), Head(anchors, CLASSES)


def _pooling(i: int) -> MaxPool2d:
    last = {"stride": (1, 1), "padding": (0, 0, 1, 1)}
    return MaxPool2d(name=f"pool{i}", inputs=(), kernel=(2, 2), **({"stride": (2, 2)} if i < POOLINGS else last))


if __name__ == "__main__":
    write_as_told("models.tiny_yolo", __doc__, WEIGHTS, tiny_yolo)

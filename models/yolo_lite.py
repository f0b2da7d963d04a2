"""YOLO-LITE as an ONNX file: `python -m models.yolo_lite OUT.onnx`. Its weights belong to others and are not shipped.

Seven convolutions, the last of which is 1x1, each but the last with leaky ReLU 0.1 and each of the first five followed
by 2x2 max pooling: YOLO-LITE trial 3 without batch normalisation, trained on PASCAL VOC (Pedoeem and Huang, 2018,
"YOLO-LITE: a real-time object detection algorithm optimized for non-GPU computers"). The data directory holds the
weights as yolo_lite_voc.npz: w0 .. w6 (out, in, k, k) and b0 .. b6.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import onnx

from models.atomic import write_atomically
from models.datasets import PHOTO_SIDE, DatasetError, find_file, npz_arrays
from models.detection import Head, metadata
from models.graph import LINEAR, Activation, Array, Conv2d, Graph, Layer, MaxPool2d, sequential
from models.onnx_io import to_onnx

WEIGHTS = "yolo_lite_voc.npz"
CONVOLUTIONS, POOLINGS = 7, 5
LEAKY_RELU = Activation(negative_slope=0.1)
VOC = Head(
    anchors=((1.08, 1.19), (3.42, 4.41), (6.63, 11.38), (9.42, 5.11), (16.62, 10.52)),
    classes=(
        "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
        "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
    ),
)  # fmt: skip


def yolo_lite(path: Path) -> tuple[Graph, Head]:
    """The network from its npz file, for RGB images of 224 x 224 pixels in [0, 1], and what its output means.

    Raises
    ------
    DatasetError
        If the file does not hold the weights.
    """
    arrays = npz_arrays(path)
    if missing := [name for i in range(CONVOLUTIONS) for name in (f"w{i}", f"b{i}") if name not in arrays]:
        raise DatasetError(f"{path} has no {missing[0]}; it holds {', '.join(sorted(arrays))}")
    layers: list[Layer] = []
    for i in range(CONVOLUTIONS):
        layers.append(convolution(f"conv{i + 1}", arrays[f"w{i}"], arrays[f"b{i}"], is_last=i == CONVOLUTIONS - 1))
        if i < POOLINGS:
            layers.append(MaxPool2d(name=f"pool{i + 1}", inputs=(), kernel=(2, 2), stride=(2, 2)))
    return sequential((3, PHOTO_SIDE, PHOTO_SIDE), *layers), VOC


def convolution(name: str, weight: Array, bias: Array, *, is_last: bool) -> Conv2d:
    """A convolution that keeps the size of the map, with the leaky ReLU of YOLO; the last is linear."""
    border = weight.shape[2] // 2
    activation = LINEAR if is_last else LEAKY_RELU
    return Conv2d(name=name, inputs=(), weight=weight, bias=bias, padding=(border,) * 4, activation=activation)


def write_as_told(module: str, about: str | None, weights: str, build: Callable[[Path], tuple[Graph, Head]]) -> None:
    """The command of a module that makes an ONNX file of such a detector from an npz file of the data directory."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("output", type=Path, help="the ONNX file to write")
    parser.add_argument("--data", type=Path, help="the data directory")
    arguments = parser.parse_args()
    try:
        graph, head = build(find_file(weights, arguments.data))
        model = to_onnx(graph)
        onnx.helper.set_model_props(model, dict(metadata(head)))
        write_atomically(arguments.output, model.SerializeToString(deterministic=True))
    except (ValueError, OSError) as error:
        parser.error(str(error))


def main() -> None:
    write_as_told("models.yolo_lite", __doc__, WEIGHTS, yolo_lite)


if __name__ == "__main__":
    main()

"""Networks as large as those of papers: two with random weights that make every layer spike, and YOLO-LITE's own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from models.datasets import DatasetError, find_file
from models.graph import INPUT, Array, AvgPool2d, Conv2d, Dense, Flatten, Graph, Layer, MaxPool2d, Shape, sequential
from models.onnx_io import activations
from studies.declare import load_study
from studies.run import Job, model_path, prepare

CHANNELS = (16, 32, 64, 128, 256, 512, 1024, 1024)
N_CLASSES, N_BOXES = 20, 5
SIDE = 416
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
DENSE = (4096, 4096, 10)


def tiny_yolo(side: int = SIDE) -> Graph:
    """The layers of Tiny YOLO (Redmon and Farhadi 2017) for VOC, for square images of `side` pixels, a multiple of 32.

    Nine convolutions and six max poolings; the weights are normal with mean 0, and there are no biases. The last
    pooling has stride 1 and keeps the size of its map, padded below and to the right.
    """
    rng = np.random.default_rng(0)
    layers: list[Layer] = []
    for number, (channels_in, channels) in enumerate(zip((3, *CHANNELS), CHANNELS, strict=False), 1):
        layers.append(_convolution(f"conv{number}", channels, channels_in, 3, rng))
        if number <= 6:
            layers.append(_pooling(f"pool{number}", last=number == 6))
    layers.append(_convolution("conv9", N_BOXES * (5 + N_CLASSES), CHANNELS[-1], 1, rng))
    return sequential((3, side, side), *layers)


def vgg16() -> Graph:
    """The layers of VGG-16 (Simonyan and Zisserman 2015) at full width for CIFAR-10, 3x32x32, with average pooling.

    Thirteen convolutions in five stages, a 2x2 average pooling behind each, and three dense layers (Sengupta 2019); the
    weights are normal with mean 0, and there are no biases.
    """
    rng = np.random.default_rng(0)
    layers: list[Layer] = []
    before = 3
    for stage, widths in enumerate(STAGES, 1):
        for number, channels in enumerate(widths, 1):
            layers.append(_convolution(f"conv{stage}_{number}", channels, before, 3, rng))
            before = channels
        layers.append(AvgPool2d(name=f"pool{stage}", inputs=(INPUT,), kernel=(2, 2), stride=(2, 2)))
    layers.append(Flatten(name="flatten", inputs=(INPUT,)))
    for number, size in enumerate(DENSE, 1):
        weight = rng.standard_normal((size, before), np.float32) / np.float32(math.sqrt(before))
        layers.append(Dense(name=f"fc{number}", inputs=(INPUT,), weight=weight))
        before = size
    return sequential((3, 32, 32), *layers)


def at_rate(graph: Graph, images: Array, rate: float) -> Graph:
    """The network scaled so that the mean activation of each convolution and dense layer over `images` is `rate`.

    With one input spike of probability x per step for a pixel of value x, and a reset by subtraction, the activation is
    the firing rate in spikes per step. ReLU and pooling commute with a positive factor, so that one pass through the
    network tells all factors.
    """
    weighted = [layer.name for layer in graph if isinstance(layer, Conv2d | Dense)]
    means = {name: float(x.mean(dtype=np.float64)) for name, x in activations(graph, images, weighted).items()}
    layers, before = [], rate
    for layer in graph:
        if isinstance(layer, Conv2d | Dense):
            layer = replace(layer, weight=layer.weight * np.float32(before / means[layer.name]))
            before = means[layer.name]
        layers.append(layer)
    return sequential(graph.input_shape, *layers)


def random_images(graph: Graph, rate: float, n_images: int = 1) -> Array:
    """Pixels uniform in [0, 2 * rate]: the input, too, spikes at `rate`."""
    rng = np.random.default_rng(0)
    return rng.random((n_images, *graph.input_shape), np.float32) * np.float32(2 * rate)


def make_spiking(graph: Graph, rate: float) -> tuple[Graph, Array]:
    """A network and an image that make every weighted layer spike at `rate`."""
    images = random_images(graph, rate)
    return at_rate(graph, images, rate), images


def photograph() -> Job:
    """YOLO-LITE on one photograph: signed neurons, constant current and channel-wise normalisation, as in the study."""
    declared = load_study("detection_photos")
    (c,) = (c for c, variant in declared.variant_of.items() if variant == "channel-wise")
    return Job(replace(c, images=1), declared.folder)


def prepare_photograph() -> tuple[Shape, tuple[Layer, ...], Array]:
    """The normalised network in parts, which a process can hand over, and the image that it reads."""
    prepared = prepare(photograph())
    return prepared.converted.input_shape, prepared.converted.layers, prepared.images


def missing_files() -> str:
    """Why YOLO-LITE cannot be measured here; empty if it can."""
    job = photograph()
    if not model_path(job).is_file():
        return "there is no data/yolo_lite.onnx; python -m models.yolo_lite data/yolo_lite.onnx makes it"
    for name in (job.condition.dataset, job.condition.calibration_dataset):
        try:
            find_file(f"{name}.npz")
        except DatasetError:  # whose message names directories of this machine
            return f"{name}.npz is in no data directory"
    return ""


def _convolution(name: str, channels: int, channels_in: int, side: int, rng: np.random.Generator) -> Conv2d:
    shape = (channels, channels_in, side, side)
    weight = rng.standard_normal(shape, np.float32) / np.float32(math.sqrt(channels_in * side * side))
    border = side // 2
    return Conv2d(name=name, inputs=(INPUT,), weight=weight, padding=(border,) * 4)


def _pooling(name: str, last: bool) -> MaxPool2d:
    stride, end = (1, 1) if last else (2, 0)
    return MaxPool2d(name=name, inputs=(INPUT,), kernel=(2, 2), stride=(stride, stride), padding=(0, 0, end, end))

"""What is trained here: a table of networks, each with its data, its augmentation and its length."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from models.datasets import CROP, Dataset, DatasetError, centre, compose_scenes, load_dataset, rectify
from models.detection import Head, detect, mean_average_precision, metadata, unpad_boxes
from models.graph import Array
from models.train import architectures
from models.train.architectures import cifar_cnn, resnet, vgg16
from models.train.optimizers import adam, muon_and_adam, sgd
from models.train.yolo_loss import yolo_loss

Rng = np.random.Generator
Labels = NDArray[Any]
Augment = Callable[[Array, Rng], Array]


def share_correct(outputs: Array, labels: Labels) -> float:
    """The share of images whose largest output is their label."""
    return float(np.mean(np.argmax(outputs, axis=1) == labels))


def map_50(outputs: Array, boxes: Labels, head: Head) -> float:
    """mAP@0.5 of the boxes that the outputs of a YOLO head find."""
    return mean_average_precision(detect(outputs, head), unpad_boxes(boxes))


@dataclass(frozen=True)
class Recipe:
    """How a network is made.

    `compose` makes other examples of a batch of augmented images and their labels, such as scenes of digits. `tests`
    are the datasets on which it is measured, by the function `measure` of outputs and labels; `spiking` says whether
    all of it can become spikes (if not, the file is kept as PyTorch writes it), and `metadata` goes into the file. A
    gradient whose norm, over all weights, is above `largest_gradient` is shortened to it. ReLUs count in `steps`, where
    there are any (`models.train.quantised`).
    """

    network: Callable[[], nn.Module]
    training: Callable[[Path | None], Dataset]
    augment: Augment
    tests: tuple[str, ...]
    epochs: int
    learning_rate: float = 2e-3
    optimizers: Callable[[nn.Module, float, float], tuple[Optimizer, ...]] = adam
    weight_decay: float = 0.0
    batch: int = 100
    largest_gradient: float = math.inf
    steps: int = 0
    spiking: bool = True
    compose: Callable[[Array, Labels, Rng], tuple[Array, Labels]] = lambda images, labels, rng: (images, labels)
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy
    measure: tuple[str, Callable[[Array, Labels], float]] = ("accuracy", share_correct)
    metadata: Mapping[str, str] = field(default_factory=dict)


def mnist_without_digits(data_dir: Path | None) -> Dataset:
    """MNIST's training images without the 5,000 of the embedded set, which therefore can test."""
    train, embedded = load_dataset("mnist_train", data_dir), load_dataset("digits")
    known = {image.tobytes() for image in embedded.x}
    keep = np.array([image.tobytes() not in known for image in train.x])
    if (found := np.sum(~keep)) != len(embedded.y):
        raise DatasetError(f"mnist_train holds {found} of the {len(embedded.y)} embedded digits; it should hold all")
    return Dataset("mnist_train without digits", train.x[keep], train.y[keep])


def cifar10(data_dir: Path | None) -> Dataset:
    return load_dataset("cifar10_train", data_dir)


def shift(images: Array, rng: Rng, largest: int) -> Array:
    """Each image moved by up to `largest` pixels in both directions, black coming in."""
    padded = np.pad(images, ((0, 0), (0, 0), (largest, largest), (largest, largest)))
    height, width = images.shape[2:]
    offsets = rng.integers(0, 2 * largest + 1, (len(images), 2))
    return np.stack([image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, offsets, strict=True)])


def crop(images: Array, rng: Rng) -> Array:
    """A random part of 24 x 24 pixels of each image, every second one mirrored."""
    corners = rng.integers(0, [images.shape[2] - CROP + 1, images.shape[3] - CROP + 1], (len(images), 2))
    parts = [image[:, y : y + CROP, x : x + CROP] for image, (y, x) in zip(images, corners, strict=True)]
    mirrored = rng.random(len(images)) < 0.5
    return np.stack([part[:, :, ::-1] if flip else part for part, flip in zip(parts, mirrored, strict=True)])


def crop_and_rectify(images: Array, rng: Rng) -> Array:
    return rectify(crop(images, rng))


def punch(images: Array, rng: Rng, augment: Augment, side: int) -> Array:
    """As `augment`, with a square of `side` pixels of each square image put to 0 (Cutout, DeVries 2017)."""
    result = augment(images, rng)
    corners = rng.integers(-(side // 2), result.shape[-1] - side // 2, (len(images), 2))
    for image, (y, x) in zip(result, corners, strict=True):
        image[:, max(0, y) : y + side, max(0, x) : x + side] = 0
    return result


def jitter_and_centre(images: Array, rng: Rng) -> Array:
    """Each image moved by up to four pixels, the mean coming in, every second one mirrored; less the mean."""
    moved = shift(centre(images), rng, largest=4)
    mirrored = rng.random(len(images)) < 0.5
    moved[mirrored] = moved[mirrored, ..., ::-1]
    return moved


_mnist = partial(Recipe, training=mnist_without_digits, tests=("mnist", "digits"), epochs=20)
_cifar = partial(
    Recipe,
    training=cifar10,
    augment=crop_and_rectify,
    tests=("cifar10_abs",),
    epochs=40,
    optimizers=muon_and_adam,  # Adam underfits in as many epochs
)
_detector = partial(
    Recipe,
    training=mnist_without_digits,
    augment=lambda images, rng: images,  # no scene comes twice
    compose=compose_scenes,
    tests=("digit_scenes",),
    epochs=15,
    optimizers=muon_and_adam,
    loss=partial(yolo_loss, head=architectures.DIGITS),
    measure=("map_50", partial(map_50, head=architectures.DIGITS)),
    metadata=metadata(architectures.DIGITS),
)
_unrectified = partial(_cifar, augment=crop, tests=("cifar10_crop",))
_deep = partial(_cifar, augment=jitter_and_centre, tests=("cifar10_centred",), epochs=25)

_UNDECAYED = {
    # Cao 2015, tailored step by step; each line changes one thing.
    "cifar_cnn_untailored": _unrectified(
        partial(cifar_cnn, centred=True, activation=nn.Tanh, bias=True, pool=nn.MaxPool2d), spiking=False
    ),
    "cifar_cnn_abs": _cifar(partial(cifar_cnn, activation=nn.Tanh, bias=True, pool=nn.MaxPool2d), spiking=False),
    "cifar_cnn_relu": _cifar(partial(cifar_cnn, bias=True, pool=nn.MaxPool2d)),
    "cifar_cnn_nobias": _cifar(partial(cifar_cnn, pool=nn.MaxPool2d)),
    "cifar_cnn_tailored": _cifar(cifar_cnn),
    # Sengupta 2019; batch norm is folded by the importer.
    "cifar_vgg16_half": _deep(partial(vgg16, share=0.5)),
    **{f"cifar_resnet{depth}": _deep(partial(resnet, depth)) for depth in (8, 14, 20, 32)},
    "cifar_resnet20_bn": _deep(partial(resnet, 20, batch_norm=True)),
}


def _decayed(recipe: Recipe, epochs: int, side: int = 12, **changes: Any) -> Recipe:
    """The same with weight decay, smoothed labels and holes in the images: of kernels that cancel little is left."""
    images = {"augment": partial(punch, augment=recipe.augment, side=side), "batch": 250}
    labels = {"loss": partial(functional.cross_entropy, label_smoothing=0.1)}
    return replace(recipe, epochs=epochs, **{"weight_decay": 0.02, **images, **labels, **changes})


_STEPS = [f"cifar_cnn_{step}" for step in ("untailored", "abs", "relu", "nobias", "tailored")]
_RESNETS = {8: 130, 14: 90, 20: 65, 32: 45}  # epochs of each depth
_by_sgd = partial(
    _decayed, epochs=90, optimizers=sgd, learning_rate=0.1, weight_decay=5e-4, largest_gradient=1.0
)  # as networks with batch norm were trained by He 2016
_TWINS = {  # as much decay in all as 0.02 in 50 epochs
    f"{name}_twin": _decayed(_UNDECAYED[name], 5, side=side, weight_decay=0.2)
    for name, side in {"cifar_resnet8": 12, "cifar_cnn_tailored": 8}.items()
}
_LESS = ["cifar_cnn_tailored", "cifar_vgg16_half", *(f"cifar_resnet{depth}" for depth in _RESNETS), "cifar_resnet20_bn"]

RECIPES = {
    "mnist_convnet": _mnist(architectures.mnist_convnet, augment=partial(shift, largest=2)),
    "mnist_mlp": _mnist(architectures.mnist_mlp, augment=partial(shift, largest=1)),
    "digit_detector": _detector(architectures.digit_detector),
    **{name: _decayed(_UNDECAYED[name], 280, side=8) for name in _STEPS},
    "cifar_vgg16": _decayed(_deep(vgg16), 30, side=8, batch=500),
    **{f"cifar_resnet{depth}": _decayed(_UNDECAYED[f"cifar_resnet{depth}"], n) for depth, n in _RESNETS.items()},
    "cifar_resnet20_bn": _by_sgd(_UNDECAYED["cifar_resnet20_bn"]),
    "cifar_resnet56_bn": _by_sgd(_deep(partial(resnet, 56, batch_norm=True)), epochs=40),
    # Twins that differ in weight decay alone, of several seeds; and networks trained less, and without it.
    **_TWINS,
    **{f"{name}_no_decay": replace(recipe, weight_decay=0.0) for name, recipe in _TWINS.items()},
    **{f"{name}_no_decay": _UNDECAYED[name] for name in _LESS},
}

"""The networks that are trained here, as PyTorch modules; the name of a module becomes the name of its layer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.preprocessing import CIFAR10_MEAN
from models.yolo import Head

DIGITS = Head(anchors=((0.9, 1.1), (1.3, 1.8), (2.0, 2.5)), classes=tuple("0123456789"))


def named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def mnist_convnet() -> nn.Sequential:
    """Diehl 2015: 28x28-12c5-2s-64c5-2s-10o, no biases."""
    return named(
        conv1=nn.Conv2d(1, 12, 5, bias=False), relu1=nn.ReLU(), pool1=nn.AvgPool2d(2),
        conv2=nn.Conv2d(12, 64, 5, bias=False), relu2=nn.ReLU(), pool2=nn.AvgPool2d(2),
        flatten=nn.Flatten(), dropout=nn.Dropout(0.5), fc=nn.Linear(1024, 10, bias=False),
    )  # fmt: skip


def mnist_mlp() -> nn.Sequential:
    """Diehl 2015: 784-1200-1200-10, no biases, dropout."""
    return named(
        flatten=nn.Flatten(), dropout0=nn.Dropout(0.2),
        fc1=nn.Linear(784, 1200, bias=False), relu1=nn.ReLU(), dropout1=nn.Dropout(0.5),
        fc2=nn.Linear(1200, 1200, bias=False), relu2=nn.ReLU(), dropout2=nn.Dropout(0.5),
        fc3=nn.Linear(1200, 10, bias=False),
    )  # fmt: skip


class Centred(nn.Module):
    """x - mean of CIFAR-10: the signed input that the tailoring of Cao 2015 does away with."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(CIFAR10_MEAN.copy()))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.mean


def cifar_cnn(
    *,
    centred: bool = False,
    activation: Callable[[], nn.Module] = nn.ReLU,
    bias: bool = False,
    pool: Callable[[int], nn.Module] = nn.AvgPool2d,
) -> nn.Sequential:
    """Cao 2015: 24x24-64c5-2s-64c5-2s-64c3-10o; as it stands the tailored network, and each argument undoes a step."""
    conv = partial(nn.Conv2d, bias=bias)
    return named(
        **({"centre": Centred()} if centred else {}),
        conv1=conv(3, 64, 5, padding=2), act1=activation(), pool1=pool(2),
        conv2=conv(64, 64, 5, padding=2), act2=activation(), pool2=pool(2),
        conv3=conv(64, 64, 3, padding=1), act3=activation(),
        flatten=nn.Flatten(), dropout=nn.Dropout(0.3), fc=nn.Linear(64 * 6 * 6, 10, bias=bias),
    )  # fmt: skip


def digit_detector() -> nn.Sequential:
    """A small Tiny YOLO for digits: 96x96-8c3-p-16c3-p-32c3-p-64c3-p-128c3-45c1, 2x2 max pooling, leaky 0.1."""
    widths = (1, 8, 16, 32, 64, 128)
    layers: dict[str, nn.Module] = {}
    for i, (before, after) in enumerate(pairwise(widths), start=1):
        layers |= {f"conv{i}": nn.Conv2d(before, after, 3, padding=1), f"leaky{i}": nn.LeakyReLU(0.1)}
        layers |= {f"pool{i}": nn.MaxPool2d(2)} if i < len(widths) - 1 else {}
    return named(**layers, head=nn.Conv2d(widths[-1], DIGITS.channels, 1))

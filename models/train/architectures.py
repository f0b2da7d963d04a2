"""The networks that are trained here, as PyTorch modules; the name of a module becomes the name of its layer."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.datasets import CIFAR10_MEAN
from models.detection import Head

DIGITS = Head(anchors=((0.9, 1.1), (1.3, 1.8), (2.0, 2.5)), classes=tuple("0123456789"))


def stack(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def mnist_convnet() -> nn.Sequential:
    """Diehl 2015: 28x28-12c5-2s-64c5-2s-10o, no biases."""
    return stack(
        conv1=nn.Conv2d(1, 12, 5, bias=False), relu1=nn.ReLU(), pool1=nn.AvgPool2d(2),
        conv2=nn.Conv2d(12, 64, 5, bias=False), relu2=nn.ReLU(), pool2=nn.AvgPool2d(2),
        flatten=nn.Flatten(), dropout=nn.Dropout(0.5), fc=nn.Linear(1024, 10, bias=False),
    )  # fmt: skip


def mnist_mlp() -> nn.Sequential:
    """Diehl 2015: 784-1200-1200-10, no biases, dropout."""
    return stack(
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
    return stack(
        **({"centre": Centred()} if centred else {}),
        conv1=conv(3, 64, 5, padding=2), act1=activation(), pool1=pool(2),
        conv2=conv(64, 64, 5, padding=2), act2=activation(), pool2=pool(2),
        conv3=conv(64, 64, 3, padding=1), act3=activation(),
        flatten=nn.Flatten(), dropout=nn.Dropout(0.3), fc=nn.Linear(64 * 6 * 6, 10, bias=bias),
    )  # fmt: skip


def digit_detector() -> nn.Sequential:
    """A small Tiny YOLO for digits: 96x96-8c3-p-16c3-p-32c3-p-64c3-p-128c3-45c1, 2x2 max pooling, slope 0.1."""
    widths = (1, 8, 16, 32, 64, 128)
    layers: dict[str, nn.Module] = {}
    for i, (before, after) in enumerate(pairwise(widths), start=1):
        layers |= {f"conv{i}": nn.Conv2d(before, after, 3, padding=1), f"leaky{i}": nn.LeakyReLU(0.1)}
        layers |= {f"pool{i}": nn.MaxPool2d(2)} if i < len(widths) - 1 else {}
    return stack(**layers, head=nn.Conv2d(widths[-1], DIGITS.channels, 1))


VGG_WIDTHS = (64, 128, 256, 512, 512)
VGG_CONVOLUTIONS = (2, 2, 3, 3, 3)


def vgg16(batch_norm: bool = False, share: float = 1.0) -> nn.Sequential:
    """VGG-16 as Sengupta 2019 has it: no biases, dropout, average pooling; a stage per pooling.

    All layers but the last have a `share` of the original's channels, the dense ones of the last 512.

    Without batch norm the gain of He 2015 alone lets signals fade: the mean of four pixels varies less than each, and a
    kernel at the border of a small map reads many zeros. So layers behind a pooling get sqrt(2) more, and kernels what
    their zeros cost.
    """
    layers: dict[str, nn.Module] = {}
    widths = [round(share * width) for width in VGG_WIDTHS]
    channels, size, linear = 3, 32, partial(nn.Linear, bias=False)
    for stage, (count, width) in enumerate(zip(VGG_CONVOLUTIONS, widths, strict=True), 1):
        for number in range(1, count + 1):
            lost = 3 * size / (3 * size - 2) * (math.sqrt(2) if stage > 1 and number == 1 else 1)
            gain = 1.0 if batch_norm else lost
            layers |= _convolution(f"{stage}_{number}", channels, width, batch_norm, gain=gain)
            channels = width
        layers[f"pool{stage}"] = nn.AvgPool2d(2)
        size //= 2
    return stack(
        **layers, flatten=nn.Flatten(),
        dropout1=nn.Dropout(0.1), fc1=_he(linear(channels * size**2, channels), math.sqrt(2)), relu1=nn.ReLU(),
        dropout2=nn.Dropout(0.1), fc2=_he(linear(channels, channels)), relu2=nn.ReLU(),
        dropout3=nn.Dropout(0.1), fc3=linear(channels, 10),
    )  # fmt: skip


class Residual(nn.Module):
    """Two paths that both end in a ReLU, so that their junction receives spikes (Sengupta 2019).

    Where the map changes, the shortcut is a 1x1 convolution of stride 2. The second convolution of the other path
    starts with `gain` times the weights of He 2015, or its batch norm with that factor.
    """

    def __init__(self, channels_in: int, channels: int, batch_norm: bool, gain: float) -> None:
        super().__init__()
        stride = 1 if channels_in == channels else 2
        self.path = stack(
            **_convolution("1", channels_in, channels, batch_norm, stride),
            dropout=nn.Dropout(0.1),
            **_convolution("2", channels, channels, batch_norm, gain=gain),
        )
        shortcut = _convolution("0", channels_in, channels, batch_norm, stride, kernel=1)
        self.shortcut = nn.Identity() if stride == 1 else stack(**shortcut)
        self.junction = nn.Identity()  # of what is never negative

    def forward(self, x: Tensor) -> Tensor:
        return self.junction(self.path(x) + self.shortcut(x))


def resnet(depth: int, batch_norm: bool = False) -> nn.Sequential:
    """ResNet for CIFAR-10 (He 2016) as Sengupta 2019 has it: no biases, and plain convolutions before the first block.

    `depth` is that of He 2016, 6 n + 2: 8, 14, 20, 32 or 56. Paths that end in a ReLU only ever add, up to a doubled
    signal in every block; as in Fixup (Zhang 2019) they start smaller, by the square root of the number of blocks.
    """
    blocks, widths = (depth - 2) // 6, (16, 16, 32, 64)
    gain = (3 * blocks) ** -0.5
    layers = _convolution("1", 3, 16, batch_norm) | _convolution("2", 16, 16, batch_norm)
    for stage in range(1, 4):
        for number in range(1, blocks + 1):
            channels = widths[stage - 1] if number == 1 else widths[stage]
            layers[f"block{stage}_{number}"] = Residual(channels, widths[stage], batch_norm, gain)
    return stack(
        **layers, pool=nn.AvgPool2d(8), flatten=nn.Flatten(), dropout=nn.Dropout(0.1), fc=nn.Linear(64, 10, bias=False)
    )


def _convolution(
    name: str, channels_in: int, channels: int, batch_norm: bool, stride: int = 1, kernel: int = 3, gain: float = 1.0
) -> dict[str, nn.Module]:
    """A convolution that keeps the size of the map, or halves it, with what follows it up to its ReLU.

    `gain` is a factor on the weights it starts with, or on those of the batch norm, which would undo the former.
    """
    convolution = nn.Conv2d(channels_in, channels, kernel, stride, padding=kernel // 2, bias=False)
    if not batch_norm:
        return {f"conv{name}": _he(convolution, gain), f"relu{name}": nn.ReLU()}
    norm = nn.BatchNorm2d(channels)
    nn.init.constant_(norm.weight, gain)
    return {f"conv{name}": _he(convolution), f"norm{name}": norm, f"relu{name}": nn.ReLU()}


def _he(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Module:
    """Weights by which a ReLU layer passes on the mean square of its input (He 2015), times `gain`."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    layer.weight.data *= gain
    return layer

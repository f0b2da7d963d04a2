"""Writes the ONNX files of this folder with the tools that users have: both exporters of PyTorch, and skl2onnx.

`python tests/data/onnx/make.py` needs torch, onnxscript, scikit-learn and skl2onnx; the tests need only the files.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).parent


class LeNet(nn.Module):
    """Convolutions of every geometry, batch norm, both poolings; ReLU after the pooling, as in PyTorch's example."""

    shape = (2, 23, 17)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 6, (3, 5), padding=(1, 2))
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=(2, 1), groups=2, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.conv3 = nn.Conv2d(8, 8, 3, dilation=(1, 2), padding=(1, 2))
        self.pool = nn.AvgPool2d(2, ceil_mode=True)
        self.drop = nn.Dropout(0.5)
        self.fc1 = nn.Linear(8 * 3 * 3, 12)
        self.norm = nn.BatchNorm1d(12)
        self.fc2 = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(functional.max_pool2d(self.bn1(self.conv1(x)), 2))
        x = functional.relu(self.bn2(self.conv2(x)))
        x = self.pool(functional.leaky_relu(self.conv3(x), 0.1))
        x = functional.relu(self.norm(self.fc1(self.drop(x.view(x.size(0), -1)))))
        return functional.log_softmax(self.fc2(x), dim=1)


class Block(nn.Module):
    """Residual block whose shortcut is the identity or a strided 1x1 convolution."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != channels:
            shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(inner + self.shortcut(x))


class ResNet(nn.Module):
    """Residual blocks, with a batch norm that follows a ReLU, and an adaptive pooling."""

    shape = (3, 9, 9)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.bn = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(4, 4, 1), Block(4, 6, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer1(self.bn(functional.relu(self.stem(x))))
        return self.fc(torch.flatten(self.pool(x), 1))


class Branches(nn.Module):
    """Paths of several kernels side by side, and a pre-activation: batch norm, then ReLU, after the Concat."""

    shape = (1, 8, 10)

    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Conv2d(1, 3, 1)
        self.wide = nn.Conv2d(1, 2, (4, 5), padding="same")
        self.norm = nn.BatchNorm2d(6)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.head = nn.Conv2d(6, 4, (2, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([functional.relu(self.point(x)), functional.relu6(self.wide(x)), x], dim=1)
        x = self.head(self.pool(functional.relu(self.norm(x))))
        return functional.softmax(x.mean(dim=(2, 3)), dim=-1)


class Activations(nn.Module):
    """ReLU6, leaky ReLU with one slope and with a slope per channel."""

    shape = (1, 6, 6)

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.PReLU(3), nn.Conv2d(3, 3, 2), nn.LeakyReLU(0.2), nn.Flatten(), nn.Dropout(),
            nn.Linear(27, 8), nn.ReLU6(), nn.Linear(8, 4), nn.Identity(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Normalised(nn.Module):
    """The input is normalised inside the network, in front of a padded convolution; a ZeroPad2d follows."""

    shape = (3, 7, 6)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.25, 0.24, 0.26]).view(1, 3, 1, 1))
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, stride=2)
        self.pad = nn.ZeroPad2d((1, 0, 0, 1))
        self.conv2 = nn.Conv2d(4, 4, 2)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        self.fc = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv1((x - self.mean) / self.std))
        x = self.pool(functional.relu(self.conv2(self.pad(x))))
        return self.fc(x.reshape(-1, 16)) * 0.5


class MultiLayer(nn.Module):
    """Fully connected, on images that it flattens itself."""

    shape = (1, 4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(16, 7)
        self.fc2 = nn.Linear(7, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.relu(self.fc1(x.flatten(1))))


class Untailored(nn.Module):
    """All that Cao 2015 does away with: a mean is subtracted, tanh, max pooling, biases."""

    shape = (3, 12, 12)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1))
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.fc = nn.Linear(72, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(torch.tanh(self.conv1(x - self.mean)), 2)
        x = functional.max_pool2d(torch.tanh(self.conv2(x)), 2)
        return self.fc(torch.flatten(x, 1))


NETWORKS = {
    "lenet": LeNet, "resnet": ResNet, "branches": Branches, "activations": Activations, "normalised": Normalised,
    "mlp": MultiLayer,
}  # fmt: skip


def network(kind: type[nn.Module]) -> nn.Module:
    """Random weights; batch norms with statistics and scales that are not the neutral ones."""
    torch.manual_seed(1)
    built = kind().eval()
    for module in built.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                nn.init.normal_(tensor, 0.0, 0.3)
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.1, 0.6)
    return built


def export_torch(name: str, kind: type[nn.Module]) -> None:
    """One file from each exporter, and one of the older exporter that keeps batch norm and dropout as nodes."""
    built, example = network(kind), torch.rand(2, *kind.shape)
    script = {"dynamo": False, "dynamic_axes": {"x": {0: "batch"}}, "input_names": ["x"], "opset_version": 17}
    torch.onnx.export(built, (example,), HERE / f"{name}_script.onnx", **script)
    raw = {**script, "do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE, "opset_version": 9}
    if kind is not Branches:  # opset 9 has no ceil_mode, and the padding that torch writes instead no runtime accepts
        torch.onnx.export(built, (example,), HERE / f"{name}_script9.onnx", **raw)
    dynamo = {"dynamo": True, "dynamic_shapes": {"x": {0: torch.export.Dim("batch")}}, "external_data": False}
    torch.onnx.export(built, (example,), HERE / f"{name}_dynamo.onnx", **dynamo, verbose=False)
    torch.onnx.export(built, (example,), HERE / f"{name}_dynamo_raw.onnx", **dynamo, optimize=False, verbose=False)


def export_untailored() -> None:
    options = {"dynamo": False, "dynamic_axes": {"x": {0: "batch"}}, "input_names": ["x"], "opset_version": 17}
    torch.onnx.export(network(Untailored), (torch.rand(2, *Untailored.shape),), HERE / "untailored.onnx", **options)


def strip(path: Path) -> None:
    """Remove the notes that the newer exporter keeps beside nodes: source files of the machine it ran on."""
    model = onnx.load(path)
    for item in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    onnx.save(model, path)


def export_sklearn() -> None:
    """Ten digits, and the binary question (zero or not) that ends in a Sigmoid."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    for name, labels, zipmap in (("digits", y, False), ("digits_zipmap", y, True), ("binary", y == 0, False)):
        model = MLPClassifier((16, 12), max_iter=30, random_state=0).fit(x, labels)
        path = HERE / f"sklearn_{name}.onnx"
        path.write_bytes(to_onnx(model, x[:1], options={"zipmap": zipmap}).SerializeToString())


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name, kind in NETWORKS.items():
        export_torch(name, kind)
    export_untailored()
    export_sklearn()
    for path in HERE.glob("*.onnx"):
        strip(path)

"""Modules of PyTorch as graphs: both compute the same, and what does not work is said in a line."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from models.graph import GraphError
from models.onnx_io.running import predict
from models.onnx_io.trace import OnnxError
from models.torch_modules import from_torch

MISSING = "PyTorch and onnxscript are not installed: pip install -e '.[torch]'"
torch = pytest.importorskip("torch", reason=MISSING)
pytest.importorskip("onnxscript", reason=MISSING)
nn = torch.nn


class Branches(nn.Module):
    """A residual path beside a shortcut, written as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.second, self.head = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 5)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        x = torch.relu(x + self.second(x))
        return self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 3),
        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(6, 10),
    )  # fmt: skip


def connected() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 20), nn.ReLU(), nn.Linear(20, 7))


@pytest.mark.parametrize("make", [convolutional, connected, Branches])
@pytest.mark.parametrize("training", [True, False])
def test_the_graph_computes_what_the_module_does_in_evaluation(make, training: bool) -> None:
    torch.manual_seed(0)
    module = make().train(training)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    graph = from_torch(module, torch.zeros(1, 3, 8, 8))
    assert {part.training for part in module.modules()} == {training}
    images = torch.rand(5, 3, 8, 8)  # another number of them than the example
    with torch.no_grad():
        expected = module.eval()(images).numpy()
    np.testing.assert_allclose(predict(graph, images.numpy()), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "example", "kind", "words"),
    [
        (nn.Linear(4, 4), (2, 5), OnnxError, "PyTorch cannot export Linear: mat1 and mat2 shapes cannot be multiplied"),
        (nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)), (2, 4), OnnxError, "Tanh"),
    ],
)
def test_what_cannot_be_converted_is_said_in_a_line(module, example, kind, words: str, capsys) -> None:
    with pytest.raises((kind, GraphError)) as caught:
        from_torch(module, torch.zeros(example))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


def test_what_is_missing_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.torch_modules.find_spec", lambda name: None if name == "onnxscript" else sys)
    with pytest.raises(ModuleNotFoundError, match="needs onnxscript; pip install torch onnxscript"):
        from_torch(nn.Linear(2, 2), torch.zeros(1, 2))

"""The deep networks: their sizes by hand, what Sengupta 2019 asks of them, and the way through ONNX into a graph."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[train]'")

from torch import nn  # noqa: E402

from models.graph import Add, AvgPool2d, Conv2d, Dense, MaxPool2d  # noqa: E402
from models.onnx_io.reading import load  # noqa: E402
from models.onnx_io.running import predict  # noqa: E402
from models.structure import negative_senders, possibly_negative  # noqa: E402
from models.train.architectures import Residual, resnet, vgg16  # noqa: E402
from models.train.loop import _export  # noqa: E402

NETWORKS = {"vgg16": partial(vgg16, share=0.5)} | {
    f"resnet{depth}": partial(resnet, depth) for depth in (8, 14, 20, 32, 56)
}


def made(name: str, batch_norm: bool) -> nn.Module:
    """In the state of a trained network: statistics of batch norm are those of some images."""
    torch.manual_seed(0)
    module = NETWORKS[name](batch_norm=batch_norm).train()
    module(torch.from_numpy(images(20)))
    return module.eval()


def images(n: int = 3) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (n, 3, 32, 32)).astype(np.float32)


def graph_of(module: nn.Module, tmp_path):
    _export(module, (3, 32, 32), tmp_path / "network.onnx")
    return load(tmp_path / "network.onnx")


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_imported_computes_what_pytorch_does(name, batch_norm, tmp_path):
    module = made(name, batch_norm)
    with torch.no_grad():
        wanted = module(torch.from_numpy(images())).numpy()
    graph = graph_of(module, tmp_path)
    np.testing.assert_allclose(predict(graph, images()), wanted, atol=1e-4 * np.abs(wanted).max())
    weighted = [layer for layer in graph if isinstance(layer, Conv2d | Dense)]
    with_bias = sum(layer.bias is not None for layer in weighted)
    assert with_bias == (sum(isinstance(m, nn.BatchNorm2d) for m in module.modules()) if batch_norm else 0)


@pytest.mark.parametrize("name", ["vgg16", "resnet20"])
def test_every_layer_sends_positive_spikes_and_pools_by_the_mean(name, tmp_path):
    graph = graph_of(made(name, batch_norm=False), tmp_path)
    assert negative_senders(graph, signed_input=True) == []
    kinds = {type(layer) for layer in graph}
    assert AvgPool2d in kinds
    assert MaxPool2d not in kinds


def test_both_paths_that_meet_at_a_junction_send_positive_spikes_of_their_own(tmp_path):
    graph = graph_of(made("resnet20", batch_norm=True), tmp_path)
    junctions = [layer for layer in graph if isinstance(layer, Add)]
    assert len(junctions) == 9
    for junction in junctions:
        assert len(junction.inputs) == 2
        for name in junction.inputs:
            assert name not in possibly_negative(graph, signed_input=True)
            assert not graph[name].activation.is_linear or isinstance(graph[name], Add)


@pytest.mark.parametrize(
    ("name", "layers"),
    [("vgg16", 16), ("resnet8", 9), ("resnet20", 21), ("resnet32", 33), ("resnet56", 57)],
)
def test_depth_counts_weighted_layers_and_of_a_resnet_all_but_the_second_plain_convolution(name, layers):
    module = made(name, batch_norm=False)
    weighted = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len([m for m in weighted if getattr(m, "kernel_size", None) != (1, 1)]) == layers


def test_sizes_by_hand():
    widths = [(3, 32), (32, 32), (32, 64), (64, 64), (64, 128), *[(128, 128)] * 2, (128, 256), *[(256, 256)] * 5]
    dense = 256 * 256 * 2 + 256 * 10
    assert parameters("vgg16") == 9 * sum(a * b for a, b in widths) + dense
    blocks = [(16, 16)] * 6 + [(16, 32)] + [(32, 32)] * 5 + [(32, 64)] + [(64, 64)] * 5
    shortcuts = 16 * 32 + 32 * 64
    assert parameters("resnet20") == 9 * sum(a * b for a, b in [(3, 16), (16, 16), *blocks]) + shortcuts + 640


def test_the_whole_vgg16_has_twice_the_channels_in_every_layer():
    widths = [3, *[64] * 2, *[128] * 2, *[256] * 3, *[512] * 6]
    kernels = sum(9 * before * after for before, after in pairwise(widths))
    assert sum(p.numel() for p in vgg16().parameters()) == kernels + 512 * 512 * 2 + 5120


def parameters(name: str) -> int:
    return sum(p.numel() for p in NETWORKS[name]().parameters())


def test_a_block_that_keeps_its_map_adds_to_it():
    block = Residual(4, 4, batch_norm=False, gain=0.5).eval()
    x = torch.rand(2, 4, 8, 8)
    with torch.no_grad():
        added = block(x) - x
        first = torch.relu(nn.functional.conv2d(x, block.path.conv1.weight, padding=1))
        expected = torch.relu(nn.functional.conv2d(first, block.path.conv2.weight, padding=1))
    np.testing.assert_allclose(added.numpy(), expected.numpy(), atol=1e-5)
    assert Residual(4, 8, batch_norm=True, gain=1.0).eval()(x).shape == (2, 8, 4, 4)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", ["vgg16", "resnet8", "resnet32"])
def test_at_the_start_the_signal_neither_fades_nor_explodes(name, batch_norm):
    """Root mean square of white noise behind each ReLU, which He's gain alone loses by a factor of ten in VGG-16."""
    signal, module = torch.randn(20, 3, 32, 32), made(name, batch_norm).train()
    levels = []
    with torch.no_grad():
        for child in module.children():
            signal = child(signal)
            if isinstance(child, nn.ReLU | Residual):
                levels.append(float(signal.square().mean().sqrt()))
    assert min(levels) > 0.25
    assert max(levels) < 5

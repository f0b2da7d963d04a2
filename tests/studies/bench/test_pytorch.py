"""The yardstick simulates the same network: for inputs that spike in every step or never, the same counts."""

from __future__ import annotations

import numpy as np
import pytest

from studies.bench.convnet import STEPS, convnet
from studies.bench.pytorch import operation_of, show
from tests.conversion.zero_delay_loop import zero_delay_loop


def test_the_loop_counts_what_a_loop_of_numpy_counts() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    graph, images = convnet(3)
    images = (images > 0.5).astype(np.float32)
    expected = zero_delay_loop(graph, np.broadcast_to(images > 0, (STEPS, *images.shape)))[graph.output.name]
    layers = [operation_of(layer, torch) for layer in graph]
    counts = show(layers, torch.from_numpy(images), torch).numpy()
    assert expected.sum() > 50
    assert np.mean(counts == expected) > 0.9  # sums in another order: a spike may come in another step
    np.testing.assert_allclose(counts, expected, atol=1)

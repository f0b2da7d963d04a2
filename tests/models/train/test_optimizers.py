"""Muon on kernels, against its definition by the singular value decomposition."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[train]'")

from torch import nn  # noqa: E402

from models.train.optimizers import ConvMuon, muon_and_adam  # noqa: E402


def test_a_first_step_of_muon_moves_a_kernel_along_the_orthogonalised_gradient() -> None:
    """It is U V^T of the gradient's decomposition, singular values up to what Newton-Schulz leaves (0.5 to 1.5)."""
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 8, 3, bias=False).to(memory_format=torch.channels_last)
    before = conv.weight.detach().clone()
    gradient = torch.randn_like(before)
    conv.weight.grad = gradient.clone()
    ConvMuon([conv.weight], lr=0.1).step()
    moved = ((before - conv.weight.detach()) / 0.1).reshape(8, -1).numpy()
    u, _, vt = np.linalg.svd(gradient.reshape(8, -1).numpy(), full_matrices=False)
    in_its_axes = u.T @ moved @ vt.T
    assert np.abs(in_its_axes - np.diag(np.diag(in_its_axes))).max() < 0.1
    assert (np.diag(in_its_axes) > 0.5).all()
    assert (np.diag(in_its_axes) < 1.5).all()


def test_every_weight_has_one_optimizer() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    network = network.to(memory_format=torch.channels_last)
    before = [weight.detach().clone() for weight in network.parameters()]
    network(torch.ones(1, 1, 4, 4)).sum().backward()
    for optimizer in muon_and_adam(network, 1e-2):
        optimizer.step()
    assert all((weight != old).any() for weight, old in zip(network.parameters(), before, strict=True))

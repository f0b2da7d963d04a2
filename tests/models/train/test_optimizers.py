"""Muon on kernels, against its definition by the singular value decomposition; what weight decay takes away."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[train]'")

from torch import nn  # noqa: E402

from models.train.optimizers import ConvMuon, adam, muon_and_adam, sgd  # noqa: E402
from models.train.recipes import RECIPES  # noqa: E402


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
    for optimizer in muon_and_adam(network, 1e-2, 0.0):
        optimizer.step()
    assert all((weight != old).any() for weight, old in zip(network.parameters(), before, strict=True))


@pytest.mark.parametrize(
    ("make", "of_kernels", "of_others"),
    [(adam, 1 - 0.1 * 0.3, 1 - 0.1 * 0.3), (muon_and_adam, 1 - 1.0 * 0.3, 1 - 0.1 * 0.3),
     (sgd, 1 - 0.1 * 0.3 * 1.9, 1 - 0.1 * 0.3 * 1.9)],
)  # fmt: skip
def test_without_a_gradient_a_step_takes_decay_times_the_rate_of_a_weight(make, of_kernels, of_others) -> None:
    """Learning rate 0.1, decay 0.3; Muon's rate is ten times that, and Nesterov's first step 1.9 times the gradient."""
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2)).to(memory_format=torch.channels_last)
    before = [weight.detach().clone() for weight in network.parameters()]
    for weight in network.parameters():
        weight.grad = torch.zeros_like(weight)
    for optimizer in make(network, 0.1, 0.3):
        optimizer.step()
    for weight, old in zip(network.parameters(), before, strict=True):
        kept = of_kernels if weight.ndim == 4 else of_others
        np.testing.assert_allclose(weight.detach().numpy(), kept * old.numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_the_optimizers_of_a_recipe_have_its_decay_for_every_weight(name: str) -> None:
    recipe = RECIPES[name]
    network = recipe.network().to(memory_format=torch.channels_last)
    optimizers = recipe.optimizers(network, recipe.learning_rate, recipe.weight_decay)
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    assert {group["weight_decay"] for group in groups} == {recipe.weight_decay}
    assert sum(w.numel() for group in groups for w in group["params"]) == sum(w.numel() for w in network.parameters())
    assert (recipe.weight_decay > 0) == (name.startswith("cifar") and not name.endswith("_no_decay"))

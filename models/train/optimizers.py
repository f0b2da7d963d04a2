"""How a network's weights take a step: Adam for all of them, or Muon for the kernels of convolutions."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class ConvMuon(torch.optim.Muon):
    """Muon (Jordan 2024), which knows matrices only, for convolutions: a row per output channel.

    The networks must be in the memory format channels_last, so that a kernel and its matrix share their memory.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], lr: float) -> None:
        self._kernels = list(kernels)
        self._matrices = [nn.Parameter(_rows(kernel.data)) for kernel in self._kernels]
        super().__init__(self._matrices, lr=lr, momentum=0.9, weight_decay=0.0)

    def step(self, closure=None):
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            matrix.grad = None if kernel.grad is None else _rows(kernel.grad)
        return super().step(closure)


def _rows(kernel: Tensor) -> Tensor:
    """A kernel (out, in, height, width) in channels_last as a matrix of `out` rows over the same memory."""
    return kernel.permute(0, 2, 3, 1).flatten(1)


def adam(network: nn.Module, learning_rate: float) -> tuple[torch.optim.Optimizer, ...]:
    return (torch.optim.Adam(network.parameters(), lr=learning_rate),)


def muon_and_adam(network: nn.Module, learning_rate: float) -> tuple[torch.optim.Optimizer, ...]:
    """Muon at ten times the learning rate for the kernels, Adam for all other parameters."""
    kernels = [weight for weight in network.parameters() if weight.ndim == 4]
    others = [weight for weight in network.parameters() if weight.ndim != 4]
    return ConvMuon(kernels, lr=10 * learning_rate), torch.optim.Adam(others, lr=learning_rate)

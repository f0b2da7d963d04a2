"""How a network's weights take a step: Adam or SGD for all of them, or Muon for the kernels of convolutions.

Weight decay is decoupled (AdamW, Loshchilov 2019), but not in SGD: a step also takes away decay times its learning rate
of every weight.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class ConvMuon(torch.optim.Muon):
    """Muon (Jordan 2024), which knows matrices only, for convolutions: a row per output channel.

    The networks must be in the memory format channels_last, so that a kernel and its matrix share their memory.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0) -> None:
        self._kernels = list(kernels)
        self._matrices = [nn.Parameter(_rows(kernel.data)) for kernel in self._kernels]
        super().__init__(self._matrices, lr=lr, momentum=0.9, weight_decay=weight_decay)

    def step(self, closure=None):
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            matrix.grad = None if kernel.grad is None else _rows(kernel.grad)
        return super().step(closure)


def _rows(kernel: Tensor) -> Tensor:
    """A kernel (out, in, height, width) in channels_last as a matrix of `out` rows over the same memory."""
    return kernel.permute(0, 2, 3, 1).flatten(1)


def adam(network: nn.Module, learning_rate: float, weight_decay: float) -> tuple[torch.optim.Optimizer, ...]:
    return (torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay),)


def sgd(network: nn.Module, learning_rate: float, weight_decay: float) -> tuple[torch.optim.Optimizer, ...]:
    """Stochastic gradient descent with Nesterov's momentum of 0.9; its decay is part of the gradient."""
    weights = network.parameters()
    return (torch.optim.SGD(weights, lr=learning_rate, momentum=0.9, nesterov=True, weight_decay=weight_decay),)


def muon_and_adam(network: nn.Module, learning_rate: float, weight_decay: float) -> tuple[torch.optim.Optimizer, ...]:
    """Muon at ten times the learning rate for the kernels, Adam for all other parameters."""
    kernels = [weight for weight in network.parameters() if weight.ndim == 4]
    others = [weight for weight in network.parameters() if weight.ndim != 4]
    adam_of_others = torch.optim.AdamW(others, lr=learning_rate, weight_decay=weight_decay)
    return ConvMuon(kernels, 10 * learning_rate, weight_decay), adam_of_others

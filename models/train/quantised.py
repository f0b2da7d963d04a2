"""ReLUs that count in steps: fine-tuning a network for a short window as spikes (QCFS, Bu 2022).

A neuron of threshold theta that starts at half of it and receives x in each of L steps spikes floor(L x / theta + 1/2)
times, but at least 0 and at most L times. So the network is trained on

    h(x) = theta / L floor(L clip(x / theta, 0, 1) + 1/2),

with a theta for each layer that is trained too. The floor has the gradient 1 (straight through), so that h has

    dh/dx     = 1 within 0 < x < theta, else 0
    dh/dtheta = 1 from theta on, (h(x) - x) / theta within, else 0.

Where paths meet, neurons add the spikes of both, which therefore stand for the same: the junction counts too, and the
paths before it have one theta. As spikes do the counting, an ONNX file has the clip alone.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from models.train.architectures import Residual

SHARE = 0.999  # of the first batch's activations that the first theta lets through


class StepReLU(nn.Module):
    """h(x) with so many steps; its theta is found on the first batch that it sees."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.theta = nn.Parameter(torch.full((), math.nan))

    def forward(self, x: Tensor) -> Tensor:
        if torch.isnan(self.theta):
            self.theta.data.copy_(_largest(x))
        share = torch.clamp(x / self.theta, 0, 1)
        counted = torch.floor(self.steps * share + 0.5) / self.steps
        return (share + (counted - share).detach()) * self.theta

    def extra_repr(self) -> str:
        return f"steps={self.steps}"


def count_in_steps(network: nn.Module, steps: int) -> nn.Module:
    """The network with `StepReLU` in the place of every ReLU, of the same names, and at every junction."""
    last: nn.Module = nn.Identity()
    for name, module in network.named_children():
        if isinstance(module, nn.ReLU):
            setattr(network, name, last := StepReLU(steps))
        else:
            count_in_steps(module, steps)
        if isinstance(module, Residual):
            module.path.relu2 = last if isinstance(module.shortcut, nn.Identity) else module.shortcut.relu0
            module.junction = last = StepReLU(steps)
    return network


def clipped(network: nn.Module) -> nn.Module:
    """A copy of the network with the clip in the place of every `StepReLU`, of the same names."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, StepReLU):
                setattr(module, name, nn.Hardtanh(0.0, child.theta.item()))
    return network


def _largest(x: Tensor) -> Tensor:
    """An activation that few of a batch are above, and none if only few are positive."""
    positive = x.detach().float().flatten()
    positive = positive[positive > 0]
    kth = max(1, math.ceil(SHARE * len(positive)))
    return torch.kthvalue(positive, kth).values if len(positive) else torch.ones((), device=x.device)

"""The words that settings of a neuron may take, without the libraries that act on them."""

from __future__ import annotations

from typing import Literal

Reset = Literal["subtract", "zero"]
InitialPotential = Literal["zero", "half", "uniform"]

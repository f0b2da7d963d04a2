"""The words that settings of a conversion may be, without the libraries that act on them."""

from __future__ import annotations

from typing import Literal

Scheme = Literal["none", "model", "data", "percentile", "channel"]
CALIBRATED = ("data", "percentile", "channel")
Connectivity = Literal["shared", "synapses"]
Output = Literal["spiking", "accumulating"]

"""What differs between the neurons and the synapses of a network, as settings that are checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Variability:
    """Diversity of neurons, dead neurons, lost synapses and synapses that fail; by default there is none.

    All but the failures is drawn once for a network, and is the same for every image. A larger share hits those that a
    smaller one hits, and more.

    Parameters
    ----------
    cv : mapping of str to float
        Standard deviation over mean of a parameter among the neurons of a layer: one of the neuron's `parameters`, a
        constant with an initial value such as `v_th`, or "refractory". Each neuron's value is the model's times a
        factor of a lognormal distribution of mean 1, so that it keeps its sign. A potential in mV is multiplied as it
        stands, from 0 mV on; a refractory period lasts the whole steps in it. Hidden neurons have it, those of pooling
        layers and junctions too, and output neurons that spike.
    dead_share : float
        Probability of a hidden neuron to never spike, those of pooling layers and junctions included. Neither relays
        (max pooling, concatenation) nor the input die, nor the output: one dead there is a class less to answer.
    lost_share : float
        Probability of a synapse to be missing: of every weighted connection between two neurons, so that a kernel of
        a convolution loses another set at each place. The synapses of relays are none of a neuron, and are whole.
    release_probability : float
        With which each of these synapses passes each spike on, independently.

    Raises
    ------
    ValueError
        If a number is not within its bounds.
    """

    cv: Mapping[str, float] = field(default_factory=dict)
    dead_share: float = 0.0
    lost_share: float = 0.0
    release_probability: float = 1.0

    def __post_init__(self) -> None:
        for name, cv in self.cv.items():
            if not 0 <= cv < math.inf:
                raise ValueError(f"the coefficient of variation of {name!r} is {cv}; it is a finite number from 0 on")
        for name in ("dead_share", "lost_share", "release_probability"):
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise ValueError(f"{name} is {share}; it is a number from 0 to 1")

    @property
    def varied(self) -> Mapping[str, float]:
        """The coefficients of variation that are not 0."""
        return {name: cv for name, cv in self.cv.items() if cv}

    @property
    def spares_synapses(self) -> bool:
        """Whether all synapses are there and never fail."""
        return self.lost_share == 0 and self.release_probability == 1

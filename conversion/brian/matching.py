"""What layers have instead of the neuron's own: a background, and what a weight of 1 adds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from conversion.plan import Population
from conversion.settings import Simulation


def matching_of(
    simulation: Simulation, members: Mapping[str, Sequence[Population]]
) -> tuple[dict[str, float], dict[str, float]]:
    """The background and the gain of each layer whose neurons spike, where they are not 0 and 1.

    Raises
    ------
    ValueError
        If another layer is named, or a number is none.
    """
    known = [p.name for p in (*members["neurons"], *members["outputs"])]
    for name, background in simulation.backgrounds.items():
        if name not in known:
            raise ValueError(f"backgrounds name {name!r}; layers with neurons are {', '.join(known)}")
        if not math.isfinite(background):
            raise ValueError(f"the background of {name!r} is {background}; it must be a finite number")
    for name, gain in simulation.gains.items():
        if name not in known:
            raise ValueError(f"gains name {name!r}; layers with neurons are {', '.join(known)}")
        if not 0 < gain < math.inf:
            raise ValueError(f"the gain of {name!r} is {gain}; it must be a finite number above 0")
    spiking = [p.name for p in members["neurons"]]
    backgrounds = {name: simulation.backgrounds.get(name, simulation.neuron.background) for name in spiking}
    gains = {name: simulation.gains.get(name, 1.0) for name in spiking}
    return {n: b for n, b in backgrounds.items() if b}, {n: g for n, g in gains.items() if g != 1}

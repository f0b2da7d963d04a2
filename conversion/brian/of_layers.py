"""What layers have instead of the neuron's own: a background, what a weight of 1 adds, thresholds, diversity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from conversion.brian.projections import Place
from conversion.plan import ConversionError, Plan, Population
from conversion.settings import Simulation
from conversion.variability import factors


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


def initial_factors(
    plan: Plan, simulation: Simulation, neurons: Sequence[Population], places: Mapping[str, Place], batch_size: int
) -> dict[str, NDArray]:
    """What multiplies the initial values of the neurons' variables: thresholds of layers, and what varies."""
    found = factors(simulation.variability, simulation.network_seed, neurons, batch_size, plan.output)
    thresholds = _v_th_factors(simulation.thresholds, plan, places)
    return found if thresholds is None else {**found, "v_th": thresholds * found.get("v_th", np.float32(1))}


def _v_th_factors(
    thresholds: Mapping[str, float], plan: Plan, places: Mapping[str, Place]
) -> NDArray[np.float32] | None:
    """A factor for each neuron, if `thresholds` names layers whose neurons spike."""
    known = [population.name for population in plan.populations if population.role == "neuron"]
    values: NDArray[np.float32] | None = None
    for name, factor in thresholds.items():
        if name not in known:
            raise ValueError(f"thresholds name {name!r}; layers with a threshold are {', '.join(known)}")
        if not 0 < factor < np.inf:
            raise ValueError(f"the threshold of {name!r} is {factor}; it must be a finite number above 0")
        place = places[name]
        if place.group.name == "outputs":
            continue
        if "v_th" not in place.group.variables:
            raise ConversionError(f"{name!r} has a threshold, but its neuron's equations declare no `v_th`")
        values = np.ones(len(place.group), np.float32) if values is None else values
        values[place.start : place.stop] = factor
    return values

"""Neurons that differ: a parameter becomes a variable of the equations, with a value for each neuron."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from brian2 import Equations, Quantity, get_dimensions
from brian2.units.fundamentalunits import get_unit
from numpy.typing import NDArray

from conversion.draws import generator
from conversion.plan import ConversionError, Population
from conversion.variability.settings import Variability
from models.neurons import Neuron

REFRACTORY, PERIOD, ALIVE = "refractory", "refractory_period", "alive"


def vary(neuron: Neuron, variability: Variability) -> Neuron:
    """The neuron with a variable for each parameter that varies, and for whether it is alive where some are not.

    All neurons begin with the values of the model; the engine multiplies them by `factors`.

    Raises
    ------
    ConversionError
        If it has no parameter of such a name.
    """
    known = _variable_names(neuron)
    for name in variability.cv:
        if name not in known:
            raise ConversionError(f"cv names {name!r}; what can vary in this neuron is {', '.join(known) or 'nothing'}")
    for name in variability.varied:
        if name == REFRACTORY:
            neuron = _declare(neuron, PERIOD, neuron.refractory)
        elif name in neuron.parameters:
            neuron = _declare(neuron, name, neuron.parameters[name])
    return _mortal(neuron) if variability.dead_share else neuron


def factors(
    variability: Variability, network_seed: int, populations: Iterable[Population], n_images: int, output: Population
) -> dict[str, NDArray]:
    """What each neuron multiplies the initial value of a variable by, for several images: the same for all of them.

    Parameters
    ----------
    output : Population
        Whose neurons do not die, if it is one of the populations.

    Returns
    -------
    dict of str to array, shape (n_images * size of all populations,)
        Of floats, and of bool for `alive`; population by population, each image by image, in the engine's order.
    """
    drawn = [_drawn(variability, network_seed, population, population is output) for population in populations]
    names = drawn[0] if drawn else ()
    return {name: np.concatenate([np.tile(of_one[name], n_images) for of_one in drawn]) for name in names}


def _drawn(variability: Variability, network_seed: int, population: Population, is_output: bool) -> dict[str, NDArray]:
    found: dict[str, NDArray] = {}
    for name, cv in variability.varied.items():
        normal = generator(network_seed, population.name, name).standard_normal(population.size)
        variance = math.log1p(cv**2)
        factor = np.exp(math.sqrt(variance) * normal - variance / 2)
        found[PERIOD if name == REFRACTORY else name] = factor.astype(np.float32)
    if variability.dead_share:
        fate = generator(network_seed, population.name, ALIVE).random(population.size)
        found[ALIVE] = (fate >= variability.dead_share) | is_output
    return found


def _variable_names(neuron: Neuron) -> list[str]:
    """The parameters, the constants with an initial value, and the refractory period if there is one."""
    declared = Equations(neuron.equations)
    parameters = [name for name, value in neuron.parameters.items() if not callable(value)]
    constants = [name for name in neuron.initial if name in declared and "constant" in declared[name].flags]
    return [*parameters, *constants, *([REFRACTORY] if float(neuron.refractory) else [])]


def _declare(neuron: Neuron, name: str, value: Quantity | float) -> Neuron:
    """The neuron with a constant of its own that begins with this value, before all else that has an initial value."""
    unit = get_unit(get_dimensions(value))
    return replace(
        neuron,
        equations=f"{neuron.equations.rstrip()}\n{name} : {unit!r} (constant)\n",
        initial={name: f"mean_{name}", **neuron.initial},
        parameters={k: v for k, v in neuron.parameters.items() if k != name} | {f"mean_{name}": value},
    )


def _mortal(neuron: Neuron) -> Neuron:
    """The neuron that sends no spikes unless it is alive."""

    def if_alive(threshold: str) -> str:
        return threshold and f"({threshold}) and {ALIVE}"

    return replace(
        neuron,
        equations=f"{neuron.equations.rstrip()}\n{ALIVE} : boolean (constant)\n",
        threshold=if_alive(neuron.threshold),
        negative_threshold=if_alive(neuron.negative_threshold),
        initial={**neuron.initial, ALIVE: "True"},
    )

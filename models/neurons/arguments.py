"""What the functions that make neurons ask of their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from brian2 import Quantity, get_dimensions, ms
from brian2.units.fundamentalunits import get_unit_for_display

UNLESS_REFRACTORY = " (unless refractory)"


def require_units(make: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raise ValueError unless every argument of a function is one number in the unit of its default."""
    for name, parameter in inspect.signature(make).parameters.items():
        value, dimensions = arguments[name], get_dimensions(parameter.default)
        if np.ndim(value) or get_dimensions(value) is not dimensions:
            raise ValueError(f"{name} is {value}; it should be one number in {get_unit_for_display(dimensions)}")


def require_positive(**values: Quantity) -> None:
    """Raise ValueError unless all are above 0."""
    for name, value in values.items():
        if not float(value) > 0:
            raise ValueError(f"{name} is {value}; it should be above 0")


def require_rising(**values: Quantity) -> None:
    """Raise ValueError unless each value lies above the one before."""
    names = list(values)
    for low, high in pairwise(names):
        if not values[low] < values[high]:
            raise ValueError(f"{low} is {values[low]} and {high} is {values[high]}; {low} should be below {high}")


def held(equations: str, refractory: Quantity) -> str:
    """Equations flagged `(unless refractory)`, without that flag where there is no refractory period."""
    return equations if refractory > 0 * ms else equations.replace(UNLESS_REFRACTORY, "")

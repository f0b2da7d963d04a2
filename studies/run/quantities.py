"""Texts such as "5 ms" as Brian2 quantities."""

from __future__ import annotations

import ast
from typing import Any

from brian2 import Quantity, have_same_dimensions
from brian2.core.namespace import DEFAULT_UNITS
from brian2.units.fundamentalunits import DIMENSIONLESS

from studies.declare import StudyError, amount


def as_quantity(key: str, value: Any) -> Any:
    """The value of a key with Brian2's unit, where it is a number and a unit; anything else as it is.

    Raises
    ------
    StudyError
        If the unit is none that Brian2 knows.
    """
    found = amount(value) if isinstance(value, str) else None
    if found is None:
        return value
    number, unit = found
    try:
        return Quantity(number * _evaluated(ast.parse(unit, mode="eval").body))
    except (SyntaxError, KeyError, ValueError):
        raise StudyError(
            f"{key} is {value!r}; {unit!r} is no unit that Brian2 knows, such as ms, mV, nS, Hz or mV/ms"
        ) from None


def quantity(key: str, value: str, unit: Quantity) -> Quantity:
    """The value of a key that must have the dimension of a unit.

    Raises
    ------
    StudyError
    """
    found = as_quantity(key, value)
    if not have_same_dimensions(found, unit):
        dimension = "a number without a unit" if unit.dim is DIMENSIONLESS else f"a unit such as {unit!r}"
        raise StudyError(f"{key} is {value!r}; it must have {dimension}")
    return found


def _evaluated(node: ast.expr) -> Any:
    """Products, quotients and powers of units, such as mV / ms**0.5."""
    match node:
        case ast.Constant(value=1):
            return 1.0
        case ast.Name(id=name):
            return DEFAULT_UNITS[name]
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _evaluated(left) * _evaluated(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _evaluated(left) / _evaluated(right)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() | float() as power)):
            return _evaluated(left) ** power
    raise ValueError(ast.unparse(node))

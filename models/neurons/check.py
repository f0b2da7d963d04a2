"""What can be said of a neuron from its text alone, before there is a network: names, units, and what is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from brian2 import Equations, get_dimensions, have_same_dimensions, second
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, Function
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Constant, Variable
from brian2.equations.equations import BOOLEAN, DIFFERENTIAL_EQUATION
from brian2.equations.unitcheck import check_units_statements
from brian2.parsing.expressions import is_boolean_expression, parse_expression_dimensions
from brian2.parsing.statements import parse_statement
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.units.fundamentalunits import Dimension, get_unit_for_display
from brian2.utils.stringtools import get_identifiers

from models.reasons import UNKNOWN, reason_of

if TYPE_CHECKING:
    from models.neurons.neuron import Neuron

WRITTEN = {"drive", "alpha", "value"}  # by the engine
DIMENSIONLESS = get_dimensions(1)
OF_GROUPS = {
    **dict.fromkeys(("t", "dt", "lastspike"), second.dim), **dict.fromkeys(("t_in_timesteps", "i", "N"), DIMENSIONLESS)
}  # fmt: skip
GIVEN = {**DEFAULT_UNITS, **DEFAULT_CONSTANTS, **DEFAULT_FUNCTIONS}
TEXTS = ("threshold", "reset", "negative_threshold", "negative_reset", "update", "every_step")
Scope = Mapping[str, Variable | Function]


def check(neuron: Neuron) -> None:
    """Raise unless the parts of a neuron fit each other.

    Raises
    ------
    ValueError
        In one line: if Brian2 cannot read a part; if a name is unknown or a unit does not fit; if a variable has no
        initial value, and would begin with what the image before has left; or if `drive` or a parameter is never used.
    """
    with _refused("equations"):
        equations = _read(neuron.equations)
    _check_values(neuron)
    _check_variables(neuron, equations)
    _check_units(neuron, equations.dimensions)
    scope = _scope(neuron, equations)
    with _refused("equations"):
        _check_equations(equations, scope)
    for field in TEXTS:
        code = getattr(neuron, field)
        with _refused(f"{field} {code!r}"):
            (_check_condition if field.endswith("threshold") else _check_statements)(code, scope)
    for name, code in neuron.initial.items():
        with _refused(f"initial {name!r}, {code!r}"):
            _check_expression(code, equations.dimensions[name], scope)
    _check_use(neuron, equations)


@cache
def _read(equations: str) -> Equations:
    return Equations(equations)


@contextmanager
def _refused(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise ValueError(f"Brian2 cannot read the neuron's {what}: {reason_of(error)}") from error


def _check_values(neuron: Neuron) -> None:
    if not (have_same_dimensions(neuron.refractory, second) and 0 <= float(neuron.refractory) < math.inf):
        raise ValueError(f"the neuron's refractory is {neuron.refractory}; a refractory period is a time of 0 or more")
    if neuron.method not in (known := StateUpdateMethod.stateupdaters):
        raise ValueError(f"the neuron's method is {neuron.method!r}; Brian2 knows {', '.join(map(repr, known))}")
    for name, code in neuron.initial.items():
        if not isinstance(code, str):
            raise ValueError(f"the neuron's initial {name!r} is {code!r}; write it as text, such as '-65 * mV'")
    for name, value in neuron.parameters.items():
        if not callable(value) and np.ndim(value):
            raise ValueError(f"the neuron's parameter {name!r} has shape {np.shape(value)}; a parameter is one number")


def _check_variables(neuron: Neuron, equations: Equations) -> None:
    variables = equations.diff_eq_names | equations.parameter_names
    if "value" not in variables:  # what has a value is an input neuron, and receives no spikes
        for name in (neuron.input_variable, neuron.inhibitory_variable, neuron.potential):
            if name and name not in variables:
                raise ValueError(f"the neuron reads or raises {name!r}, which its equations do not declare")
    for name in neuron.initial:
        if name not in variables:
            raise ValueError(f"the neuron has an initial {name!r}, which its equations do not declare")
    for name in sorted(variables - neuron.initial.keys() - WRITTEN):
        raise ValueError(f"the neuron's {name!r} has no initial value; give it one in `initial`")
    for name in sorted(equations.names & neuron.parameters.keys()):
        raise ValueError(f"the neuron's {name!r} is declared in its equations and given in `parameters`; keep one")


def _check_units(neuron: Neuron, dimensions: Mapping[str, Dimension]) -> None:
    raised = () if "value" in dimensions else filter(None, (neuron.input_variable, neuron.inhibitory_variable))
    for name in raised:
        if get_dimensions(neuron.input_unit) is not dimensions[name]:
            unit = get_unit_for_display(dimensions[name])
            raise ValueError(f"a spike adds {neuron.input_unit} to {name!r}, whose unit is {unit}")
    if "drive" in dimensions and get_dimensions(neuron.current_unit) is not dimensions["drive"] * second.dim:
        unit = get_unit_for_display(dimensions["drive"])
        raise ValueError(
            f"in a second a current adds {neuron.current_unit} to what 'drive' drives, but the unit of 'drive' is "
            f"{unit}; give a `drive_unit` in {unit} times s"
        )


def _scope(neuron: Neuron, equations: Equations) -> Scope:
    """What the names stand for that are the neuron's own, or Brian2's in every group."""
    noise = dict.fromkeys(equations.stochastic_variables, second.dim**-0.5)
    scope: dict[str, Variable | Function] = {name: Variable(name, dim) for name, dim in {**OF_GROUPS, **noise}.items()}
    for name, equation in equations.items():
        scope[name] = Variable(name, equation.dim, dtype=bool if equation.var_type == BOOLEAN else float)
    scope["not_refractory"] = Variable("not_refractory", dtype=bool)
    return scope | {name: _given(name, value) for name, value in neuron.parameters.items()}


def _given(name: str, value: Any) -> Variable | Function:
    """A constant or a function, as Brian2 takes it from a namespace."""
    if isinstance(value, Variable | Function):
        return value
    if callable(value):
        return Function(value)
    return Constant(name, float(value), get_dimensions(value))


def _named(code: str, scope: Scope, new: Collection[str] = ()) -> dict[str, Variable | Function]:
    """What is named in code; `new` are names that the code itself makes."""
    names = get_identifiers(code) - {"True", "False"}
    for name in sorted(names - scope.keys() - GIVEN.keys() - set(new)):
        raise KeyError(f'The identifier "{name}" {UNKNOWN}')
    return {name: scope[name] if name in scope else _given(name, GIVEN[name]) for name in names - set(new)}


def _check_equations(equations: Equations, scope: Scope) -> None:
    for equation in equations.values():
        if equation.expr is not None:
            per = second.dim if equation.type == DIFFERENTIAL_EQUATION else DIMENSIONLESS
            _check_expression(equation.expr.code, equation.dim / per, scope)


def _check_expression(code: str, expected: Dimension, scope: Scope) -> None:
    found = parse_expression_dimensions(code, _named(code, scope))
    if found is not expected:
        units = map(get_unit_for_display, (found, expected))
        raise ValueError("the unit of {!r} is {}, but should be {}".format(code, *units))


def _check_condition(code: str, scope: Scope) -> None:
    if not code:
        return
    named = _named(code, scope)
    if not is_boolean_expression(code, named):
        raise TypeError(f"Threshold condition '{code}' is not a boolean expression")
    parse_expression_dimensions(code, named)


def _check_statements(code: str, scope: Scope) -> None:
    code = re.sub("#.*", "", code)
    lines = [line for line in re.split("[;\n]", code) if line.strip()]
    new = {name for name, sign, _, _ in map(parse_statement, lines) if sign == "="} - scope.keys()
    check_units_statements(code, _named(code, scope, new))


def _check_use(neuron: Neuron, equations: Equations) -> None:
    used = names_in(neuron)
    if "drive" in equations.names - used:
        raise ValueError("the neuron's equations declare `drive`, the current of a bias, and never use it")
    for name in sorted(neuron.parameters.keys() - used):
        raise ValueError(f"the neuron's parameter {name!r} is named nowhere; remove it from `parameters`")


def names_in(neuron: Neuron, without: Collection[str] = ()) -> set[str]:
    """What a neuron uses in its equations, statements and initial values, but for some of its fields."""
    expressions = [equation.expr.code for equation in _read(neuron.equations).values() if equation.expr is not None]
    statements = (getattr(neuron, field) for field in TEXTS if field not in without)
    return set().union(*map(get_identifiers, (*expressions, *statements, *neuron.initial.values())))

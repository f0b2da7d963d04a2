"""One piece of a group's code (state update, threshold, reset, statements of every step) as lines of Python.

What Brian2 made of it, with all names resolved and all units checked, is asked of its own code object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from brian2 import prefs
from brian2.codegen.codeobject import CodeObject
from brian2.codegen.generators.base import CodeGenerator
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.codegen.statements import Statement
from brian2.core.functions import Function
from brian2.core.variables import ArrayVariable, Constant, Variable
from brian2.groups.group import CodeRunner

from conversion.compiled.rendering import Kind, NotCompilable, ScalarRenderer, cast, met, widest

TEMPLATES = ("stateupdate", "threshold", "reset")


@dataclass(frozen=True, eq=False)
class Block:
    """The code of one runner; local names are those of the variables.

    Parameters
    ----------
    template : {"stateupdate", "threshold", "reset"}
    event : str
        Of a threshold or a reset.
    refractory : bool
        Whether the event begins a refractory period.
    once, each : tuple of str
        What is computed once a step, and for every neuron (or every one that spikes).
    reads, writes : frozenset of str
        Variables with a value per neuron.
    shared_reads, shared_writes : frozenset of str
        Variables with one value.
    variables : mapping of str to Variable
    random : int
        How many random numbers a neuron draws.
    """

    template: str
    event: str
    refractory: bool
    once: tuple[str, ...]
    each: tuple[str, ...]
    reads: frozenset[str]
    writes: frozenset[str]
    shared_reads: frozenset[str]
    shared_writes: frozenset[str]
    variables: Mapping[str, Variable]
    random: int

    @property
    def arrays(self) -> frozenset[str]:
        """All variables that it needs."""
        refractory = ("not_refractory", "lastspike") if self.refractory else ()
        return self.reads.union(self.writes, self.shared_reads, self.shared_writes, refractory)

    @property
    def names_once(self) -> set[str]:
        """What is assigned once a step."""
        return {line.split(" = ")[0] for line in self.once}


def make_block(runner: CodeRunner, name: str, place: int) -> Block:
    """The block of a runner that has been prepared for a run; its random numbers are numbered from `place`.

    Raises
    ------
    NotCompilable
        If it reads other groups, calls a function of the user, or has a template of another kind.
    """
    code = runner.codeobj
    if code.template_name not in TEMPLATES:
        raise NotCompilable(f"{runner.name} runs Brian2's template {code.template_name!r}")
    writer = _Writer(runner, code, place)
    refractory = bool((runner.template_kwds or {}).get("_uses_refractory"))
    once, each, _ = writer.translate({name: runner.abstract_code}, dtype=prefs.core.default_float_dtype)
    return Block(
        code.template_name,
        getattr(runner, "event", ""),
        refractory,
        tuple(once[name]),
        tuple(each[name]),
        frozenset(writer.reads["_idx"]),
        frozenset(writer.writes["_idx"]),
        frozenset(writer.reads["0"] | ({"t"} if refractory else set())),
        frozenset(writer.writes["0"]),
        code.variables,
        writer.place - place,
    )


class _Writer(CodeGenerator):
    """Brian2's code generator, for one neuron at a time."""

    def __init__(self, runner: CodeRunner, code: CodeObject, place: int) -> None:
        super().__init__(
            code.variables, code.variable_indices, code.owner, ("_idx",), NumpyCodeObject, code.name,
            code.template_name, override_conditional_write=runner.override_conditional_write, allows_scalar_write=True,
        )  # fmt: skip
        self.place = place
        self.reads: dict[str, set[str]] = {"_idx": set(), "0": set()}
        self.writes: dict[str, set[str]] = {"_idx": set(), "0": set()}
        self.functions = {name: f for name, f in code.variables.items() if isinstance(f, Function)}
        self.kinds = {name: _kind(v) for name, v in code.variables.items() if isinstance(v, ArrayVariable | Constant)}

    def translate_one_statement_sequence(self, statements: Sequence[Statement], scalar: bool = False) -> list[str]:
        read, write, indices, conditions = self.arrays_helper(statements)
        if indices:
            raise NotCompilable(f"{self.name} reads through {', '.join(sorted(indices))}")
        for names, found in ((read, self.reads), (write, self.writes)):
            for name in names:
                found[self._index(name)].add(name)
        if scalar and self.writes["_idx"] & write:
            raise NotCompilable(f"{self.name} writes one value to all neurons")
        return [self._line(statement, conditions.get(statement.var, "")) for statement in statements]

    def _index(self, name: str) -> str:
        variable, index = self.variables[name], self.variable_indices[name]
        if variable.scalar:
            return "0"
        if index != "_idx" or variable.size != len(self.owner):
            raise NotCompilable(f"{name} is not a variable of {self.owner.name}")
        return index

    def _line(self, statement: Statement, condition: str) -> str:
        code, kind = self._expression(statement)
        name, before = statement.var, self.kinds.get(statement.var, kind)
        if statement.inplace:
            result = widest(before, kind)
            code = f"{met(name, before, result)} {statement.op[:-1]} ({met(code, kind, result)})"
        if statement.inplace or condition:
            code, kind = cast(code, before), before
        self.kinds[name] = kind
        return f"{name} = ({code}) if {condition} else {name}" if condition else f"{name} = {code}"

    def _expression(self, statement: Statement) -> tuple[str, Kind]:
        """One that a single boolean decides is written as its two cases, where those are simpler, as by Brian2."""
        decides = statement.used_boolean_variables or []
        if len(decides) != 1 or statement.complexity_std <= sum(statement.complexities.values()):
            return self._render(statement.expr)
        cases = {case[0][1]: self._render(e) for case, e in statement.boolean_simplified_expressions.items()}
        (yes, yes_kind), (no, no_kind) = cases[True], cases[False]
        kind = widest(yes_kind, no_kind)
        return f"{met(yes, yes_kind, kind)} if {decides[0]} else {met(no, no_kind, kind)}", kind

    def _render(self, expression: str) -> tuple[str, Kind]:
        renderer = ScalarRenderer(self.functions, self.kinds, self.place)
        code, kind = renderer.render(expression)
        self.place = renderer.place
        return code, kind


def _kind(variable: ArrayVariable | Constant) -> Kind:
    dtype = np.dtype(variable.dtype)
    if dtype.kind == "b":
        return "boolean"
    if isinstance(variable, Constant):
        return "weak integer" if isinstance(variable.value, int) else "weak"
    if dtype.kind in "iu":
        return "integer"
    return "float32" if dtype == np.float32 else "float64"

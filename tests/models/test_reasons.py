"""What a chain of Brian2's errors says."""

from __future__ import annotations

import brian2
from brian2 import NeuronGroup

from models.reasons import REMEDY, reason_of


def test_a_reason_is_each_different_error_of_a_chain_once() -> None:
    group = NeuronGroup(1, "v : 1", name="mine")
    brian2.Network(group)
    outer, middle, inner = brian2.BrianObjectException("bad.", group), ValueError("a code: 'x'."), SyntaxError("x\n y.")
    outer.__cause__, middle.__cause__, inner.__cause__ = middle, inner, ValueError("x y")
    assert reason_of(outer) == "'mine': a code: 'x': x y"
    assert reason_of(KeyError("a name")) == "a name"


def test_of_a_name_that_is_unknown_the_remedy_is_told() -> None:
    assert reason_of(KeyError('"tau" could not be resolved.')) == f'"tau" could not be resolved; {REMEDY}'

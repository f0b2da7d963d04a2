"""Neurons that Brian2 refuses: its own reason in one line, and not a word of the objects that are left."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import brian2
import numpy as np
import pytest
from brian2 import Hz, NeuronGroup, ms, mV

from conversion.refusals import reason_of
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import Poisson
from models.graph import Dense, sequential
from models.neurons import integrate_and_fire

UNUSED = logging.getLogger("brian2.core.base.unused_brian_object")


def equations(right: str = "drive", unit: str = "1") -> str:
    return f"dv/dt = {right} : {unit}\ndrive : Hz (constant)\nv_th : 1 (constant)"


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """What Brian2 says of objects that no network ever had."""
    texts: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: texts.append(record.getMessage())  # type: ignore[method-assign]
    UNUSED.addHandler(handler)
    yield texts
    UNUSED.removeHandler(handler)


def show(changes: dict[str, Any], **settings: Any) -> str:
    """What a network of a changed neuron is refused with; its objects are gone afterwards."""
    one_to_one = np.eye(2, dtype=np.float32)
    graph = sequential((2,), Dense(name="fc1", inputs=(), weight=one_to_one))
    neuron = replace(integrate_and_fire(), **changes)
    with pytest.raises(ValueError) as error:  # noqa: PT011  its whole text is compared
        simulate(graph, np.ones((1, 2), np.float32), Simulation(neuron=neuron, encoder=Poisson(10 * Hz), **settings))
    text = str(error.value)
    del error
    gc.collect()
    return text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"equations": equations("drive - foo/ms")}, ['"foo" could not be resolved', "give it in `parameters`"]),
        ({"equations": equations("drive - v/tau")}, ['"tau" could not be resolved', "give it in `parameters`"]),
        ({"equations": equations("drive*mV")}, ["'drive*mV' does not have the expected unit hertz"]),
        ({"equations": equations("drive", "parsec")}, ["Unit specification refers to 'parsec'"]),
        ({"equations": equations("(drive")}, ["'(' was never closed"]),
        ({"threshold": "v > v_thresh"}, ['"v_thresh" could not be resolved']),
        ({"threshold": "v > 1*mV"}, ["'v' has unit (1), while expression '1 * mV' has units"]),
        ({"threshold": "v"}, ["Threshold condition 'v' is not a boolean expression"]),
        ({"reset": "v -= v_t"}, ['"v_t" could not be resolved']),
        ({"reset": "v -= ("}, ["'(' was never closed"]),
        ({"every_step": "v = foo"}, ['"foo" could not be resolved']),
        ({"equations": equations("drive - v**2/ms"), "method": "exact"}, ["could not be separated into linear"]),
        ({"initial": {"q": "1"}}, ["cannot set 'q' to its initial '1'", 'find a state variable with name "q"']),
        ({"initial": {"v": "foo"}}, ["cannot set 'v' to its initial 'foo'", '"foo" could not be resolved']),
        ({"initial": {"v": "3*mV"}}, ["does not have the expected unit 1 (unit is V)"]),
        ({"refractory": 3 * mV}, ["units do not match (units are V and s)"]),
        ({"input_variable": "w"}, ["the neuron reads or raises 'w', which its equations do not declare"]),
        ({"input_unit": 1 * mV}, ["a spike adds 1. mV to 'v', whose unit is 1"]),
    ],
)
def test_a_neuron_that_brian2_refuses_is_told_its_reason(
    changes: dict[str, Any], words: list[str], warned: list[str]
) -> None:
    text = show(changes, duration=3 * ms)
    assert [word for word in words if word not in text] == [], text
    assert "Error encountered" not in text
    assert "most recent call" not in text
    assert "\n" not in text
    assert warned == []


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_nothing_is_said_of_what_a_refusal_of_ours_leaves(warned: list[str], connectivity: str) -> None:
    text = show({}, duration=3 * ms, thresholds={"nope": 2.0}, connectivity=connectivity)
    assert text == "thresholds name 'nope'; layers with a threshold are fc1"
    assert warned == []


def test_brian2_still_warns_of_the_objects_of_others(warned: list[str]) -> None:
    group = NeuronGroup(1, "v : 1", name="forgotten")
    del group
    gc.collect()
    assert [text.split(" is getting")[0] for text in warned] == ["The object 'forgotten'"]


def test_a_reason_is_each_different_error_of_a_chain_once() -> None:
    group = NeuronGroup(1, "v : 1", name="mine")
    brian2.Network(group)
    outer, middle, inner = brian2.BrianObjectException("bad.", group), ValueError("a code: 'x'."), SyntaxError("x\n y.")
    outer.__cause__, middle.__cause__, inner.__cause__ = middle, inner, ValueError("x y")
    assert reason_of(outer) == "'mine': a code: 'x': x y"
    assert reason_of(KeyError("a name")) == "a name"

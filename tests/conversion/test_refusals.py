"""Neurons that Brian2 refuses: its own reason in one line, and not a word of the objects that are left."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from brian2 import Hz, NeuronGroup, ms

from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import Poisson
from models.graph import Dense, sequential
from models.neurons import integrate_and_fire

UNUSED = logging.getLogger("brian2.core.base.unused_brian_object")


def equations(right: str) -> str:
    return f"dv/dt = {right} : 1\ndrive : Hz (constant)\nv_th : 1 (constant)"


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


def test_a_neuron_that_brian2_refuses_is_told_its_reason(warned: list[str]) -> None:
    """What its text alone does not tell: whether a method goes with the equations."""
    text = show({"equations": equations("drive - v**2/ms"), "method": "exact"}, duration=3 * ms)
    assert "could not be separated into linear" in text
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

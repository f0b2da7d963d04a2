"""Loops of our own unless the user chose a target of Brian2, which changes no spike; no garbage in between."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from brian2 import Hz, ms, prefs

from conversion.brian import code_generation as codegen
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent
from models.graph import Dense, sequential
from models.neurons import integrate_and_fire, leaky_integrate_and_fire


@pytest.fixture
def target():
    """Chooses Brian2's target, until the test is over."""
    chosen = prefs.codegen.target
    yield lambda name: setattr(prefs.codegen, "target", name)
    prefs.codegen.target = chosen


@pytest.mark.parametrize(("chosen", "own", "meanwhile"), [("auto", True, "numpy"), ("cython", False, "cython")])
def test_a_target_that_the_user_chose_stays(target, chosen: str, own: bool, meanwhile: str) -> None:
    target(chosen)
    assert codegen.is_own() == own
    with codegen.numpy_for_the_rest():
        assert prefs.codegen.target == meanwhile
    assert prefs.codegen.target == chosen


def test_the_choice_is_undone_after_an_error(target) -> None:
    target("auto")
    with pytest.raises(KeyError), codegen.numpy_for_the_rest():
        raise KeyError
    assert prefs.codegen.target == "auto"


@pytest.mark.parametrize("neuron", [integrate_and_fire(), leaky_integrate_and_fire(20 * ms)], ids=["if", "lif"])
@pytest.mark.parametrize("other", ["numpy", pytest.param("cython", marks=pytest.mark.slow)])
def test_brian2_s_own_targets_give_the_same_spikes(target, neuron, other: str) -> None:
    if other == "cython" and not codegen.can_compile():
        pytest.skip("there is no compiler for Cython")
    target("auto")
    compiled = spikes(neuron, 20, 200)
    target(other)
    theirs = spikes(neuron, 20, 200)
    assert compiled.sum() > 1000
    np.testing.assert_array_equal(compiled, theirs)


def spikes(neuron, images: int, steps: int) -> np.ndarray:
    """Counts of the output of a small network with random weights."""
    rng = np.random.default_rng(0)
    graph = sequential(
        (5,),
        Dense(name="hidden", inputs=(), weight=rng.normal(0, 0.7, (6, 5)).astype(np.float32), bias=None),
        Dense(name="output", inputs=(), weight=rng.normal(0, 0.7, (4, 6)).astype(np.float32), bias=None),
    )
    values = rng.random((images, 5)).astype(np.float32)
    current = ConstantCurrent(1000 * Hz)
    return simulate(
        graph, values, Simulation(neuron=neuron, encoder=current, duration=steps * ms, seed=0)
    ).output_counts[-1]


def test_what_is_there_before_a_run_is_not_looked_through_for_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects are in no generation meanwhile, and all of them are back in one afterwards."""
    monkeypatch.setattr(codegen, "_frozen", [])  # what is frozen for every test
    gc.unfreeze()
    gc.collect()
    before = len(gc.get_objects())
    with codegen.heap_frozen():
        with codegen.heap_frozen():
            pass
        assert len(gc.get_objects()) < before / 10 + 1000
    assert gc.get_freeze_count() == 0
    assert len(gc.get_objects()) >= before

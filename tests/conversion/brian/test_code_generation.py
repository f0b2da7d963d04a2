"""The target is chosen by the work, is the user's if there is one, and changes no spike."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from brian2 import Hz, ms, prefs

from conversion.brian import code_generation as codegen
from conversion.brian.code_generation import WORTH_COMPILING, choose_target
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent
from models.graph import Dense, sequential
from models.neurons import integrate_and_fire, leaky_integrate_and_fire


@pytest.fixture(autouse=True)
def _no_choice():
    chosen = prefs.codegen.target
    prefs.codegen.target = "auto"
    yield
    prefs.codegen.target = chosen


@pytest.mark.parametrize(
    ("updates", "compiler", "expected"),
    [
        (WORTH_COMPILING, True, "cython"),
        (WORTH_COMPILING - 1, True, "numpy"),
        (WORTH_COMPILING, False, "numpy"),
    ],
)
def test_only_long_simulations_are_compiled_and_only_with_a_compiler(
    monkeypatch: pytest.MonkeyPatch, updates: int, compiler: bool, expected: str
) -> None:
    monkeypatch.setattr(codegen, "can_compile", lambda: compiler)
    with choose_target(updates):
        assert prefs.codegen.target == expected
    assert prefs.codegen.target == "auto"


def test_the_user_s_choice_stays() -> None:
    prefs.codegen.target = "numpy"
    with choose_target(WORTH_COMPILING):
        assert prefs.codegen.target == "numpy"


def test_the_choice_is_undone_after_an_error() -> None:
    with pytest.raises(KeyError), choose_target(1):
        raise KeyError
    assert prefs.codegen.target == "auto"


@pytest.mark.parametrize(("images", "steps"), [(3, 20), (1, 61)])
def test_a_simulation_counts_neurons_images_and_steps(monkeypatch: pytest.MonkeyPatch, images: int, steps: int) -> None:
    counted = []

    def counting(updates: int):
        counted.append(updates)
        return choose_target(1)

    monkeypatch.setattr("conversion.simulate.choose_target", counting)
    spikes(integrate_and_fire(), images, steps)
    assert counted == [(5 + 6 + 4) * images * steps]


@pytest.mark.slow
@pytest.mark.parametrize("neuron", [integrate_and_fire(), leaky_integrate_and_fire(20 * ms)], ids=["if", "lif"])
def test_both_targets_give_the_same_spikes(neuron) -> None:
    if not codegen.can_compile():
        pytest.skip("there is no compiler for Cython")
    prefs.codegen.target = "cython"
    compiled = spikes(neuron, 20, 200)
    prefs.codegen.target = "numpy"
    interpreted = spikes(neuron, 20, 200)
    assert compiled.sum() > 1000
    np.testing.assert_array_equal(compiled, interpreted)


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


def test_what_is_there_before_a_run_is_not_looked_through_for_garbage() -> None:
    """Objects are in no generation meanwhile, and all of them are back in one afterwards."""
    gc.collect()
    before = len(gc.get_objects())
    with codegen.heap_frozen():
        assert len(gc.get_objects()) < before / 10 + 1000
    assert gc.get_freeze_count() == 0
    assert len(gc.get_objects()) >= before

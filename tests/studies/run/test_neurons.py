"""Neurons that a study names, of the project and of files beside the study."""

from __future__ import annotations

from pathlib import Path

import pytest
from brian2 import DimensionMismatchError, have_same_dimensions, ms, mV, volt

from models.neurons import integrate_and_fire, leaky_integrate_and_fire
from studies.declare.conditions import condition
from studies.declare.errors import StudyError
from studies.run.files import Job
from studies.run.keys import key_of
from studies.run.neurons import made_neuron, spreads_of
from studies.run.quantities import as_quantity, quantity
from tests.studies.conftest import tiny_network  # noqa: F401  (its fixture makes the network's file)

BASE = {"model": "tiny.onnx", "dataset": "digits8", "images": 5}
MINE = """
from dataclasses import replace
from brian2 import ms
from models.neurons import leaky_integrate_and_fire

def mine(tau_m=20 * ms, *, kind="plain"):
    if kind == "odd":
        raise RuntimeError("no such kind")
    return 3 if kind == "number" else leaky_integrate_and_fire(tau_m, reset="zero")

def needy(tau_m):
    return leaky_integrate_and_fire(tau_m)
"""


@pytest.fixture
def folder(study_file: Path) -> Path:
    study_file.with_name("mine.py").write_text(MINE)
    return study_file.parent


def job(folder: Path, **values) -> Job:
    named = {name.replace("__", "."): value for name, value in values.items()}
    return Job(condition(BASE | named), folder)


def test_a_named_neuron_has_its_arguments() -> None:
    neuron = made_neuron(job(Path(), neuron="lif", neuron__tau_m="5 ms", reset="zero"))
    assert neuron == leaky_integrate_and_fire(5 * ms, reset="zero")
    assert made_neuron(job(Path(), neuron="lif", tau_m_ms=5, reset="zero")) == neuron
    for infinite in ({"tau_m_ms": float("inf")}, {"neuron__tau_m": "inf ms"}):
        assert made_neuron(job(Path(), neuron="lif", **infinite)) == integrate_and_fire()


def test_a_function_beside_the_study_makes_the_neuron(folder: Path) -> None:
    neuron = made_neuron(job(folder, neuron="mine.py:mine", neuron__tau_m="7 ms"))
    assert neuron == leaky_integrate_and_fire(7 * ms, reset="zero")


def test_its_code_and_its_arguments_are_part_of_the_key(folder: Path) -> None:
    keys = [key_of(job(folder, neuron="mine.py:mine"))]
    keys += [key_of(job(folder, neuron="mine.py:mine", neuron__tau_m=text)) for text in ("7 ms", "8 ms")]
    (folder / "mine.py").write_text(MINE + "\n# changed")
    keys.append(key_of(job(folder, neuron="mine.py:mine")))
    assert len(set(keys)) == 4


def test_spreads_are_of_parameters(folder: Path) -> None:
    spread = job(folder, neuron="mine.py:mine", neuron__tau_m_cv=0.2)
    assert spreads_of(spread) == {"tau_m": 0.2}
    assert made_neuron(spread) == leaky_integrate_and_fire(20 * ms, reset="zero")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"neuron": "hh"}, "unknown neuron 'hh' .*known: .*if, "),
        ({"neuron": "none.py:mine"}, "neuron is 'none.py:mine'; there is no file .*none.py"),
        (
            {"neuron": "mine.py:nine"},
            r"function of mine.py 'nine'; did you mean 'mine'\? \(known: mine, needy\)",
        ),
        ({"neuron": "mine.py:mine", "neuron__tau": "1 ms"}, "unknown argument of neuron 'mine.py:mine' 'tau'; did you"),
        ({"neuron": "mine.py:needy"}, "neuron.tau_m is missing; neuron 'mine.py:needy' needs it"),
        ({"neuron": "mine.py:mine", "neuron__kind": "odd"}, "neuron 'mine.py:mine': RuntimeError: no such kind"),
        ({"neuron": "mine.py:mine", "neuron__kind": "number"}, "returns int; it must return a models.neurons.Neuron"),
        ({"neuron": "mine.py:mine", "neuron__tau_m": "5 mV"}, "neuron 'mine.py:mine': DimensionMismatchError: "),
        ({"neuron": "mine.py:mine", "neuron__tau_m": "5 msec"}, "neuron.tau_m is '5 msec'; 'msec' is no unit"),
        ({"neuron": "broken.py:mine"}, "broken.py: SyntaxError"),
        ({"neuron": "lif", "neuron__tau_m": "5 ms", "neuron__v_th": 2}, "neuron.v_th is 2, and another key says it"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(folder: Path, values, message: str) -> None:
    (folder / "broken.py").write_text("def mine(:")
    with pytest.raises(StudyError, match=message) as error:
        made_neuron(job(folder, **values))
    assert "\n" not in str(error.value)


def test_quantities_have_brians_units() -> None:
    assert as_quantity("k", "-65 mV") == -65 * mV
    assert as_quantity("k", "2 mV/ms") == 2 * mV / ms
    assert have_same_dimensions(as_quantity("k", "0.1 / ms**0.5"), 1 / ms**0.5)
    assert as_quantity("k", "0.1 / ms**0.5") == 0.1 / ms**0.5
    assert as_quantity("k", "zero") == "zero"
    assert quantity("delay", "3 ms", ms) == 3 * ms


@pytest.mark.parametrize("text", ["3 msec", "3 ms+s", "3 ms**ms", "3 ms/0", "3 ms**9**9**9", "3 ms(2)"])
def test_units_are_no_programs(text: str) -> None:
    with pytest.raises(StudyError, match="is no unit that Brian2 knows"):
        as_quantity("delay", text)


def test_a_wrong_dimension_is_named() -> None:
    with pytest.raises(StudyError, match=r"delay is '3 mV'; it must have a unit such as ms"):
        quantity("delay", "3 mV", ms)
    assert not issubclass(StudyError, DimensionMismatchError)
    assert quantity("delay", "3 mV", volt) == 3 * mV

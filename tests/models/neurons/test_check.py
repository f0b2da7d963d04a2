"""A neuron whose parts do not fit each other is refused when it is made, in one line that names the part."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import brian2
import pytest
from brian2 import Hz, ms, mV, nS

from models.neurons import Neuron, integrate_and_fire, leaky_integrate_and_fire, phase_coded, signed_integrate_and_fire


def equations(right: str = "drive", unit: str = "1", drive: str = "Hz") -> str:
    return f"dv/dt = {right} : {unit}\ndrive : {drive} (constant)\nv_th : 1 (constant)"


DECLARED_IN_BOTH = {"equations": equations("drive - v / tau") + "\ntau : second", "parameters": {"tau": 5 * ms}}
LEAK = equations("drive - v/tau")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"equations": equations("drive - foo/ms")}, ["neuron's equations: ", '"foo" could not be resolved']),
        ({"equations": LEAK}, ['"tau" could not be resolved; declare it in the equations or give it in `parameters`']),
        ({"equations": LEAK, "parameters": {"tau": 5 * mV}}, ["inconsistent units", "'drive' has unit Hz"]),
        ({"equations": equations("drive*mV")}, ["the unit of 'drive*mV' is ", ", but should be Hz"]),
        ({"equations": equations("drive + xi")}, ["inconsistent units", "'xi'"]),
        ({"equations": equations("drive", "parsec")}, ["Unit specification refers to 'parsec'"]),
        ({"equations": equations("(drive")}, ["'(' was never closed"]),
        ({"equations": equations("drive * exp")}, ["exp was used like a variable/constant, but it is a function"]),
        ({"equations": "v = drive*ms : 1\ndrive : Hz"}, ["reads or raises 'v', which its equations do not declare"]),
        ({"threshold": "v > v_thresh"}, ["threshold 'v > v_thresh': ", '"v_thresh" could not be resolved']),
        ({"threshold": "v > 1*mV"}, ["'v' has unit (1), while expression '1 * mV' has units"]),
        ({"threshold": "v"}, ["Threshold condition 'v' is not a boolean expression"]),
        ({"negative_threshold": "v < -u"}, ["negative_threshold 'v < -u': ", '"u" could not be resolved']),
        ({"negative_reset": "v += u"}, ["negative_reset 'v += u': ", '"u" could not be resolved']),
        ({"reset": "v -= v_t"}, ["reset 'v -= v_t': ", '"v_t" could not be resolved']),
        ({"reset": "v = 3*mV"}, ['statement "v = 3*mV" does not have the expected unit']),
        ({"reset": "half = v_th / 2 * mV\nv -= half"}, ["'v - half' uses inconsistent units", "'half' has unit V"]),
        ({"reset": "v -= ("}, ["'(' was never closed"]),
        ({"update": "v = foo"}, ["update 'v = foo': ", '"foo" could not be resolved']),
        ({"every_step": "v = foo"}, ["every_step 'v = foo': ", '"foo" could not be resolved']),
        ({"initial": {"q": "1"}}, ["has an initial 'q', which its equations do not declare"]),
        ({"initial": {"v": "foo", "v_th": "1"}}, ["initial 'v', 'foo': ", '"foo" could not be resolved']),
        ({"initial": {"v": "3*mV", "v_th": "1"}}, ["initial 'v', ", "the unit of '3*mV' is V, but should be 1"]),
        ({"initial": {"v": "0"}}, ["the neuron's 'v_th' has no initial value; give it one in `initial`"]),
        ({"initial": {"v_th": "1"}}, ["the neuron's 'v' has no initial value"]),
        ({"initial": {"v": 0.5, "v_th": "1"}}, ["initial 'v' is 0.5; write it as text"]),
        ({"refractory": 3 * mV}, ["refractory is 3. mV; a refractory period is a time"]),
        ({"refractory": -1 * ms}, ["refractory is -1. ms; a refractory period is a time of 0 or more"]),
        ({"method": "eulr"}, ["method is 'eulr'; Brian2 knows ", "'euler'"]),
        ({"input_variable": "w"}, ["the neuron reads or raises 'w', which its equations do not declare"]),
        ({"potential": "u"}, ["the neuron reads or raises 'u', which its equations do not declare"]),
        ({"input_unit": 1 * mV}, ["a spike adds 1. mV to 'v', whose unit is 1"]),
        ({"drive_unit": 1 * nS}, ["in a second a current adds 1. nS", "give a `drive_unit` in Hz times s"]),
        ({"equations": equations("drive*nS/nF", drive="volt")}, ["give a `drive_unit` in V times s"]),
        ({"equations": equations("-v/ms")}, ["declare `drive`, the current of a bias, and never use it"]),
        ({"parameters": {"tau_m": 5 * ms}}, ["parameter 'tau_m' is named nowhere; remove it from `parameters`"]),
        ({"parameters": {"tau_m": [5, 6] * ms}}, ["parameter 'tau_m' has shape (2,); a parameter is one number"]),
        (DECLARED_IN_BOTH | {"initial": {"v": "0", "v_th": "1", "tau": "5*ms"}}, ["'tau' is declared in its"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_when_the_neuron_is_made(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011  its whole text is compared
        replace(integrate_and_fire(), **changes)
    text = str(error.value)
    assert [word for word in words if word not in text] == [], text
    assert "neuron" in text or "a spike" in text or "in a second" in text
    assert "\n" not in text


def test_what_brian2_knows_needs_no_parameter() -> None:
    """Time, step, index, noise, temporary names, functions, constants, and subexpressions, also boolean ones."""
    neuron = Neuron(
        equations="""
        dv/dt = (drive - v * rate) * int(awake) + sigma * xi * second**-0.5 : 1 (unless refractory)
        rate = exp(-t / second) / (2 * pi * ms) : Hz
        awake = not_refractory and t > lastspike + dt : boolean
        drive : Hz (constant)
        """,
        threshold="awake and v > 1 + i / N", reset="half = v / 2; v -= half  # keep a half", source="",
        initial={"v": "rand()"}, parameters={"sigma": 0.1}, refractory=2 * ms,
        every_step="v = clip(v, -1, inf)",
    )  # fmt: skip
    assert neuron.is_random


def test_functions_of_the_user_are_checked_by_their_units() -> None:
    @brian2.check_units(x=1, result=Hz)
    def rate(x: float) -> float:
        return 3 * x

    parameters = {"rate": rate}
    assert replace(integrate_and_fire(), equations=equations("drive - rate(v)"), parameters=parameters)
    with pytest.raises(ValueError, match="inconsistent units"):
        replace(integrate_and_fire(), equations=equations("drive - rate(v) * mV"), parameters=parameters)


def test_what_a_neuron_is_stripped_of_takes_its_parameters_along() -> None:
    neuron = replace(
        signed_integrate_and_fire(), reset="v -= step", negative_reset="v += other + step",
        parameters={"step": 1.0, "other": 2.0},
    )  # fmt: skip
    assert neuron.without("negative_threshold", "negative_reset").parameters == {"step": 1.0}
    assert neuron.without("reset", "negative_reset").parameters == {}
    assert not neuron.without("negative_threshold", "negative_reset").is_signed


def test_a_neuron_is_made_in_milliseconds() -> None:
    for make in (integrate_and_fire, lambda: leaky_integrate_and_fire(20 * ms), phase_coded):
        make()
        start = time.process_time()
        for _ in range(10):
            make()
        assert time.process_time() - start < 0.2

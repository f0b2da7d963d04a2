"""Choices become the keys of a study, those that matter; and the study says what was chosen."""

from __future__ import annotations

import tomllib

import pytest

from models.paths import ROOT, WEIGHTS
from studies.declare.conditions import condition
from studies.declare.errors import StudyError
from studies.declare.study import parse_study
from studies.lab.settings import condition_of, in_use, settings_of, shipped, study_text

CHOICES = {
    "model": "mnist_mlp", "dataset": "digits", "normalization": "data", "percentile": 99.0, "calibration": 200,
    "neuron": "if", "tau_m_ms": 20.0, "v_th": 1.0, "reset": "subtract", "encoder": "poisson", "max_rate_hz": 1000.0,
    "phase_period": 8, "synapse": "delta", "tau_s_ms": 5.0, "delay_ms": 0.0, "noise": 0.0, "seed": 0, "image": 3,
}  # fmt: skip


def parsed(named):
    return parse_study(tomllib.loads(study_text(named)), "mine", ROOT)


def test_what_has_no_effect_or_is_the_default_is_left_out():
    assert settings_of(CHOICES) == {
        "images": 100, "model": "mnist_mlp", "dataset": "digits", "normalization": "data", "calibration": 200,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"normalization": "percentile"}, {"percentile": 99.0}),
        ({"neuron": "lif"}, {"tau_m_ms": 20.0}),
        ({"encoder": "phase", "phase_period": 4}, {"phase_period": 4}),
        ({"synapse": "alpha"}, {"synapse": "alpha", "synapse.tau_s": "5 ms"}),
        ({"delay_ms": 3.0}, {"delay": "3 ms"}),
        ({"noise": 0.25}, {"membrane_noise": "0.25 / ms**0.5"}),
        ({"neuron": "eif", "noise": 0.25}, {"membrane_noise": "0.25 mV / ms**0.5"}),
    ],
)
def test_numbers_get_units_and_come_with_what_uses_them(changes, expected):
    found = settings_of(CHOICES | changes)
    assert expected.items() <= found.items()
    assert condition_of(found) == condition(found)


def test_what_is_in_use():
    assert {"tau_m_ms", "v_th"} <= in_use(CHOICES | {"neuron": "lif"})
    assert not {"tau_m_ms", "phase_period", "tau_s_ms", "percentile"} & in_use(CHOICES)
    assert not {"v_th", "reset"} & in_use(CHOICES | {"neuron": "lif_mv"})


def test_a_study_of_one_setting_is_that_setting():
    settings = settings_of(CHOICES | {"synapse": "exponential", "delay_ms": 2.0, "v_th": 0.5})
    assert parsed({"A": settings}).conditions == (condition_of(settings),)


def test_a_study_of_two_settings_has_each_as_a_variant():
    a, b = settings_of(CHOICES | {"neuron": "lif", "synapse": "alpha"}), settings_of(CHOICES | {"v_th": 2.0})
    study = parsed({"A": a, "B": b})
    assert study.variant_of == {condition_of(a): "A", condition_of(b): "B"}
    assert study.fixed.keys() == {"images", "model", "dataset", "normalization", "calibration"}
    assert study.figures[0].hue == "variant"


def test_equal_settings_are_one():
    settings = settings_of(CHOICES)
    assert study_text({"A": settings, "B": dict(settings)}) == study_text({"A": settings})


def test_paths_of_all_kinds_survive(tmp_path):
    path = str(tmp_path / 'a "b" ü\\n.onnx')
    settings = settings_of(CHOICES | {"model": path})
    assert parsed({"A": settings}).conditions[0].model == path


def test_a_refused_setting_says_so():
    with pytest.raises(StudyError, match="v_th is -1; it must be a number above 0"):
        condition_of(settings_of(CHOICES | {"v_th": -1}))


def test_every_shipped_network_that_classifies_has_a_dataset():
    assert set(shipped()) == {path.stem for path in WEIGHTS.glob("*.onnx")} - {"digit_detector"}
    assert list(shipped().items())[:2] == [("mnist_convnet", "digits"), ("mnist_mlp", "digits")]

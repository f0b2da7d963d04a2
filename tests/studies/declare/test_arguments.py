"""Keys with a point, and values with units."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.declare.arguments import amount, column_of, flatten
from studies.declare.errors import StudyError
from studies.declare.study import Study, parse_study

CONTENT = {
    "title": "Own",
    "question": "?",
    "fixed": {"model": "m.onnx", "dataset": "digits8", "images": 5, "neuron": {"model": "mine.py:own"}},
    "grid": {"neuron": {"tau_m": ["5 ms", "20 ms"], "kind": ["fast", "slow"]}, "delay": ["0 ms", "2 ms"]},
}


def study(**sections) -> Study:
    return parse_study(CONTENT | sections, "own", Path())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5 ms", (5.0, "ms")),
        ("-65 mV", (-65.0, "mV")),
        ("5ms", (5.0, "ms")),
        ("1e-3 second", (1e-3, "second")),
        (".5 nS", (0.5, "nS")),
        ("inf ms", (float("inf"), "ms")),
        ("0.1 / ms**0.5", (0.1, "1/ms**0.5")),
        ("0.1/ms", (0.1, "1/ms")),
        ("1 mV/ms**0.5", (1.0, "mV/ms**0.5")),
        (3, (3.0, "1")),
        (0.5, (0.5, "1")),
        ("bursting", None),
        ("5", None),
        ("ms", None),
        (True, None),
    ],
)
def test_a_number_and_its_unit(value, expected) -> None:
    assert amount(value) == expected


def test_tables_of_models_become_keys() -> None:
    section = {"neuron": {"model": "lif", "tau_m": "5 ms"}, "delay": {"model": "1 ms"}, "images": 3, "v_min": {"a": 1}}
    flat = {"neuron": "lif", "neuron.tau_m": "5 ms", "delay.model": "1 ms", "images": 3, "v_min": {"a": 1}}
    assert flatten(section) == flat


def test_thresholds_of_layers_are_keys_beside_the_common_one() -> None:
    fixed = {"model": "m.onnx", "dataset": "digits8", "images": 5, "v_th": {"conv1": 2}}
    declared = study(fixed=fixed, grid={"v_th": {"fc": [1, 8.0]}, "v_min": [0.0]})
    assert declared.columns == ("v_th.fc [1]", "v_min", "seed")
    assert declared.conditions[1].arguments == (("v_th.conv1", 2), ("v_th.fc", 8.0))


@pytest.mark.parametrize("value", [0, -1, float("inf"), "half"])
def test_a_threshold_of_a_layer_is_above_zero(value) -> None:
    with pytest.raises(StudyError, match=rf"v_th.conv1 is {value!r}; it must be a number above 0"):
        study(fixed=CONTENT["fixed"] | {"v_th": {"conv1": value}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"neuron": {"model": "mine.py:own"}}, "v_th.fc is 2; the neurons of 'mine.py:own' take no v_th"),
        ({"neuron": "if", "normalization": "spike"}, "v_th.fc is 2; Spike-Norm finds the thresholds"),
        ({"neuron": "if", "matching": "fi"}, "v_th.fc is 2; matching is 'fi', for one threshold of all"),
    ],
)
def test_thresholds_of_layers_go_with_neurons_that_nothing_else_gives_thresholds(values, message) -> None:
    fixed = {"model": "m.onnx", "dataset": "digits8", "images": 5, "v_th": {"fc": 2}, **values}
    with pytest.raises(StudyError, match=message):
        study(fixed=fixed, grid={})


def test_arguments_are_of_the_condition_and_their_columns_have_units() -> None:
    declared = study()
    assert declared.columns == ("neuron.tau_m [ms]", "neuron.kind", "delay [ms]", "seed")
    assert len(declared.conditions) == 8
    assert declared.conditions[0].neuron == "mine.py:own"
    assert declared.conditions[0].arguments == (("neuron.kind", "fast"), ("neuron.tau_m", "5 ms"))
    assert column_of("neuron.v_th_cv", 0.1) == "neuron.v_th_cv [1]"


def test_figures_name_keys_and_values_as_the_study_does() -> None:
    figure = {"name": "f", "plot": "lineplot", "x": "delay", "y": "accuracy", "hue": "neuron.kind"}
    (spec,) = study(figures=[figure | {"where": {"neuron": {"tau_m": "5 ms"}}}]).figures
    assert (spec.x, spec.hue, spec.where) == ("delay [ms]", "neuron.kind", {"neuron.tau_m [ms]": 5.0})


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"grid": {"neuron": {"tau_m": ["5 ms", "0.02 s"]}}}, "write all of them in the same unit"),
        ({"grid": {"neuron": {"tau_m": "5 ms"}}}, r"neuron.tau_m is '5 ms'; it must be a list"),
        ({"grid": {"neuron": {"tau_m": [[1]]}}}, r"neuron.tau_m is \[1\]; an argument of the neuron model is a number"),
        ({"grid": {"neuron": {"tau_m": [float("nan")]}}}, "neuron.tau_m is nan"),
        ({"grid": {"nueron": {"tau_m": ["5 ms"]}}}, "unknown key 'nueron'; did you mean 'neuron'"),
        ({"grid": {"neuron": {"tau_m": ["5 ms", "5 ms"]}}}, "a value is there twice"),
        ({"variants": [{"name": "a", "neuron": {"tau_m": "5 ms"}}]}, "neuron.tau_m is in variant 'a'"),
        (
            {"fixed": CONTENT["fixed"] | {"reset": "zero"}},
            "reset is 'zero', but has no effect: neuron is",
        ),
        ({"fixed": CONTENT["fixed"] | {"background_weight": 1}}, "background_weight is 1, but has no effect"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(sections, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        study(**sections)


@pytest.mark.parametrize(
    "figure", [{"hue": "neuron.tau"}, {"where": {"neuron": {"tau_m": "6 ms"}}}, {"where": {"delay": "2 s"}}]
)
def test_figures_that_name_what_is_not_there(figure) -> None:
    with pytest.raises(StudyError, match="figure"):
        study(figures=[{"name": "f", "plot": "lineplot", "x": "delay", "y": "accuracy"} | figure])

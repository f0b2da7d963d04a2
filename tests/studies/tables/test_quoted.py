"""Numbers as text: from small tables whose means and intervals are worked out by hand or by SciPy."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from scipy import stats

from studies.declare.errors import StudyError
from studies.tables.quoted import Source, functions

METRICS = {
    "reset": ["zero"] * 6 + ["subtract"] * 6,
    "seed": [0, 0, 0, 1, 1, 1] * 2,
    "time_ms": [10, 20, 30] * 4,
    "accuracy": [0.5, 0.88, 0.97, 0.6, 0.9, 0.99, 0.2, 0.9, 0.84, 0.2, 0.9, 0.84],
    "ann_accuracy": [0.9] * 12,
    "agreement": [0.5, 0.9, 0.9, 0.6, 0.9, 0.9, 0.2, 0.9, 0.86, 0.2, 0.9, 0.86],
    "unanswered_share": [0, 0, 0, 0.2, 0, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
    "energy_nj": [1000, 2000, 3000, 1500, 2500, 3500, 10, 20, 30, 10, 20, 30],
    "time_to_99_ms": [20, 20, 20, 20, 20, 20, None, None, None, 30, 30, 30],
    "map_50": [None] * 12,
}
LAYERS = {
    "reset": ["zero"] * 4,
    "seed": [0, 0, 1, 1],
    "layer": ["conv1", "fc"] * 2,
    "spikes_per_image": [5, 7, 5, 9],
    "rate_hz": [12.5, 0.004, 12.5, 0.004],
    "rmse": [0.5, 0.1320, 0.5, 0.1322],
}


@pytest.fixture
def folder(tmp_path):
    some = tmp_path / "some"
    some.mkdir()
    pd.DataFrame(METRICS).to_csv(some / "metrics.csv", index=False)
    pd.DataFrame(LAYERS).to_csv(some / "layers.csv", index=False)
    account = {"title": "Some", "study": {"question": "What?", "fixed": {"images": 100}}}
    (some / "run.json").write_text(json.dumps(account))
    return tmp_path


@pytest.fixture
def call(folder):
    known = functions(Source(folder, "some"))
    return lambda name, *args, **where: known[name](*args, **where)


def with_variants(folder, variants, fixed):
    content = {"fixed": fixed, "variants": variants}
    (folder / "some" / "run.json").write_text(json.dumps({"title": "Some", "question": "", "study": content}))


def test_images_without_an_answer_are_a_share_of_images(call):
    """0 and 0.2: mean 0.1, half-width 12.706 * 0.1; ten of a hundred images, Wilson's interval."""
    assert call("accuracy", "unanswered_share", reset="zero") == "10.0 ± 127.1 %"
    assert call("accuracy", "unanswered_share", reset="subtract") == "10.0 % (5.5 to 17.4)"
    assert call("value", "unanswered_share", reset="subtract") == "10.0 %"


def test_seeds_that_differ_have_their_own_interval(call):
    """0.97 and 0.99: mean 0.98, half-width 12.706 * 0.01."""
    assert call("accuracy", reset="zero") == "98.0 ± 12.7 %"


def test_seeds_that_are_alike_have_that_over_the_images(call):
    low, high = stats.binomtest(84, 100).proportion_ci(method="wilson")
    assert call("accuracy", reset="subtract") == f"84.0 % ({100 * low:.1f} to {100 * high:.1f})"


def test_a_loss_has_the_paired_interval_over_the_images(call):
    """Worked by hand in test_statistics: 6 points, and 6 / 102 ± 1.959964 * 0.0375211."""
    assert call("loss", 2, reset="subtract") == f"6.00 points ({100 * (6 / 102 - 0.0735401):.2f} to 13.24)"


def test_a_value_has_the_unit_of_its_column_and_another_time_if_asked(call):
    assert call("value", "energy_nj", reset="subtract") == "30 nJ"
    assert call("value", "energy_nj", reset="subtract", time_ms=10) == "10 nJ"
    assert call("value", "energy_nj", reset="zero", bare=True) == "3,250 ± 3,177"
    assert call("value", "accuracy", reset="subtract", bare=True) == "84.0"


def test_a_value_of_a_layer_does_not_mix_layers(call):
    assert call("value", "rate_hz", 3, "layers", layer="fc") == "0.004 Hz"
    with pytest.raises(StudyError, match="4 rows are left, of more than one condition: layer is conv1, fc"):
        call("value", "rate_hz", table="layers")


def test_an_interval_that_its_digits_would_hide_keeps_one(call):
    """0.1320 and 0.1322: half-width 12.706 * 0.0001; 7 and 9: 12.706."""
    assert call("value", "rmse", 2, "layers", layer="fc") == "0.13 ± 0.001"
    assert call("value", "spikes_per_image", 0, "layers", layer="fc") == "8 ± 13"


def test_what_one_seed_never_reached_is_said_and_not_averaged(call):
    assert call("value", "time_to_99_ms", reset="subtract") == "not reached"
    with pytest.raises(StudyError, match="time_to_99_ms has no value for every seed"):
        call("number", "time_to_99_ms", reset="subtract")


def test_what_has_no_value_is_not_called_a_time(call):
    with pytest.raises(StudyError, match="map_50 has no value for every seed"):
        call("value", "map_50", reset="zero")


def test_what_was_spent_when_99_percent_was_reached(call):
    assert call("number", "energy_nj", reset="zero", time_ms="reached") == 2250
    with pytest.raises(StudyError, match="time_to_99_ms has no value for every seed"):
        call("each", "energy_nj", time_ms="reached")


def test_several_conditions_in_order_and_their_span(call):
    assert call("each", "energy_nj") == [3250, 30]
    assert call("span", "energy_nj", 0) == "30 to 3,250 nJ"
    assert call("span", "accuracy") == "84.0 to 98.0 %"


def test_the_time_from_which_the_mean_stays_close(call):
    """By hand: the means of "zero" are 0.55, 0.89, 0.98 at an ANN of 0.9; those of "subtract" fall again."""
    assert call("within", 1, reset="zero") == "20 ms"
    assert call("within", 0.5, reset="zero") == "30 ms"
    assert call("within", 1, reset="subtract") == "not within the window"
    with pytest.raises(StudyError, match="of more than one condition: reset"):
        call("within", 1)


def test_how_many_images_a_variant_saw(call, folder):
    assert call("images") == 100
    with_variants(folder, {"few": {"images": 10}, "all": {}}, {"images": 50})
    assert (call("images", variant="few"), call("images", variant="all")) == (10, 50)
    with pytest.raises(StudyError, match="the conditions saw different numbers of images"):
        call("images")


def test_how_a_page_begins_and_what_its_intervals_are_over(call):
    assert call("header") == "# Some\n\nWhat?\n\n    brianize run some"
    assert "± over 2 seeds (Student's t); brackets over the 100 images" in call("reading")


def test_a_map_has_the_interval_over_images_of_its_table(folder):
    columns = {"seed": [0], "time_ms": [5], "map_50": [0.5], "fidelity_map_50": [0.9], "energy_nj": [1.0]}
    ends = {"map_50_low": [0.4], "map_50_high": [0.612], "fidelity_map_50_low": [0.8], "fidelity_map_50_high": [0.95]}
    pd.DataFrame(columns | ends).to_csv(folder / "some" / "metrics.csv", index=False)
    known = functions(Source(folder, "some"))
    assert known["precision"]() == "50.0 % (40.0 to 61.2)"
    assert known["precision"]("fidelity_map_50", 0) == "90 % (80 to 95)"
    assert known["reading"]() == "Intervals are 95 %: brackets over the 100 images (bootstrap)."


def test_a_median_of_repeated_measurements(call):
    assert call("median", "energy_nj", "metrics", reset="zero", time_ms=None) == 2250


def test_the_accuracy_of_a_trained_network(call):
    assert call("weights", "cifar_vgg16").startswith("87.22 % (")
    with pytest.raises(StudyError, match="name a dataset"):
        call("weights", "mnist_mlp")


@pytest.mark.parametrize(
    ("name", "args", "where", "message"),
    [
        ("accuracy", (), {}, r"accuracy\(\): 4 rows are left, of more than one condition: reset is zero, subtract"),
        ("accuracy", (), {"reset": "hard"}, r"accuracy\(reset='hard'\): no row has reset = 'hard'"),
        ("value", ("rate",), {"reset": "zero"}, r"value\('rate', reset='zero'\): there is no 'rate'"),
        ("number", ("accuracy",), {"rest": "zero"}, "unknown column of metrics.csv 'rest'; did you mean 'reset'"),
        ("accuracy", ("energy_nj",), {"reset": "zero"}, "unknown share of images 'energy_nj'"),
        ("accuracy", (), {"study": "other"}, "there is no study 'other' in the results"),
        ("accuracy", (), {"time_ms": 15}, "no row has time_ms = 15"),
    ],
)
def test_an_error_says_which_call_it_is(call, name, args, where, message):
    with pytest.raises(StudyError, match=message):
        call(name, *args, **where)

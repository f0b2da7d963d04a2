"""The arithmetic of the benchmark's tables, on made-up times."""

from __future__ import annotations

import pandas as pd
import pytest

from studies.bench_report import compare, report, requirements


def engines():
    """Two rounds in which the machine was once as fast and once half as fast; C++ in the first only."""
    rows = [
        ("shared weights", 1, 50, 4.0), ("shared weights", 1, 50, 5.0), ("shared weights", 1, 50, 6.0),
        ("Synapses, numpy", 1, 5, 75.0), ("C++", 1, 10, 20.0), ("shared weights", 2, 50, 10.0),
        ("Synapses, numpy", 2, 5, 170.0),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["engine", "round", "batch_images", "ms_per_image"])
    return table.assign(compile_s=[30.0 if engine == "C++" else None for engine in table["engine"]])


def tables(**changes):
    made = {
        "engines": engines(),
        "large_network": pd.DataFrame({"peak_gb": [1.5]}),
        "large_network_layers": pd.DataFrame({"share_percent": [2.5, 4.5]}),
        "scaling": pd.DataFrame({"varied": ["batch"], "ms_per_step": [1.0]}),
        "sweep": pd.DataFrame({"workers": [1, 2], "seconds": [60.0, 33.0]}),
    }
    return made | changes


def test_medians_range_and_ratios_within_a_round():
    table = compare(engines()).set_index("engine")
    assert list(table.index) == ["shared weights", "Synapses, numpy", "C++"]
    shared, plain, compiled = (table.loc[name] for name in table.index)
    assert shared["images_per_s"] == pytest.approx(1e3 / 5.5)
    assert (shared["slowest"], shared["fastest"]) == (100, 250)
    assert (plain["ratio_low"], plain["shared_is_faster"], plain["ratio_high"]) == (15, 16, 17)
    assert compiled["shared_is_faster"] == 4
    assert (shared["shared_is_faster"], compiled["compile_s"]) == (1, 30)


def test_everything_asked_is_met():
    rows = requirements(tables())
    assert list(rows["measured"]) == pytest.approx([16, 1.5, 2.5, 4.5, 0.55])
    assert rows["met"].all()


@pytest.mark.parametrize(
    ("row", "change"),
    [
        (0, {"engines": engines().assign(ms_per_image=[1.0, 1, 1, 11, 1, 1, 11])}),
        (1, {"large_network": pd.DataFrame({"peak_gb": [3.9, 4.1]})}),
        (2, {"large_network_layers": pd.DataFrame({"share_percent": [1.9, 3.0]})}),
        (3, {"large_network_layers": pd.DataFrame({"share_percent": [3.0, 5.1]})}),
        (4, {"sweep": pd.DataFrame({"workers": [1, 2], "seconds": [60.0, 40.0]})}),
    ],
)
def test_what_is_missed_is_said(row, change):
    met = list(requirements(tables(**change))["met"])
    assert met.index(False) == row
    assert met.count(False) == 1


def test_report_names_what_was_left_out():
    made = tables()
    del made["sweep"]
    made["requirements"] = requirements(made)
    text = report(made, {"two workers": "there is only one core"}, [])
    assert "left out: two workers, because there is only one core" in text
    assert "two workers / one" not in text

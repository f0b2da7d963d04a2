"""The arithmetic of the benchmark's tables, on made-up times."""

from __future__ import annotations

import pandas as pd
import pytest

from studies.bench.report import compare, report, requirements


def engines():
    """Two rounds in which the machine was once as fast and once half as fast; C++ in the first only."""
    rows = [
        ("shared weights", 1, 50, 4.0), ("shared weights", 1, 50, 5.0), ("shared weights", 1, 50, 6.0),
        ("Synapses, numpy", 1, 5, 75.0), ("C++", 1, 10, 20.0), ("shared weights", 2, 50, 10.0),
        ("Synapses, numpy", 2, 5, 170.0),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["engine", "round", "batch_images", "ms_per_image"])
    return table.assign(compile_s=[30.0 if engine == "C++" else None for engine in table["engine"]])


def networks(vgg=(5.0, 9.0), lite=(20.0, 1.4), tiny=(70.0, 3.9)):
    """Milliseconds per step and GB of each."""
    times, peaks = zip(vgg, lite, tiny, strict=True)
    return pd.DataFrame({"network": ["VGG-16", "YOLO-LITE", "Tiny YOLO"], "ms_per_step": times, "peak_gb": peaks})


def shares(*percent):
    """Of the layers of Tiny YOLO; nothing was asked of the layers of others."""
    names = ["VGG-16", *["Tiny YOLO"] * len(percent)]
    return pd.DataFrame({"network": names, "share_percent": [0.0, *percent]})


def tables(**changes):
    made = {
        "engines": engines(),
        "networks": networks(),
        "network_layers": shares(2.5, 4.5),
        "network_parts": pd.DataFrame({"network": ["VGG-16"], "part": ["synapses"], "ms_per_step": [3.0]}),
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
    assert list(rows["measured"]) == pytest.approx([16, 5, 20, 70, 1.4, 3.9, 2.5, 4.5, 0.55])
    assert rows["met"].all()


@pytest.mark.parametrize(
    ("row", "change"),
    [
        (0, {"engines": engines().assign(ms_per_image=[1.0, 1, 1, 11, 1, 1, 11])}),
        (1, {"networks": networks(vgg=(6.1, 0.1))}),
        (2, {"networks": networks(lite=(25.1, 0.1))}),
        (3, {"networks": networks(tiny=(80.1, 0.1))}),
        (4, {"networks": networks(lite=(1.0, 1.5))}),
        (5, {"networks": networks(tiny=(1.0, 4.0))}),
        (6, {"network_layers": shares(1.9, 3.0)}),
        (7, {"network_layers": shares(3.0, 5.1)}),
        (8, {"sweep": pd.DataFrame({"workers": [1, 2], "seconds": [60.0, 40.0]})}),
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


def test_a_network_that_was_left_out_has_no_requirements():
    made = tables(networks=networks().query("network != 'YOLO-LITE'"))
    made["requirements"] = requirements(made)
    assert list(made["requirements"]["measured"]) == pytest.approx([16, 5, 70, 3.9, 2.5, 4.5, 0.55])
    assert "left out: YOLO-LITE, because no file" in report(made, {"YOLO-LITE": "no file"}, [])


def test_networks_alone_are_reported_without_engines():
    made = {name: table for name, table in tables().items() if name.startswith("network")}
    made["requirements"] = requirements(made)
    assert list(made["requirements"]["measured"]) == pytest.approx([5, 20, 70, 1.4, 3.9, 2.5, 4.5])
    text = report(made, {}, [])
    assert "Large networks" in text
    assert "Diehl" not in text

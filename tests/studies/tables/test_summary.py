"""The table at the end of a run, against means and intervals worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from models.paths import RESULTS
from studies.tables.labels import CAVEAT
from studies.tables.store import read_run, read_table
from studies.tables.summary import details, markdown, report, summary, write_summary


def table(**changes) -> pd.DataFrame:
    """Two schemes, two seeds, two times: only the second time is the end of the window."""
    rows = []
    for scheme, base in (("none", 0.5), ("data", 0.9)):
        for seed in (0, 1):
            for time_ms in (5.0, 10.0):
                end = time_ms == 10
                rows.append({
                    "normalization": scheme, "seed": seed, "time_ms": time_ms,
                    "accuracy": base + 0.02 * seed if end else 0.0, "ann_accuracy": 0.95, "agreement": 1.0,
                    "spikes_per_image": 1000.0 + 500 * seed if end else 1e9,
                    "synops_per_image": 1.0, "energy_nj": 12345.678 if end else 0.0, "ann_energy_nj": 5.0,
                    "time_to_99_ms": 4.0 + seed, "time_to_99_9_ms": 9.0,
                })  # fmt: skip
    return pd.DataFrame(rows).assign(**changes)


def test_a_row_per_condition_at_the_end_of_its_window() -> None:
    result = summary(table())
    assert list(result["normalisation"]) == ["none", "data"]
    half = 100 * 12.706205 * 0.01  # Student's t for two seeds, times the standard error of 0.00 and 0.02
    assert list(result["accuracy (%)"]) == [f"51.00 ± {half:.2f}", f"91.00 ± {half:.2f}"]
    assert list(result["ANN (%)"]) == ["95.00"] * 2
    assert list(result["time to 99 % (ms)"]) == ["4.5"] * 2
    assert list(result["spikes/image"]) == ["1,250"] * 2
    assert list(result["energy (nJ)"]) == ["1.235e+04"] * 2
    assert list(result["ANN energy (nJ)"]) == ["5"] * 2


def test_images_without_an_answer_are_said_where_the_table_knows_them() -> None:
    """A quarter for one seed and none for the other; tables of earlier versions have no such column."""
    some = table().assign(unanswered_share=[0.0, 0.25, 0.0, 0.0] * 2)
    assert list(summary(some)["no answer (%)"]) == ["12.5"] * 2
    assert list(details(some)["no answer (%)"]) == [f"12.50 ± {100 * 12.706205 * 0.125:.2f}"] * 2
    assert "no answer (%)" not in summary(table())
    assert "no answer (%)" not in details(table())


def test_a_detector_has_map_in_the_place_of_accuracy() -> None:
    some = table(fidelity_map_50=0.75).drop(columns="agreement")
    result = summary(some.rename(columns={"accuracy": "map_50", "ann_accuracy": "ann_map_50"}).query("seed == 0"))
    assert list(result["mAP@0.5 (%)"]) == ["50.00", "90.00"]
    assert list(result["ANN (%)"]) == ["95.00"] * 2
    assert list(result["fidelity (%)"]) == ["75.00"] * 2
    assert not any("accuracy" in column for column in result)
    of_boxes = some.rename(columns={"accuracy": "map_50", "ann_accuracy": "ann_map_50"}).query("seed == 0")
    every = details(of_boxes)
    assert list(every["mAP@0.5 (%)"]) == ["50.00", "90.00"]
    assert list(every["fidelity (%)"]) == ["75.00"] * 2
    assert "accuracy (%)" not in every
    assert "the mAP stays at 99 %" in report(of_boxes, [], Path("x"))


def test_one_seed_has_no_interval() -> None:
    one = table().query("seed == 0")
    assert list(summary(one)["accuracy (%)"]) == ["50.00", "90.00"]
    assert "one seed, so no interval" in report(one, [], Path("x"))


def test_a_time_that_one_seed_never_reached_is_a_dash() -> None:
    reached = [4.0, 4.0, math.nan, math.nan, 4.0, 4.0, 5.0, 5.0]
    assert list(summary(table(time_to_99_ms=reached))["time to 99 % (ms)"]) == ["-", "4.5"]


def test_conditions_that_leave_a_key_empty_are_kept() -> None:
    """Percentiles go with some schemes only."""
    some = table()
    some.insert(1, "percentile", [math.nan] * 4 + [99.9] * 4)
    assert list(summary(some)["percentile (%)"]) == ["", "99.9"]


def test_a_study_without_a_grid_has_one_row() -> None:
    one = table().query("normalization == 'data'").drop(columns="normalization")
    assert list(summary(one)["accuracy (%)"].str[:5]) == ["91.00"]


def test_windows_of_different_lengths_end_where_they_end() -> None:
    some = table()
    some.insert(1, "duration_ms", [10.0] * 4 + [5.0] * 4)
    short = some[(some["duration_ms"] == 10) | (some["time_ms"] == 5)]
    assert list(summary(short)["accuracy (%)"].str.split().str[0]) == ["51.00", "0.00"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_report_says_what_it_shows_and_where_the_rest_is(seeds: int) -> None:
    text = report(table().query(f"seed < {seeds}"), [Path("a/b.svg"), Path("a/b.png")], Path("a"))
    assert CAVEAT in text
    assert ("over 2 seeds" in text) == (seeds == 2)
    assert "Tables:  a/metrics.csv, layers.csv, summary.md\nFigure:  a/b.svg\nFigure:  a/b.png" in text


def test_the_details_read_spikes_and_energy_at_the_time_of_99_percent() -> None:
    """Seed 0 is there after 5 ms, at 1e9 spikes and no energy; seed 1 at the end, with 1,500 and 12,345.678 nJ."""
    some = table().assign(time_to_99_ms=[5.0, 5.0, 10.0, 10.0] * 2)
    half = math.tan(0.475 * math.pi) / 2  # Student's t of one degree of freedom (Cauchy), times the standard error
    row = details(some).iloc[0]
    assert row["time to 99 % (ms)"] == f"7.50 ± {half * 5:.2f}"
    assert row["spikes by then"] == f"500,000,750 ± {half * (1e9 - 1500):,.0f}"
    assert row["energy by then (nJ)"] == f"6,173 ± {half * 12345.678:,.0f}"
    assert row["accuracy (%)"] == f"51.00 ± {half * 2:.2f}"


def test_what_one_seed_never_reached_has_no_spikes_and_energy_by_then() -> None:
    row = details(table().assign(time_to_99_ms=[10.0, 10.0, math.nan, math.nan] * 2)).iloc[0]
    assert list(row[["time to 99 % (ms)", "spikes by then", "energy by then (nJ)"]]) == ["-"] * 3


def test_a_table_in_markdown() -> None:
    assert markdown(pd.DataFrame({"a": ["1"], "b": ["2"]})) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in RESULTS.glob("*/metrics.csv")))
def test_the_committed_summaries_are_those_of_the_committed_tables(tmp_path: Path, folder: str) -> None:
    title = read_run(RESULTS / folder)["title"]
    written = write_summary(read_table(RESULTS / folder, "metrics"), title, tmp_path)
    assert written.read_text() == (RESULTS / folder / "summary.md").read_text()

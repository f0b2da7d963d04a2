"""The table of published figures: numbers worked out by hand, and the committed page against the committed tables."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from scipy import stats

from models.paths import RESULTS
from studies.declare.errors import StudyError
from studies.tables.published import Published, load_published, ours, published_table


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "some").mkdir()
    rows = {
        "reset": ["zero"] * 4 + ["subtract"] * 4,
        "seed": [0, 0, 1, 1] * 2,
        "time_ms": [1, 2] * 4,
        "accuracy": [0, 0.97, 0, 0.99, 0, 0.5, 0, 0.5],
        "map_50": [0, 0.97, 0, 0.99, 0, 0.5, 0, 0.5],
        "time_to_99_ms": [7.0, 7.0, 9.0, 9.0, None, None, 8.0, 8.0],
    }
    pd.DataFrame(rows).to_csv(tmp_path / "some" / "metrics.csv", index=False)
    account = {"title": "T", "study": {"question": "Q?", "fixed": {"images": 1000}}}
    (tmp_path / "some" / "run.json").write_text(json.dumps(account))
    return tmp_path


def entry(column="accuracy", comment="", **where):
    return Published(
        paper="P", quantity="Q", published="98 %", study="some", column=column, where=where, comment=comment
    )


def test_mean_and_students_interval_over_the_seeds(folder):
    """Two seeds at 0.97 and 0.99: mean 0.98, half-width 12.706 * 0.01."""
    assert ours(entry(reset="zero", time_ms="end"), folder) == "98.00 ± 12.71 % over 2 seeds"
    assert ours(entry("time_to_99_ms", reset="zero", time_ms="end"), folder) == "8 ± 13 ms over 2 seeds"


def test_seeds_that_are_alike_leave_wilsons_interval_over_the_images(folder):
    low, high = stats.binomtest(500, 1000).proportion_ci(method="wilson")
    expected = f"50.00 % ({100 * low:.2f} to {100 * high:.2f} over 1,000 images)"
    assert ours(entry(reset="subtract", time_ms="end"), folder) == expected


def test_a_mean_average_precision_has_no_interval_over_images(folder):
    assert ours(entry("map_50", reset="subtract", time_ms="end"), folder) == "50.00 %"


def test_a_comment_is_filled_from_its_study(folder):
    comment = '{{ value("accuracy", reset="subtract") }} with the other'
    assert "| 50.0 % with the other |" in published_table([entry(comment=comment, reset="zero", time_ms="end")], folder)


def test_a_time_that_one_seed_never_reached_is_not_averaged(folder):
    assert ours(entry("time_to_99_ms", reset="subtract", time_ms="end"), folder) == "not reached"


def test_rows_of_several_conditions_are_not_mixed(folder):
    with pytest.raises(StudyError, match="4 rows are left, of more than one condition: reset is zero, subtract"):
        ours(entry(time_ms="end"), folder)


def test_a_row_says_what_is_published_and_what_ours_is_over(folder):
    text = published_table([entry(reset="zero", time_ms="end")], folder)
    assert "| P | Q | 98 % | 98.00 ± 12.71 % over 2 seeds | reset zero, time_ms end | [some](some/README.md) |" in text


def test_the_committed_page_is_the_table_of_the_committed_results():
    assert published_table(load_published(), RESULTS) in (RESULTS / "README.md").read_text(encoding="utf-8")


def test_unknown_keys_are_named(tmp_path):
    path = tmp_path / "published.toml"
    path.write_text('[[published]]\npaper = "P"\nnumber = 3\n')
    with pytest.raises(StudyError, match=r"unknown key in published\.toml 'number'"):
        load_published(path)

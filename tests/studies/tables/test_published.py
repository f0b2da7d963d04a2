"""The table of published figures: numbers worked out by hand, and the committed page against the committed tables."""

from __future__ import annotations

import pandas as pd
import pytest

from models.paths import RESULTS
from studies.declare.conditions import StudyError
from studies.tables.published import BEGIN, END, Published, load_published, ours, published_table, write_between_marks


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "some").mkdir()
    rows = {
        "reset": ["zero"] * 4 + ["subtract"] * 4,
        "seed": [0, 0, 1, 1] * 2,
        "time_ms": [1, 2] * 4,
        "accuracy": [0, 0.97, 0, 0.99, 0, 0.5, 0, 0.5],
        "time_to_99_ms": [7.0, 7.0, 9.0, 9.0, None, None, 8.0, 8.0],
    }
    pd.DataFrame(rows).to_csv(tmp_path / "some" / "metrics.csv", index=False)
    return tmp_path


def entry(column="accuracy", **where):
    return Published(paper="P", quantity="Q", published="98 %", study="some", column=column, where=where)


def test_mean_and_students_interval_over_the_seeds(folder):
    """Two seeds at 0.97 and 0.99: mean 0.98, half-width 12.706 * 0.01."""
    assert ours(entry(reset="zero", time_ms="end"), folder) == "98.00 ± 13 %"
    assert ours(entry("time_to_99_ms", reset="zero", time_ms="end"), folder) == "8 ± 13 ms"


def test_a_time_that_one_seed_never_reached_is_not_averaged(folder):
    assert ours(entry("time_to_99_ms", reset="subtract", time_ms="end"), folder) == "not reached"


def test_rows_of_several_conditions_are_not_mixed(folder):
    with pytest.raises(StudyError, match="leaves 4 rows for 2 seeds"):
        ours(entry(time_ms="end"), folder)


def test_only_what_is_between_the_marks_is_replaced(folder):
    page = folder / "README.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_between_marks(page, published_table([entry(reset="zero", time_ms="end")], folder))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| P | Q | 98 % | 98.00 ± 13 % | reset zero, time_ms end | `some` |" in text
    assert "old" not in text


def test_a_page_without_marks_is_left_alone(folder):
    (folder / "README.md").write_text("mine")
    with pytest.raises(StudyError, match="to put the table between"):
        write_between_marks(folder / "README.md", "")


def test_the_committed_page_is_the_table_of_the_committed_results():
    assert published_table(load_published(), RESULTS) in (RESULTS / "README.md").read_text(encoding="utf-8")


def test_unknown_keys_are_named(tmp_path):
    path = tmp_path / "published.toml"
    path.write_text('[[published]]\npaper = "P"\nnumber = 3\n')
    with pytest.raises(StudyError, match=r"unknown key in published\.toml 'number'"):
        load_published(path)

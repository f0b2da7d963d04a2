"""A folder of results: whose it is, and that it never holds half a file."""

from __future__ import annotations

import errno
import json
import math

import pandas as pd
import pytest

from studies import results
from studies.results import ResultsError

MINE = {"title": "Mine"}


def test_claim_makes_the_folder_and_says_whose_it_is(tmp_path):
    folder = tmp_path / "results" / "mine"
    results.claim(folder, MINE)
    assert json.loads((folder / "run.json").read_text()) == MINE
    results.claim(folder, MINE)


def test_infinity_is_text_in_run_json(tmp_path):
    results.write_run(tmp_path, {"fixed": {"v_min": -math.inf}, "grid": {"v_min": [-math.inf, 0.0]}})
    account = json.loads((tmp_path / "run.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert account == {"fixed": {"v_min": "-inf"}, "grid": {"v_min": ["-inf", 0.0]}}


def test_claim_after_a_kill_before_run_json_was_there(tmp_path):
    (tmp_path / ".run.json.half").write_text("{")
    results.claim(tmp_path, MINE)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.json", '{"title": "Yours"}', "holds the results of another study, 'Yours'; choose another --results"),
        ("run.json", "{", "run.json was not written by a study"),
        ("run.json", "[]", "run.json was not written by a study"),
        ("thesis.tex", "", "holds files that no study wrote"),
    ],
)
def test_claim_refuses_what_is_not_its_own(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ResultsError, match=message):
        results.claim(tmp_path, MINE)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == text


def test_claim_of_a_place_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        results.claim(tmp_path / "file" / "mine", MINE)


def test_rows_come_back_exactly(tmp_path):
    results.claim(tmp_path, MINE)
    rows = {"metrics": {"accuracy": [0.1, 1 / 3], "time_to_99_ms": [1e-300, 2.5]}}
    assert results.stored(tmp_path, "key") is None
    results.store(tmp_path, "key", rows)
    assert results.stored(tmp_path, "key") == rows


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "metrics.csv"
    path.write_text("old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(results.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        results.write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_table_comes_back_with_none_as_a_word_and_gaps_as_gaps(tmp_path):
    table = pd.DataFrame({"normalization": ["none", "data"], "tau_m_ms": [None, 20.0], "seed": [0, 1]})
    results.write_table(tmp_path, "metrics", [table.iloc[:1], table.iloc[1:]])
    assert (tmp_path / "metrics.csv").read_bytes() == b"normalization,tau_m_ms,seed\nnone,,0\ndata,20,1\n"
    pd.testing.assert_frame_equal(results.read_table(tmp_path, "metrics"), table)


def test_missing_table(tmp_path):
    with pytest.raises(ResultsError, match=r"there is no .*layers\.csv; run the study first"):
        results.read_table(tmp_path, "layers")

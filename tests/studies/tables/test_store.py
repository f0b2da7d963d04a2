"""A folder of results: whose it is, and that it never holds half a file."""

from __future__ import annotations

import errno
import json
import math
import os

import pandas as pd
import pytest

from models.atomic import write_atomically
from studies.tables.store import (
    ResultsError,
    claim_folder,
    read_rows,
    read_table,
    write_rows,
    write_run,
    write_table,
)

MINE = {"title": "Mine", "file": "../../mine.toml", "study": {"fixed": {"v_min": -math.inf}, "grid": {"seed": (0, 1)}}}
AS_STORED = {**MINE, "study": {"fixed": {"v_min": "-inf"}, "grid": {"seed": [0, 1]}}}


def test_claim_makes_the_folder_and_says_whose_it_is(tmp_path):
    folder = tmp_path / "results" / "mine"
    claim_folder(folder, MINE)
    assert json.loads((folder / "run.json").read_text()) == AS_STORED
    claim_folder(folder, MINE)


@pytest.mark.parametrize(
    "change",
    [
        {"study": {"fixed": {}}, "title": "Edited"},
        {"file": "../../../elsewhere/mine.toml"},
    ],
    ids=["edited", "moved"],
)
def test_a_study_is_the_same_wherever_its_file_is_or_whatever_it_says(tmp_path, change):
    claim_folder(tmp_path, MINE)
    claim_folder(tmp_path, MINE | change)


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../../../elsewhere/mine.toml", "study": {"fixed": {}}},
        {"file": "../../yours.toml"},
        {"file": None},
    ],
    ids=["moved and edited", "of another name", "without a file"],
)
def test_studies_of_one_title_do_not_share_a_folder(tmp_path, change):
    folder = tmp_path / "a" / "results" / "mine"
    claim_folder(folder, MINE)
    before = (folder / "run.json").read_bytes()
    with pytest.raises(ResultsError, match="rename your study's file or choose another --results folder") as error:
        claim_folder(folder, MINE | change)
    assert f"another study, 'Mine' ({tmp_path / 'a' / 'mine.toml'}), not of 'Mine'" in str(error.value)
    assert (folder / "run.json").read_bytes() == before


def test_infinity_is_text_in_run_json(tmp_path):
    write_run(tmp_path, {"fixed": {"v_min": -math.inf}, "grid": {"v_min": [-math.inf, 0.0]}})
    account = json.loads((tmp_path / "run.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert account == {"fixed": {"v_min": "-inf"}, "grid": {"v_min": ["-inf", 0.0]}}


def test_claim_after_a_kill_before_run_json_was_there(tmp_path):
    (tmp_path / ".run.json.half").write_text("{")
    claim_folder(tmp_path, MINE)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.json", '{"title": "Yours"}', "holds the results of another study, 'Yours', not of 'Mine' "),
        ("run.json", "{", "run.json was not written by a study"),
        ("run.json", "[]", "run.json was not written by a study"),
        ("thesis.tex", "", "holds files that no study wrote"),
    ],
)
def test_claim_refuses_what_is_not_its_own(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ResultsError, match=message):
        claim_folder(tmp_path, MINE)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == text


def test_claim_of_a_place_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        claim_folder(tmp_path / "file" / "mine", MINE)


def test_rows_come_back_exactly(tmp_path):
    claim_folder(tmp_path, MINE)
    rows = {"metrics": {"accuracy": [0.1, 1 / 3], "time_to_99_ms": [1e-300, 2.5]}}
    assert read_rows(tmp_path, "key") is None
    write_rows(tmp_path, "key", rows)
    assert read_rows(tmp_path, "key") == rows


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "metrics.csv"
    path.write_text("old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_table_comes_back_with_none_as_a_word_and_gaps_as_gaps(tmp_path):
    table = pd.DataFrame({"normalization": ["none", "data"], "tau_m_ms": [None, 20.0], "seed": [0, 1]})
    write_table(tmp_path, "metrics", [table.iloc[:1], table.iloc[1:]])
    assert (tmp_path / "metrics.csv").read_bytes() == b"normalization,tau_m_ms,seed\nnone,,0\ndata,20,1\n"
    pd.testing.assert_frame_equal(read_table(tmp_path, "metrics"), table)


def test_missing_table(tmp_path):
    with pytest.raises(ResultsError, match=r"there is no .*layers\.csv; run the study first"):
        read_table(tmp_path, "layers")

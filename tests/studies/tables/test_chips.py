"""Energies on chips worked out by hand, and tables of chips that are wrong."""

from __future__ import annotations

import pandas as pd
import pytest

from studies.__main__ import main
from studies.declare.errors import StudyError
from studies.declare.study import load_study
from studies.run.runner import run_study
from studies.tables.chips import COLUMNS, describe_energies, energies, load_chips
from studies.tables.labels import CAVEAT
from tests.studies.conftest import STUDY

GOOD = "chip,pj_per_synop,source,remark\nA,20,Someone 2014,\nB,0.5,Other 2020,estimated\n"


@pytest.fixture
def chips(tmp_path) -> pd.DataFrame:
    path = tmp_path / "chips.csv"
    path.write_text(GOOD)
    return load_chips(path)


def metrics(*keys: str) -> pd.DataFrame:
    """Two conditions with two seeds each, read twice; only the end counts."""
    rows = [
        {"reset": reset, "seed": seed, "time_ms": time, "accuracy": 0.5, "synops_per_image": synops * time,
         "energy_nj": 1.0, "ann_energy_nj": 7.0}
        for reset, base in (("zero", 100), ("subtract", 300)) for seed, synops in ((0, base), (1, base + 100))
        for time in (1, 10)
    ]  # fmt: skip
    return pd.DataFrame(rows)[[*keys, "seed", "time_ms", *list(rows[0])[3:]]]


def test_mean_operations_at_the_end_times_the_energy_of_one(chips):
    table = energies(metrics("reset"), chips)
    assert list(table["reset"]) == ["zero", "subtract"]
    by_reset = table.set_index("reset")
    assert by_reset.loc["zero", "synops_per_image"] == 1500
    assert by_reset.loc["zero", "A"] == pytest.approx(1500 * 20e-3)
    assert by_reset.loc["subtract", "B"] == pytest.approx(3500 * 0.5e-3)
    assert list(by_reset["ann_energy_nj"]) == [7, 7]


def test_a_study_without_a_grid_is_one_row(chips):
    part = metrics("reset").query("reset == 'zero'").drop(columns="reset")
    table = energies(part, chips)
    assert table["A"].tolist() == pytest.approx([30.0])


def test_the_text_names_every_source_and_what_is_left_out(chips):
    printed = describe_energies(metrics("reset"), chips)
    assert "A: 20 pJ per synaptic operation, Someone 2014" in printed
    assert "(estimated)" in printed
    assert "A (nJ)" in printed
    assert CAVEAT in printed


def test_every_shipped_chip_has_a_source():
    chips = load_chips()
    assert tuple(chips.columns) == COLUMNS
    assert (chips["source"] != "").all()
    assert dict(zip(chips["chip"], chips["pj_per_synop"], strict=True))["Loihi"] == 23.6


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("B,0.5", "B,0", "pj_per_synop of 'B' is 0; it must be a number above 0, in pJ"),
        ("B,0.5", "B,much", "pj_per_synop of 'B' is 'much'; it must be a number above 0"),
        ("B,0.5", "A,0.5", "'A' is there twice"),
        ("source", "origin", "has no column 'source'; it needs chip, pj_per_synop, source, remark"),
    ],
)
def test_wrong_tables(tmp_path, old, new, message):
    path = tmp_path / "chips.csv"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(StudyError, match=message):
        load_chips(path)
    with pytest.raises(StudyError, match="there is no file"):
        load_chips(tmp_path / "none.csv")


def test_the_command_reads_the_tables_of_a_study_and_another_table_of_chips(study_file, tmp_path, capsys):
    study_file.write_text(STUDY)
    run_study(load_study(study_file, quick=True), tmp_path / "tiny-quick")
    mine = tmp_path / "mine.csv"
    mine.write_text(GOOD)
    arguments = ["energy", str(study_file), "--quick", "--results", str(tmp_path), "--chips", str(mine)]
    assert main(arguments) == 0
    assert "B: 0.5 pJ per synaptic operation" in capsys.readouterr().out
    assert main([*arguments[:-1], str(tmp_path / "none.csv")]) == 2
    assert "there is no file" in capsys.readouterr().err

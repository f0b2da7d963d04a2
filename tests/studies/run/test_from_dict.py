"""A sweep from a dict gives what the same study's file gives, and refuses what that refuses, with the same words."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.datasets import load_dataset
from models.onnx_io.reading import load
from models.onnx_io.running import predict
from studies.declare.errors import StudyError
from studies.declare.study import load_study, parse_study
from studies.run import runner
from studies.run.from_dict import sweep
from studies.run.runner import run_study
from studies.tables.store import read_table

KEYS = {
    "model": "tiny.onnx", "dataset": "digits8", "images": 12, "calibration": 30, "duration_ms": 20, "readout_ms": 5,
    "normalization": ["none", "data"], "seed": [0, 1, 2],
}  # fmt: skip


@pytest.mark.parametrize("table", ["metrics", "layers"])
def test_a_dict_gives_the_table_of_the_same_file(study_file: Path, tmp_path: Path, table: str) -> None:
    run_study(load_study(study_file), tmp_path / "results")
    expected = read_table(tmp_path / "results", table)
    pd.testing.assert_frame_equal(sweep(KEYS, table=table, here=study_file.parent), expected)


def test_variants_and_arguments_are_those_of_a_file(study_file: Path, tmp_path: Path) -> None:
    variants = [{"name": "as they are"}, {"name": "leaky", "neuron": "lif_mv", "neuron.refractory": "2 ms"}]
    keys = {key: value for key, value in KEYS.items() if key != "seed"}
    found = sweep({**keys, "max_rate_hz": (500.0, 1000.0)}, variants, here=study_file.parent)
    fixed = tomllib.loads(study_file.read_text())["fixed"]
    grid = {"normalization": ["none", "data"], "max_rate_hz": [500.0, 1000.0]}
    content = {"title": "", "question": "", "fixed": fixed, "grid": grid, "variants": variants}
    study = parse_study(content, "another", study_file.parent)
    expected = read_table(run_study(study, tmp_path / "results"), "metrics")
    assert list(found["variant"].unique()) == ["as they are", "leaky"]
    pd.testing.assert_frame_equal(found, expected)


def test_a_folder_keeps_what_has_run(study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, rows_of = [], runner.rows_of
    monkeypatch.setattr(runner, "rows_of", lambda jobs: asked.extend(j.condition.seed for j in jobs) or rows_of(jobs))
    place = {"folder": tmp_path / "kept", "here": study_file.parent}
    few = sweep({**KEYS, "normalization": "data", "seed": [0, 1]}, **place)
    more = sweep({**KEYS, "normalization": "data", "seed": [0, 1, 2]}, **place)
    assert asked == [0, 1, 2]
    pd.testing.assert_frame_equal(more[more["seed"] < 2].reset_index(drop=True), few)
    assert not (study_file.parent / "results").exists()


def test_a_list_per_channel_is_one_value(study_file: Path) -> None:
    found = sweep({**KEYS, "normalization": "data", "seed": 0, "mean": [0.5]}, here=study_file.parent)
    assert list(found.columns[:2]) == ["seed", "time_ms"]
    assert len(found) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"v_th": -1}, "v_th is -1; it must be a number above 0"),
        ({"v_th": [1, "high"]}, "v_th is 'high'; it must be a number above 0"),
        ({"treshold": 1}, "unknown key 'treshold'"),
        ({"seed": []}, "grid: seed is []; it must be a list of at least one value"),
        ({"tau_m_ms": 20}, "tau_m_ms is 20, but has no effect: neuron is 'if', and only 'lif'"),
        ({"model": "other.onnx"}, "other.onnx"),
    ],
)
def test_what_a_file_would_be_refused_for_is_refused_in_a_line(study_file: Path, changes, message: str) -> None:
    with pytest.raises((ValueError, OSError)) as caught:
        sweep({**KEYS, **changes}, here=study_file.parent)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(StudyError, match="unknown table 'metric'; did you mean 'metrics'"):
        sweep(KEYS, table="metric")


def test_predictions_are_a_row_per_image_with_both_answers(study_file: Path) -> None:
    found = sweep({**KEYS, "seed": 0}, table="predictions", here=study_file.parent)
    digits = load_dataset("digits8")
    ann = predict(load(study_file.parent / "tiny.onnx"), digits.x[:12]).argmax(axis=1)
    measured = ["image", "label", "ann_answer", "answer", "since_ms", "spikes"]
    assert list(found.columns) == ["normalization", "seed", *measured]
    for _, rows in found.groupby("normalization"):
        np.testing.assert_array_equal(rows["image"], range(12))
        np.testing.assert_array_equal(rows["label"], digits.y[:12])
        np.testing.assert_array_equal(rows["ann_answer"], ann)
        assert set(rows["since_ms"].dropna()) <= {5, 10, 15, 20}


def test_predictions_run_again_what_lacks_them_and_go_where_some_do(study_file: Path, tmp_path: Path) -> None:
    study, folder = load_study(study_file, quick=True), tmp_path / "results"
    run_study(study, folder)
    metrics = (folder / "metrics.csv").read_bytes()
    assert not (folder / "predictions.csv").exists()
    run_study(study, folder, predictions=True)
    first = (folder / "predictions.csv").read_bytes()
    assert (folder / "metrics.csv").read_bytes() == metrics
    run_study(study, folder)
    assert (folder / "predictions.csv").read_bytes() == first
    run_study(load_study(study_file), folder)
    assert not (folder / "predictions.csv").exists()


def test_a_detector_has_no_predictions(tmp_path: Path) -> None:
    keys = {"model": "digit_detector", "dataset": "digit_scenes", "images": 2, "neuron": "signed"}
    with pytest.raises(StudyError, match=r"finds boxes, which boxes\.csv has"):
        sweep({**keys, "encoder": "constant", "readout": "potential"}, table="predictions", here=tmp_path)

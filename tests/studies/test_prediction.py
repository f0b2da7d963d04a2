"""Predictions beside measurements: whose they are, and what is read from a table worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.datasets.loading import load_dataset
from models.onnx_io.reading import load
from models.shot_noise import shot_noise
from studies.__main__ import main
from studies.declare.errors import StudyError
from studies.declare.study import load_study
from studies.prediction import correlations, draw_predictions, predictions, rank_correlation
from studies.run.runner import run_study

TIMES = [5, 10, 15, 20]
AGREEMENTS = [  # per condition: settled at 10, not for good, at once
    [0.9, 0.95, 1.0, 0.96],
    [0.97, 0.99, 1.0, 0.9],
    [1.0, 1.0, 1.0, 1.0],
]


@pytest.fixture
def study(study_file):
    text = study_file.read_text().replace('["none", "data"]', '["none", "data", "percentile"]')
    study_file.write_text(text.replace("seed = [0, 1, 2]", "seed = [0]"))
    return load_study(study_file)


@pytest.fixture
def folder(tmp_path, study):
    """The results of a study of three conditions, as if it had run."""
    folder = tmp_path / "results"
    folder.mkdir()
    rows = [
        {"normalization": c.normalization, "seed": 0, "time_ms": t, "accuracy": a - 0.2, "ann_accuracy": 0.85,
         "agreement": a}
        for c, some in zip(study.conditions, AGREEMENTS, strict=True)
        for t, a in zip(TIMES, some, strict=True)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)
    return folder


def test_measurements_are_those_of_the_condition(study, folder) -> None:
    found = predictions(study, folder)
    assert found["normalization"].to_list() == ["none", "data", "percentile"]
    np.testing.assert_array_equal(found["agreed_ms"], [10, np.nan, 5])
    np.testing.assert_allclose(found["disagreement"], [0.04, 0.1, 0])
    np.testing.assert_allclose(found["loss"], [0.09, 0.15, 0.05])


def test_the_prediction_is_the_median_layer_on_the_calibration_images(study, folder) -> None:
    found = predictions(study, folder)
    graph, images = load(study.folder / "tiny.onnx"), load_dataset("digits8").x[-30:]
    steps = shot_noise(graph, images)["steps"]
    calibrated = found[found["normalization"] != "none"]  # one scale per layer changes nothing
    assert set(calibrated["noisiest_layer"]) == {steps.idxmax()}
    np.testing.assert_allclose(calibrated["noisiest_steps"], steps.max(), rtol=1e-3)
    np.testing.assert_allclose(calibrated["noise_steps"], np.median(steps), rtol=1e-3)


def test_tables_of_other_conditions_are_refused(study, folder) -> None:
    table = pd.read_csv(folder / "metrics.csv")
    table[table["normalization"] != "data"].to_csv(folder / "metrics.csv", index=False)
    with pytest.raises(StudyError, match="has 3 conditions, but its tables 2; run it again"):
        predictions(study, folder)


def test_the_order_of_ranks_is_what_correlates_and_what_is_not_reached_comes_last() -> None:
    table = pd.DataFrame({"noise_steps": [1, 10, 100, 1000], "a": [5, 6, 700, np.nan], "b": [9, 9, 9, 9]})
    assert rank_correlation(table, "a") == pytest.approx(1)
    assert rank_correlation(table.assign(a=[np.nan, 3, 2, 1]), "a") == pytest.approx(-1)
    assert np.isnan(rank_correlation(table, "b"))


def test_each_input_code_has_an_order_of_its_own() -> None:
    columns = {"encoder": ["a", "a", "b", "b"], "noise_steps": [1, 10, 1, 10]}
    found = correlations(pd.DataFrame(columns | {"agreed_ms": [5, 6, 60, 50], "disagreement": [0.1, 0.2, 0.3, 0.4]}))
    assert found["encoder"].to_list() == ["a", "b"]
    np.testing.assert_allclose(found[["agreed_ms", "disagreement"]], [[1, 1], [-1, 1]])


def test_every_condition_is_drawn_hollow_without_decay_and_at_the_end_if_not_reached() -> None:
    columns = {"encoder": ["a", "b", "b"], "model": ["x", "x_no_decay_seed1", "x"], "noise_steps": [1.0, 10, 100]}
    table = pd.DataFrame(columns | {"agreed_ms": [5, np.nan, 8], "disagreement": [0.0, 0.2, 0.1]})
    axes = draw_predictions(table, 400).axes
    drawn = [sorted(map(tuple, np.vstack([dots.get_offsets() for dots in each.collections]))) for each in axes]
    assert drawn == [[(1, 5), (10, 400), (100, 8)], [(1, 0.05), (10, 0.2), (100, 0.1)]]
    hollow = {len(dots.get_offsets()) for dots in axes[1].collections if not len(dots.get_facecolors())}
    assert 1 in hollow


def test_the_command_leaves_a_table_and_a_figure(study_file, tmp_path) -> None:
    study = load_study(study_file, quick=True)
    folder = run_study(study, tmp_path / "results" / "tiny-quick")
    assert main(["predict", str(study_file), "--quick", "--results", str(tmp_path / "results")]) == 0
    assert len(pd.read_csv(folder / "predictions.csv")) == len(study.conditions)
    assert (folder / "predictions.png").is_file()
    assert pd.read_csv(folder / "correlations.csv").shape == (1, 3)

"""What the numbers that workers report amount to, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conversion.progress import counted
from studies.declare.study import load_study, parse_study
from studies.run import board
from studies.run.board import WAITING, Board, labels_of, open_board, reported, share, works_of, writer
from studies.run.files import Job
from tests.studies.conftest import STUDY, tiny_network


def test_a_line_says_what_is_finished_what_runs_and_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of works 10, 10 and 20 a half, a tenth and nothing: 6 of 40 took 12 s, so the other 34 take 68."""
    now = 1000.0
    monkeypatch.setattr(board.time, "monotonic", lambda: now)
    places = np.full(3, WAITING)
    shown = Board(["a", "b", "c"], [1, 2, 1], [[10.0], [5.0, 5.0], [20.0]], Path(), places, finished=4)
    assert shown.line() == "4 of 8 conditions; waiting for workers"
    places[0] = 0.0
    assert shown.line() == "4 of 8 conditions; running: a 0 %"
    places[:2] = 0.1, 0.0
    shown.line()
    now += 12
    places[:2] = 0.5, 0.2
    assert shown.line() == "4 of 8 conditions, about 68 s left; running: a 50 %, b 10 %"
    now += 12  # 10 of 40 in 24 s
    places[0] = 1.0
    shown.end(0)
    places[1] = WAITING  # its worker was killed
    assert shown.line() == "5 of 8 conditions, about 72 s left; waiting for workers"
    shown.end(1)
    shown.end(2)
    assert shown.line() == "8 of 8 conditions"


@pytest.mark.parametrize(
    ("at", "part"), [(0.0, 0.0), (0.5, 0.125), (1.0, 0.25), (2.0, 0.5), (2.5, 0.75), (3.0, 1.0), (7.5, 1.0)]
)
def test_a_share_counts_each_simulation_by_its_work(at: float, part: float) -> None:
    assert share(at, [1, 1, 2]) == part


def test_what_a_worker_does_is_read_from_its_place_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "board"
    np.full(3, WAITING).tofile(file)
    seen = []
    with reported(writer(file, 1)):
        seen.append(np.fromfile(file)[1])
        for steps in (4, 2):
            with counted(steps, bar=False) as advance:
                for _ in range(steps):
                    advance()
                    seen.append(np.fromfile(file)[1])
    assert seen == [0, 0.25, 0.5, 0.75, 1, 1.5, 2]
    np.testing.assert_array_equal(np.fromfile(file), [WAITING, 2, WAITING])


def test_a_worker_that_has_not_the_file_reports_nothing(tmp_path: Path) -> None:
    with reported(writer(tmp_path / "gone", 0)), counted(1, bar=False) as advance:
        advance()
    assert list(tmp_path.iterdir()) == []


def test_a_board_is_gone_afterwards_also_when_interrupted(
    study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    study = load_study(study_file)
    before = sorted(tmp_path.iterdir())
    groups = [[Job(c, study.folder)] for c in study.conditions]

    def interrupted() -> None:
        with open_board(study, groups, finished=1) as opened:
            assert opened.file.is_relative_to(tmp_path)
            assert opened.line() == "1 of 7 conditions; waiting for workers"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sorted(tmp_path.iterdir()) == before


# What a condition has to do


@pytest.mark.parametrize(
    ("fixed", "works"),
    [
        ({}, [250 * 12 * 20]),
        ({"dt_ms": 0.5}, [250 * 12 * 40]),
        ({"residual_ms": 5}, [250 * 12 * 5, 250 * 12 * 20]),
        ({"bias_calibration": "mean"}, [192 * 30 * 20, 250 * 30 * 20, 250 * 12 * 20]),
        (
            {"neuron": "lif", "tau_m_ms": 5, "matching": "calibrated"},
            [192 * 50 * 20] * 3 + [250 * 50 * 20] * 3 + [250 * 12 * 20],
        ),
        ({"normalization": "spike", "calibration_ms": 7}, [192 * 30 * 7, 250 * 30 * 7, 250 * 12 * 20]),
        (
            {"normalization": "spike", "bias_calibration": "mean"},
            [192 * 30 * 20, 250 * 30 * 20, 192 * 30 * 20, 250 * 30 * 20, 250 * 12 * 20],
        ),
    ],
)
def test_calibrations_simulate_what_lies_before_a_layer_and_the_test_everything(
    fixed: dict, works: list[float]
) -> None:
    """A convolution of 3 * 8 * 8 neurons, pooling of 3 * 4 * 4, 10 outputs; see the study of conftest."""
    common = {"model": "tiny.onnx", "dataset": "digits8", "images": 12, "calibration": 30, "duration_ms": 20}
    content = {"title": "", "question": "", "fixed": {"normalization": "data", **common, **fixed}}
    (condition,) = parse_study(content, "tiny", Path()).conditions
    assert works_of(condition, *board._sizes(tiny_network())) == pytest.approx(works)


def test_a_condition_is_called_by_what_tells_it_from_others(study_file: Path) -> None:
    study_file.write_text(STUDY.replace("seed = [0, 1, 2]", "dt_ms = [0.5]\nseed = [0, 1]"))
    study = load_study(study_file)
    assert labels_of(study, study.conditions) == ["none seed 0", "none seed 1", "data seed 0", "data seed 1"]
    study_file.write_text(STUDY.replace('["none", "data"]', '["data"]').replace("[0, 1, 2]", "[3]"))
    alone = load_study(study_file)
    assert labels_of(alone, alone.conditions) == ["tiny"]

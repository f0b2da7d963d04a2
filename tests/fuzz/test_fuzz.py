"""A small share of the cases of `make fuzz`, always the same ones, and what the fuzzer itself calls a finding."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from models.onnx_io import OnnxError
from tests.fuzz import npz_files, onnx_files, outcome, spiking
from tests.fuzz.outcome import Wrong, outcome_of
from tests.fuzz.watch import judge, make
from tests.studies.conftest import tiny_network


def findings(kind: str, seed: int, cases: int, folder: Path) -> list[str]:
    found = []
    for number in range(cases):
        (here := folder / f"{kind}-{seed}-{number}").mkdir()
        make(kind, seed, number, here)
        came = judge(kind, here)
        found += [f"{here}: {came.kind} {came.words}"] if came.is_finding else []
    return found


@pytest.mark.parametrize(("kind", "cases"), [("onnx", 120), ("study", 25), ("npz", 60)])
def test_nothing_is_found(tmp_path: Path, kind: str, cases: int) -> None:
    assert findings(kind, 1000, cases, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "cases"), [("onnx", 3000), ("study", 300), ("npz", 1000)])
def test_nothing_is_found_in_many_cases(tmp_path: Path, kind: str, cases: int) -> None:
    assert findings(kind, 2000, cases, tmp_path) == []


def test_a_case_is_the_same_for_the_same_number(tmp_path: Path) -> None:
    contents = []
    for name in "ab":
        (tmp_path / name).mkdir()
        make("onnx", 3, 7, tmp_path / name)
        contents.append((tmp_path / name / onnx_files.NAME).read_bytes())
    assert contents[0] == contents[1]


def _loud(folder: Path) -> str:
    warnings.warn("something", RuntimeWarning, stacklevel=1)
    return "equal"


def _raises(error: Exception):
    def fail(folder: Path) -> str:
        raise error

    return fail


@pytest.mark.parametrize(
    ("judged", "kind"),
    [
        (lambda folder: "equal", "equal"),
        (_raises(OnnxError("x.onnx: no weights")), "refused"),
        (_raises(OnnxError("x.onnx: cannot be read, KeyError: 3")), "vague"),
        (_raises(OnnxError("no weights")), "line"),
        (_raises(OnnxError("x.onnx: no\nweights")), "line"),
        (_raises(OnnxError("x.onnx: \x1b[2J")), "line"),
        (_raises(KeyError("x.onnx")), "traceback"),
        (_raises(Wrong("x")), "wrong"),
        (_loud, "warning"),
        (lambda folder: time.sleep(2) or "equal", "hang"),
    ],
)
def test_what_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judged, kind: str) -> None:
    monkeypatch.setattr(outcome, "SECONDS", 0.2)
    assert outcome_of(judged, tmp_path, (OnnxError,), "x.onnx").kind == kind


def test_other_numbers_than_those_of_onnxruntime_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = onnx_files.predict
    monkeypatch.setattr(onnx_files, "predict", lambda graph, x: right(graph, x) * 1.01)
    assert any(": wrong until" in line for line in findings("onnx", 1000, 30, tmp_path))


def test_other_spikes_than_the_activations_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = tiny_network()
    assert spiking.spiking_error(graph) < onnx_files.LARGEST_ERROR
    right = spiking.predict
    monkeypatch.setattr(spiking, "predict", lambda graph, x: -right(graph, x))
    assert spiking.spiking_error(graph) > onnx_files.LARGEST_ERROR


def test_other_images_than_those_of_the_file_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / npz_files.NAME, x=np.full((5, 8, 8), 200, np.uint8), y=np.arange(5))
    assert npz_files.judge(tmp_path).kind == "equal"
    right = npz_files.load_dataset(str(tmp_path / npz_files.NAME))
    right.x[0] = 0.5
    monkeypatch.setattr(npz_files, "load_dataset", lambda path: right)
    assert npz_files.judge(tmp_path).kind == "wrong"

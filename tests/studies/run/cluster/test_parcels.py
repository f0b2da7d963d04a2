"""Files for a machine that does not have them: whole, beside what they refer to, and found by what conditions say."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.onnx_io.reading import load as load_onnx
from studies.declare.conditions import condition
from studies.run.cluster.parcels import located, pack, unpack
from studies.run.files import Job
from studies.run.keys import key_of


def digits(path: Path, value: float) -> None:
    np.savez(path, x=np.full((50, 8, 8), value), y=np.zeros(50, int))


@pytest.fixture
def job(study_file: Path) -> Job:
    (study_file.parent / "sub").mkdir()
    digits(study_file.parent / "sub" / "some.npz", 0.25)
    return Job(condition({"model": "tiny.onnx", "dataset": "sub/some.npz", "images": 4}), study_file.parent)


def elsewhere(job: Job, scratch: Path) -> Job:
    """The job as another machine has it."""
    ((packed,),), contents = pack([[job]])
    unpack(contents, scratch)
    return located(packed, scratch)


def test_a_job_has_the_same_key_where_only_its_parcel_is(job: Job, tmp_path: Path) -> None:
    there, key = elsewhere(job, tmp_path / "scratch"), key_of(job)
    for path in (job.folder / "tiny.onnx", job.folder / "sub" / "some.npz"):
        path.unlink()
    assert key_of(there) == key


def test_external_weights_go_along(job: Job, tmp_path: Path) -> None:
    path = job.folder / "tiny.onnx"
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    there = elsewhere(job, tmp_path / "scratch")
    np.testing.assert_array_equal(load_onnx(there.path("tiny.onnx")).output.weight, load_onnx(path).output.weight)


def test_files_of_one_name_and_other_bytes_lie_apart(job: Job, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    before = elsewhere(job, scratch).path("sub/some.npz")
    old = before.read_bytes()
    assert elsewhere(job, scratch).path("sub/some.npz") == before
    digits(job.folder / "sub" / "some.npz", 0.5)
    assert elsewhere(job, scratch).path("sub/some.npz") != before
    assert before.read_bytes() == old


def test_what_ships_with_the_project_stays_at_home(tmp_path: Path) -> None:
    shipped = Job(condition({"model": "mnist_convnet", "dataset": "digits8", "images": 4}), tmp_path, tmp_path)
    assert pack([[shipped]]) == ([[replace(shipped, folder=Path(), data_dir=None)]], {})


def test_nothing_is_written_twice(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(job, tmp_path / "scratch")
    monkeypatch.setattr(os, "replace", lambda *args: pytest.fail("written again"))
    elsewhere(job, tmp_path / "scratch")

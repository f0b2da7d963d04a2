"""A network of one output, from its file to its rows, against the sign of its logit."""

from __future__ import annotations

import numpy as np
import pytest

from models.graph import LINEAR, Dense, Flatten, sequential
from models.onnx_io.writing import save
from studies.declare.conditions import condition
from studies.declare.errors import StudyError
from studies.run.experiment import check_job, rows_of
from studies.run.files import Job

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 4, 4)).astype(np.float32)
WEIGHT = RNG.normal(size=(1, 16)).astype(np.float32)
LOGITS = IMAGES.reshape(40, 16).astype(np.float64) @ WEIGHT[0]
LABELS = np.where(RNG.random(40) < 0.8, LOGITS > 0, LOGITS <= 0).astype(np.int64)  # the network knows about 80 %


@pytest.fixture
def job(tmp_path):
    flat, output = Flatten(name="flat", inputs=("",)), Dense(name="fc", inputs=("",), weight=WEIGHT, activation=LINEAR)
    save(sequential((1, 4, 4), flat, output), tmp_path / "one.onnx")
    np.savez(tmp_path / "some.npz", x=IMAGES, y=LABELS)
    base = {"model": "one.onnx", "dataset": "some.npz", "images": 40, "encoder": "constant", "duration_ms": 10}
    return lambda **values: Job(condition(base | values), tmp_path)


def test_the_potential_of_a_logit_answers_as_the_ann_does(job):
    check_job(job(readout="potential"))
    ((last,),) = ([rows["metrics"]] for rows in rows_of([job(readout="potential")]))
    right = np.mean((LOGITS > 0) == LABELS)
    assert 0.6 < right < 1
    assert last["accuracy"] == last["ann_accuracy"] == [pytest.approx(right)] * 10
    assert (last["agreement"], last["unanswered_share"]) == ([1] * 10, [0] * 10)


def test_its_spikes_are_refused_before_anything_is_simulated(job):
    with pytest.raises(StudyError, match=r"readout is 'count'; the network has one output.*must be 'potential'"):
        check_job(job(readout="count"))


def test_a_third_class_is_refused(job, tmp_path):
    np.savez(tmp_path / "some.npz", x=IMAGES, y=LABELS * 2)
    with pytest.raises(StudyError, match="has a label 2, but the network knows 2 classes"):
        check_job(job(readout="potential"))

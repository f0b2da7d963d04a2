"""What is measured of a detector, on recordings small enough to know the boxes."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pandas as pd
import pytest

from conversion.recording import Recording, delay_evaluation
from models.datasets.files import DatasetError
from models.datasets.loading import find_file
from models.detection.boxes import pad_boxes
from models.detection.yolo import Head, detect, metadata
from models.graph import INPUT, LINEAR, Conv2d, sequential
from models.onnx_io.writing import to_onnx
from models.yolo_lite import VOC, yolo_lite
from models.yolo_lite import WEIGHTS as YOLO_LITE
from studies.declare.columns import BOX_COLUMNS, DETECTION_COLUMNS
from studies.declare.conditions import condition
from studies.declare.errors import StudyError
from studies.measure.detection import as_truth, box_table, boxes_over_time, measure_boxes, output_scale
from studies.run.experiment import rows_of
from studies.run.files import Job

HEAD = Head(anchors=((1.0, 1.0),), classes=("cat", "dog"))
CAT, DOG = [0, 0.0, 0.0, 0.5, 0.5, 0], [1, 0.5, 0.5, 1.0, 1.0, 0]  # the first and the last cell of two by two


def raw(*found: tuple[int, float]) -> np.ndarray:
    """An output that finds a cat or a dog, by number and objectness, in the first and the last cell."""
    values = np.zeros((7, 2, 2), np.float32)
    values[4] = -30
    for number, objectness in found:
        values[4:, number, number] = [objectness, 30 * (number == 0), 30 * (number == 1)]
    return values


def recording(*outputs: np.ndarray) -> Recording:
    """One image under 500 Hz for 1, read every 20 ms: potentials are outputs times 10, 20, ..."""
    times = 0.02 * np.arange(1, len(outputs) + 1)
    potentials = np.stack([output * time * 500 for output, time in zip(outputs, times, strict=True)])[:, None]
    ones = np.ones((len(outputs), 1))
    return Recording(
        dt=0.001, duration=times[-1], max_rate=500.0, times=times, output_counts=np.zeros_like(potentials),
        output_potentials=potentials.astype(np.float32), populations=("head",), shapes={"head": (7, 2, 2)},
        spikes=5 * ones, synops=1000 * ones, spike_counts={}, largest_count=1.0,
    )  # fmt: skip


def test_boxes_are_those_of_the_potential_over_time_in_units_of_the_trained_output():
    output = raw((0, 2.0), (1, 1.0))
    for scale in (1.0, 8.0):
        found = boxes_over_time(recording(output / scale, output / scale), scale, HEAD)
        assert len(found) == 2
        for each in found:
            np.testing.assert_allclose(each[0], detect(output[None], HEAD)[0], rtol=1e-5)


def test_boxes_of_a_delayed_evaluation_are_those_of_the_steady_output():
    """For 20 ms nothing arrives, then the output; over the whole time so far it would be half of it at 40 ms."""
    output = raw((0, 2.0), (1, 1.0))
    slow = recording(output * 0, output / 2, output * 2 / 3)
    (whole, *_), (steady, *_) = (boxes_over_time(each, 1.0, HEAD)[0] for each in (slow, delay_evaluation(slow, 0.02)))
    np.testing.assert_allclose(steady, detect(output[None], HEAD)[0], rtol=1e-5)
    assert whole[0, 5] != pytest.approx(steady[0, 5], rel=0.01)


def test_metrics_by_hand():
    """First nothing, then a dog where the ANN has a cat and a dog, then both; the truth has the dog and another cat."""
    ann = detect(raw((0, 2.0), (1, 2.0))[None], HEAD)
    over_time = recording(raw(), raw((1, 2.0)), raw((0, 2.0), (1, 2.0)))
    truth = pad_boxes([np.array([DOG, [0, 0.0, 0.5, 0.5, 1.0, 0]])])
    found = boxes_over_time(over_time, 1.0, HEAD)
    table = measure_boxes(over_time, found, ann, truth, ann_energy_nj=3.0, input_energy_nj=0.5)
    assert tuple(table.columns) == DETECTION_COLUMNS
    np.testing.assert_allclose(table["time_ms"], [20, 40, 60])
    np.testing.assert_allclose(table["map_50"], [0, 0.5, 0.5])
    np.testing.assert_allclose(table["ann_map_50"], [0.5] * 3)
    np.testing.assert_allclose(table["fidelity_map_50"], [0, 0.5, 1])
    np.testing.assert_allclose(table["map_50_low"], table["map_50"])  # one image is always the one that is drawn
    np.testing.assert_allclose(table["fidelity_map_50_high"], table["fidelity_map_50"])
    np.testing.assert_allclose(table["spikes_per_image"], [5] * 3)
    np.testing.assert_allclose(table["energy_nj"], [1000 * 0.9e-3 + 0.5] * 3)
    np.testing.assert_allclose(table["ann_energy_nj"], [3] * 3)
    np.testing.assert_allclose(table["time_to_99_ms"], [40] * 3)


def test_without_a_truth_there_is_fidelity_alone():
    output = raw((0, 2.0))
    over_time = recording(output)
    found, ann = boxes_over_time(over_time, 1.0, HEAD), detect(output[None], HEAD)
    (row,) = measure_boxes(over_time, found, ann, np.zeros((1, 0, 6))).to_dict("records")
    assert row["fidelity_map_50"] == pytest.approx(1)
    assert all(math.isnan(row[name]) for name in ("map_50", "ann_map_50", "time_to_99_ms", "time_to_99_9_ms"))


def test_only_boxes_that_the_ann_is_sure_of_are_a_truth():
    found = [np.array([[0, 0, 0, 1, 1, 0.31], [1, 0, 0, 1, 1, 0.29]]), np.empty((0, 6))]
    first, second = as_truth(found)
    np.testing.assert_array_equal(first, [[0, 0, 0, 1, 1, 0]])
    assert second.shape == (0, 6)


def scaled(factor: float):
    """Two images of two channels through a convolution, whose output is so many times as large."""
    weight = np.random.default_rng(0).normal(size=(4, 2, 1, 1)).astype(np.float32)
    convolution = Conv2d(name="conv", inputs=(INPUT,), weight=weight * np.float32(factor), activation=LINEAR)
    return sequential((2, 3, 3), convolution)


def test_the_scale_of_the_output_is_what_normalisation_divides_by():
    images = np.random.default_rng(1).random((2, 2, 3, 3)).astype(np.float32)
    assert output_scale(scaled(1), scaled(1 / 7), images) == pytest.approx(7, rel=1e-6)


def test_an_image_without_any_output_does_not_hide_the_scale():
    images = np.random.default_rng(1).random((2, 2, 3, 3)).astype(np.float32)
    images[0] = 0
    assert output_scale(scaled(1), scaled(1 / 7), images) == pytest.approx(7, rel=1e-6)


def test_a_detector_that_puts_out_nothing_is_refused():
    with pytest.raises(StudyError, match="the network puts out 0 for all 2 images, so that no boxes can be read"):
        output_scale(scaled(1), scaled(1 / 7), np.zeros((2, 2, 3, 3), np.float32))


def test_boxes_to_draw_have_names_and_images_without_any_have_a_row():
    over_time = recording(raw(), raw((1, 2.0), (0, -2.0)))
    found, ann = boxes_over_time(over_time, 1.0, HEAD), detect(raw((0, 2.0))[None], HEAD)
    table = box_table(over_time.times * 1e3, found, ann, HEAD)
    assert tuple(table.columns) == BOX_COLUMNS
    assert list(table["source"]) == ["snn", "snn", "ann"]
    assert list(table["class"]) == ["", "dog", "cat"]  # the second image's cat has a score of 0.12
    np.testing.assert_array_equal(table["time_ms"], [20, 40, np.nan])
    np.testing.assert_array_equal(table["image"], [0, 0, 0])
    corners = table[["x0", "y0", "x1", "y1"]].to_numpy()
    assert np.isnan(corners[0]).all()
    np.testing.assert_allclose(corners[1:], [DOG[1:5], CAT[1:5]], atol=1e-6)
    np.testing.assert_allclose(table["score"][1:], 1 / (1 + math.exp(-2)), rtol=1e-5)


@pytest.mark.slow
def test_the_spiking_yolo_lite_finds_what_is_in_the_photographs(real_data, tmp_path):
    """dog.jpg shows a bicycle, a dog and a car, person.jpg a person and a dog (and a horse, which the ANN misses)."""
    real_data("photos")
    try:
        graph, _ = yolo_lite(find_file(YOLO_LITE))
    except DatasetError as error:
        pytest.skip(str(error))
    model = to_onnx(graph)
    onnx.helper.set_model_props(model, dict(metadata(VOC)))
    onnx.save(model, tmp_path / "yolo_lite.onnx")
    settings = {
        "model": "yolo_lite.onnx", "dataset": "photos", "images": 2, "calibration": 14,
        "calibration_dataset": "voc2007_test14", "normalization": "channel", "headroom": 2, "neuron": "signed",
        "encoder": "constant", "readout": "potential", "duration_ms": 400, "readout_ms": 400, "memory_gb": 2,
    }  # fmt: skip
    (tables,) = rows_of([Job(condition(settings), tmp_path)])
    assert tables["metrics"]["fidelity_map_50"][-1] >= 0.95
    found = pd.DataFrame(tables["boxes"]).query("source == 'snn'").groupby("image")["class"].agg(set)
    assert {"bicycle", "dog", "car"} <= found[0]
    assert {"person", "dog"} <= found[1]

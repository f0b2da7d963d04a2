"""The lab says what `simulate` and onnxruntime say of the same image, and what a study writes of the same settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from brian2 import Hz, ms, mV

from conversion.normalize import normalize
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.datasets.loading import load_dataset
from models.encoders import Poisson
from models.neurons.leaky import leaky_membrane
from models.neurons.linear import integrate_and_fire
from models.onnx_io.reading import load
from models.onnx_io.running import activations, predict
from models.paths import WEIGHTS
from studies.__main__ import main
from studies.lab import answer, measure, study_text, summary, tried, verdict
from studies.lab.answer import readable

SETTINGS = {
    "model": "mnist_mlp", "dataset": "digits", "images": 12, "calibration": 50, "normalization": "data",
    "duration_ms": 40.0, "v_th": 0.8, "seed": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def normalised(digits):
    return normalize(load(WEIGHTS / "mnist_mlp.onnx"), digits.x[-50:], "data")


@pytest.fixture(scope="module")
def found():
    return answer(SETTINGS, 5)


def simulation(**settings):
    every = {"neuron": integrate_and_fire(v_th=0.8), "encoder": Poisson(1000 * Hz), "duration": 40 * ms, "seed": 3}
    return Simulation(**(every | settings))


def test_spikes_are_those_of_simulate(found, digits, normalised):
    direct = simulate(normalised, digits.x[5:6], simulation())
    for name, counts in direct.spike_counts.items():
        np.testing.assert_array_equal(found.recording.spike_counts[name], counts)
        assert len(found.recording.rasters[name]) == counts.sum()
    assert found.prepared.labels == digits.y[5]


def test_the_ann_is_that_of_onnxruntime(found, digits, normalised):
    np.testing.assert_allclose(found.ann, predict(normalised, digits.x[5:6])[0], rtol=1e-5, atol=1e-6)
    hidden = activations(normalised, digits.x[5:6], ["fc1"])["fc1"]
    np.testing.assert_allclose(found.activations["fc1"], hidden, rtol=1e-5, atol=1e-6)


def test_the_verdict_names_both_answers(found, digits, normalised):
    direct = simulate(normalised, digits.x[5:6], simulation())
    said, ann = direct.output_counts[-1, 0].argmax(), predict(normalised, digits.x[5:6])[0].argmax()
    spikes = f"After 40 ms and {direct.spikes[-1].sum():,.0f} spikes"
    assert verdict(found) == f"{spikes} the spiking network says {said}, the ANN {ann}. The label is {digits.y[5]}."


def test_a_network_that_is_silent_as_yet_has_no_answer(found):
    assert found.recording.output_counts[0].sum() == 0
    assert "After 1 ms" in verdict(found, 1.0)
    assert "no answer, no output neuron has spiked yet" in verdict(found, 1.0)


def test_a_network_that_dies_says_what_may_help():
    assert "no output neuron has spiked; a lower threshold, a longer" in verdict(answer(SETTINGS | {"v_th": 50.0}))


def test_a_drawing_has_no_label(digits):
    drawn = answer(SETTINGS, digits.x[5])
    assert "label" not in verdict(drawn)
    np.testing.assert_array_equal(drawn.recording.output_counts, answer(SETTINGS, 5).recording.output_counts)


def test_potentials_are_in_units_of_activation_above_the_rest(digits, normalised):
    """A leaky membrane in mV: its rest is at -65 mV, and a spike of weight 1 brings the 15 mV up to its threshold."""
    settings = {key: value for key, value in SETTINGS.items() if key != "v_th"}
    found = answer(settings | {"neuron": "lif_mv"}, 5)
    direct = simulate(normalised, digits.x[5:6], replace(simulation(neuron=leaky_membrane()), probe=found.probe))
    for name, trace in direct.traces.items():
        np.testing.assert_allclose(
            found.recording.traces[name], (trace + float(65 * mV)) / float(15 * mV), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("changes", "image", "message"),
    [
        ({"v_th": 0.0}, 0, "v_th is 0.0; it must be a number above 0"),
        ({"model": "mine.onnx"}, 0, "mine.onnx"),
        ({"duration_ms": 40.5}, 0, "it must be a whole number of steps"),
        ({}, 12, "image is 12; it must be a whole number from 0 to 11"),
        ({}, np.zeros((1, 8, 8), np.float32), "the drawing has shape (1, 8, 8), but the network reads (1, 28, 28)"),
        ({"neuron": "lif", "tau_m_ms": 5.0, "matching": "fi", "refractory_ms": 2.0}, 0, "lower that rate"),
        ({"model": "digit_detector", "dataset": "digit_scenes", "neuron": "signed", "readout": "potential",
          "images": 2, "calibration": 2}, 0, "the lab shows networks that name classes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(changes, image, message):
    found, said = tried(answer, SETTINGS | changes, image)
    assert found is None
    assert message in said
    assert "\n" not in said


def test_an_error_of_ones_own_code_is_one_line_too():
    assert tried(lambda: {}["a\nb"]) == (None, r"KeyError: 'a\nb'")


def test_the_test_images_are_measured_as_a_study_measures_them(tmp_path):
    """Two settings; the file that the lab hands out, run by the command, writes the same table."""
    named = {"A": SETTINGS, "B": SETTINGS | {"v_th": 3.0}}
    (tmp_path / "mine.toml").write_text(study_text(named), encoding="utf-8")
    assert main(["run", str(tmp_path / "mine.toml"), "--jobs", "1"]) == 0
    written = pd.read_csv(tmp_path / "results" / "mine" / "metrics.csv")
    tables = {name: measure(settings) for name, settings in named.items()}
    for name, table in tables.items():
        rows = written[written["variant"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows[list(table)], table, rtol=1e-5, check_dtype=False)
    assert summary(tables)["accuracy"]["A"] == tables["A"]["accuracy"].iloc[-1]


def test_a_summary_is_readable():
    row = {"accuracy": 0.985, "ann_accuracy": 1.0, "time_to_99_ms": float("nan"), "spikes_per_image": 66281.6,
           "energy_nj": 9632.4, "ann_energy_nj": 6504.0}  # fmt: skip
    words = ["98.5%", "100.0%", "not reached", "66,282", "9,632 nJ", "6,504 nJ"]
    assert readable(pd.DataFrame({"A": row}).T).loc["A"].tolist() == words

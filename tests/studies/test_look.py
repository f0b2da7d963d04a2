"""The command that looks into a network: which figures it writes, and what it says about bad input."""

from __future__ import annotations

import numpy as np
import pytest

from conversion.plan.populations import make_plan
from models.datasets.loading import load_dataset
from models.graph import INPUT
from models.onnx_io.reading import load
from models.shot_noise import shot_noise
from studies.__main__ import main
from studies.declare.errors import StudyError
from studies.look import conditions, look, probe_of, typical_neuron
from studies.run.experiment import prepare, simulate_condition
from studies.run.files import Job

SMALL = {"model": "tiny.onnx", "dataset": "digits8", "images": 12, "calibration": 30, "duration_ms": 20}
INSIDE = {"raster", "membrane", "rates", "confusion"}
SIDE_BY_SIDE = {"accuracy", "spikes", "energy", "channels"}


@pytest.fixture
def here(study_file):
    return study_file.parent


@pytest.fixture
def simulated(monkeypatch):
    """The conditions and numbers of images that were simulated."""
    seen = []

    def spy(prepared, images, c, probe=None, original=simulate_condition):
        seen.append((c.normalization, len(images), probe is not None))
        return original(prepared, images, c, probe)

    monkeypatch.setattr("studies.look.simulate_condition", spy)
    return seen


@pytest.fixture
def unsaved(monkeypatch):
    """Figures are drawn but not saved, which takes most of the time."""
    monkeypatch.setattr("studies.look.save", lambda figure, folder, name: [folder / name])


def test_all_schemes_are_compared_and_one_is_looked_into(here, simulated, unsaved, tmp_path):
    paths = look(SMALL, tmp_path / "out", here=here)
    assert {path.name for path in paths} == INSIDE | SIDE_BY_SIDE
    every = [("none", 12, False), ("model", 12, False), ("data", 12, False), ("data", 1, True)]
    assert simulated == [*every, ("percentile", 12, False), ("channel", 12, False)]


def test_a_detector_has_its_map_in_the_place_of_answers(here, simulated, unsaved, tmp_path):
    settings = {"model": "digit_detector", "dataset": "digit_scenes", "images": 2, "calibration": 2, "neuron": "signed"}
    settings |= {"readout": "potential", "encoder": "constant", "duration_ms": 10, "normalization": "channel"}
    paths = look(settings, tmp_path / "out", here=here)
    assert {path.name for path in paths} == (INSIDE - {"confusion"}) | SIDE_BY_SIDE | {"max_pooling"}


def test_a_named_scheme_is_simulated_alone(here, simulated, unsaved, tmp_path):
    look(SMALL | {"normalization": "channel"}, tmp_path, here=here, image=11)
    assert simulated == [("channel", 12, False), ("channel", 1, True)]


@pytest.mark.parametrize(
    ("changes", "rasters", "traced"),
    [
        ({}, ("input", "conv", "pool", "fc"), ["conv", "pool", "fc"]),
        ({"encoder": "constant"}, ("conv", "pool", "fc"), ["conv", "pool", "fc"]),
        ({"readout": "potential"}, ("input", "conv", "pool"), ["conv", "pool"]),
    ],
)
def test_what_spikes_is_recorded(here, changes, rasters, traced):
    (c,) = conditions(SMALL | {"normalization": "data"} | changes)
    prepared = prepare(Job(c, here))
    probe = probe_of(prepared, c, image=3)
    assert probe.rasters == rasters
    assert list(probe.traces) == traced
    recording = simulate_condition(prepared, prepared.images[3:4], c, probe)
    assert recording.traces["conv"].shape == (20, 1, 1)
    names = {p.name for p in make_plan(prepared.normalised).populations} - {INPUT}
    for name in names & set(rasters):
        assert len(recording.rasters[name]) == recording.spike_counts[name].sum()


def test_typical_neuron_by_hand():
    assert typical_neuron(np.array([[0.0, 5.0], [1.0, 2.0]])) == 3
    assert typical_neuron(np.array([0.0, 7.0, 0.0])) == 1
    assert typical_neuron(np.array([-3.0, -1.0, -2.0])) == 1


@pytest.mark.parametrize(
    ("changes", "image", "message"),
    [
        ({}, 12, "image is 12; it must be a whole number from 0 to 11: images is 12"),
        ({}, -1, "image is -1; it must be"),
        ({"images": 0}, 0, "images is 0; it must be a whole number"),
        ({"model": "none"}, 0, r"unknown model 'none'.*known: .*mnist_convnet"),
        ({"dataset": "digits", "images": 3}, 0, r"the images have shape \(1, 28, 28\)"),
    ],
)
def test_bad_settings_are_named_before_anything_is_simulated(here, simulated, tmp_path, changes, image, message):
    with pytest.raises(StudyError, match=message):
        look(SMALL | changes, tmp_path / "out", here=here, image=image)
    assert not simulated
    assert not (tmp_path / "out").exists()


def test_command_writes_into_a_folder_of_the_network(here, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(here)
    options = ["--dataset", "digits8", "--images", "5", "--calibration", "9", "--duration-ms", "12", "--image", "4"]
    options += ["--normalization", "data", "--neuron", "lif", "--tau-m-ms", "7.5", "--results", str(tmp_path / "r")]
    assert main(["look", "tiny.onnx", *options]) == 0
    folder = tmp_path / "r" / "look" / "tiny"
    expected = {folder / f"{name}.png" for name in INSIDE | SIDE_BY_SIDE}
    assert set(capsys.readouterr().out.split()) == {str(path) for path in expected}
    assert set(folder.iterdir()) == expected


def test_how_noisy_the_layers_will_be_is_said_first(here, simulated, unsaved, tmp_path, capsys):
    settings = {"normalization": "data", "max_rate_hz": 500, "dt_ms": 0.5}
    look(SMALL | settings, tmp_path, here=here)
    said = [line.split() for line in capsys.readouterr().err.splitlines()]
    images = load_dataset("digits8").x[-30:]
    table = shot_noise(load(here / "tiny.onnx"), images, per_step=0.25)
    assert [line for line in said if line and line[0] in table.index] == [
        [name, f"{one:.2f}", f"{two:.1f}", f"{np.ceil(steps):.0f}"] for name, one, two, steps in table.itertuples()
    ]


def test_the_steps_of_phase_coding_are_not_alike_and_so_have_no_noise(here, simulated, unsaved, tmp_path, capsys):
    look(SMALL | {"encoder": "phase", "phase_period": 4, "normalization": "data"}, tmp_path, here=here)
    assert "over a typical" not in capsys.readouterr().err


def test_command_says_what_is_wrong_in_one_line(capsys):
    assert main(["look", "mnist_convnet", "--images", "many"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "error: images is 'many'; it must be a whole number from 1 on\n"
    assert captured.out == ""

"""A network trained on standardised digits, from its file to its spikes: onnxruntime on the original is the oracle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from brian2 import Hz, ms
from sklearn.linear_model import LogisticRegression

from conversion.normalize import normalize
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.datasets import load_dataset
from models.encoders import ConstantCurrent
from models.graph import LINEAR, Conv2d, Dense, Flatten, Graph, sequential
from models.neurons import integrate_and_fire
from models.onnx_io import load, predict, save
from models.standardisation import Standardisation
from studies.__main__ import main
from studies.declare.conditions import condition
from studies.declare.errors import StudyError
from studies.measure.detection import output_scale
from studies.run.chance import accuracy_and_chance, is_near_chance
from studies.run.experiment import check_job, prepare, rows_of
from studies.run.files import Job, dataset
from studies.run.keys import key_of

MEAN, STD = 0.3, 0.375
SAID = {"mean": MEAN, "std": STD}
DIGITS = load_dataset("digits8")
PIXELS, LABELS = DIGITS.x, DIGITS.y
READ = ((PIXELS - MEAN) / STD).astype(np.float32)
TESTED = 100


def trained() -> Graph:
    """Random kernels under zero padding, and a layer that scikit-learn fits to what they make of 1,000 digits."""
    weight = np.random.default_rng(0).normal(0, 0.3, (12, 1, 3, 3)).astype(np.float32)
    conv = Conv2d(name="conv", inputs=("",), weight=weight, padding=(1, 1, 1, 1), stride=(2, 2))
    features = sequential((1, 8, 8), conv, Flatten(name="flat", inputs=("",)))
    fitted = LogisticRegression(C=0.1, max_iter=1000).fit(predict(features, READ[-1000:]), LABELS[-1000:])
    weight, bias = (values.astype(np.float32) for values in (fitted.coef_, fitted.intercept_))
    dense = Dense(name="fc", inputs=("flat",), weight=weight, bias=bias, activation=LINEAR)
    return Graph((1, 8, 8), (*features, dense))


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("standardised")
    save(trained(), folder / "net.onnx")
    np.savez(folder / "read.npz", x=READ, y=LABELS, **SAID)
    np.savez(folder / "unsaid.npz", x=READ, y=LABELS)
    np.savez(folder / "pixels.npz", x=PIXELS, y=LABELS)
    return folder


@pytest.fixture(scope="module")
def logits(here: Path) -> np.ndarray:
    """What the original makes of what it was trained on."""
    return onnxruntime.InferenceSession(here / "net.onnx").run(None, {"input": READ[:TESTED]})[0]


def job(here: Path, **values) -> Job:
    base = {"model": "net.onnx", "dataset": "digits8", "images": TESTED, "calibration": 200, "duration_ms": 150}
    base |= {"normalization": "data"}
    return Job(condition(base | values), here)


def test_the_original_is_right(logits: np.ndarray) -> None:
    assert np.mean(logits.argmax(1) == LABELS[:TESTED]) > 0.8


def test_spikes_of_a_constant_current_approach_the_original(here: Path, logits: np.ndarray) -> None:
    """The bias of each position takes the place of the mean, which the padding does not have; nothing saturates."""
    graph = load(here / "net.onnx", standardisation=Standardisation(**SAID))
    assert graph["conv"].bias.shape == (12, 4, 4)
    normalised = normalize(graph, PIXELS[:TESTED], "data")
    simulation = Simulation(neuron=integrate_and_fire(), encoder=ConstantCurrent(1000 * Hz), duration=2000 * ms)
    recording = simulate(normalised, PIXELS[:TESTED], replace(simulation, output="accumulating"))
    gathered = recording.output_potentials[-1].reshape(TESTED, 10) / 2000
    found = gathered * output_scale(graph, normalised, PIXELS[:TESTED])
    assert np.abs(found - logits).max() < 0.02 * np.abs(logits).max()
    np.testing.assert_array_equal(found.argmax(1), logits.argmax(1))


@pytest.mark.parametrize(
    "said",
    [SAID | {"dataset": name} for name in ("digits8", "pixels.npz", "unsaid.npz", "read.npz")]
    + [{"dataset": "read.npz"}, {"dataset": "read.npz", "calibration_dataset": "pixels.npz"}],
    ids=lambda said: " ".join(map(str, said.values())),
)
def test_every_way_to_say_it_leads_to_the_same_network_and_images(here: Path, said: dict, logits: np.ndarray) -> None:
    prepared = prepare(job(here, **said))
    np.testing.assert_allclose(prepared.images, PIXELS[:TESTED], atol=1e-6)
    np.testing.assert_allclose(predict(prepared.graph, prepared.images), logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("encoder", ["poisson", "constant"])
def test_a_study_of_it_has_the_accuracy_of_the_original(here: Path, encoder: str, logits: np.ndarray) -> None:
    (rows,) = rows_of([job(here, **SAID, encoder=encoder, readout="potential")])
    right = np.mean(logits.argmax(1) == LABELS[:TESTED])
    assert rows["metrics"]["ann_accuracy"][-1] == pytest.approx(right)
    assert rows["metrics"]["accuracy"][-1] == pytest.approx(right, abs=0.05)


def test_what_is_said_is_part_of_the_key(here: Path) -> None:
    keys = {key_of(job(here, dataset="pixels.npz", **said)) for said in ({}, SAID, {"mean": 0.3}, {"scale": 255})}
    keys |= {key_of(job(here, dataset="read.npz"))}
    assert len(keys) == 5


def test_values_that_are_no_pixels_are_refused_with_the_keys_that_help(here: Path) -> None:
    with pytest.raises(ValueError, match=r"pixels lie between -0\.8.* say its scale \(255 of bytes\), mean and std"):
        check_job(job(here, dataset="unsaid.npz"))
    check_job(job(here, dataset="unsaid.npz", **SAID))


def test_two_datasets_that_do_not_say_the_same(here: Path) -> None:
    other = {"calibration_dataset": "read.npz"}
    with pytest.raises(StudyError, match=r"'read\.npz' says scale, mean or std of the network, and dataset 'digits8'"):
        check_job(job(here, **other))
    check_job(job(here, **other, **SAID))
    with pytest.raises(ValueError, match=r"read.npz: mean is 0.5 in one place and 0.3 in another; keep one"):
        check_job(job(here, dataset="read.npz", mean=0.5))
    with pytest.raises(ValueError, match="mean has 3 values, but the network reads 1 channels; give one number, or 1"):
        check_job(job(here, mean=[0.4, 0.5, 0.6]))


def test_colours_in_front_of_features(here: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(10, 48)).astype(np.float32)
    save(sequential((48,), Dense(name="fc", inputs=("",), weight=weight)), here / "features.onnx")
    x = np.random.default_rng(0).random((300, 4, 4, 3))
    settings = {"model": "features.onnx", "dataset": "colours.npz"}
    np.savez(here / "colours.npz", x=x, y=np.arange(300) % 10)
    with pytest.raises(ValueError, match=r"the network reads 48 features, and .* save x as"):
        check_job(job(here, **settings))
    np.savez(here / "colours.npz", x=x.reshape(300, 48), y=np.arange(300) % 10)
    check_job(job(here, **settings))
    np.testing.assert_array_equal(dataset(job(here, **settings), "colours.npz").x, x.reshape(300, 48).astype("f4"))


# Beside chance


def test_accuracy_and_chance_by_hand() -> None:
    outputs = np.eye(3)[[0, 1, 2, 2, 1]]
    assert accuracy_and_chance(outputs, np.array([0, 1, 2, 1, 1])) == pytest.approx((0.8, 0.6))


@pytest.mark.parametrize(
    ("accuracy", "chance", "count", "near"),
    [(0.1, 0.1, 1000, True), (0.18, 0.1, 1000, True), (0.2, 0.1, 1000, False), (0.5, 0.4, 20, True),
     (0.9, 0.5, 20, False), (0.97, 0.1, 100, False), (1.0, 1.0, 10, False)],
)  # fmt: skip
def test_near_chance(accuracy: float, chance: float, count: int, near: bool) -> None:
    assert is_near_chance(accuracy, chance, count) is near


@pytest.mark.parametrize("command", ["run", "look"])
def test_both_commands_say_how_good_the_network_is_on_what_it_is_shown(
    here: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys, logits: np.ndarray
) -> None:
    """Right with the mean and std as options or keys; of digits that are numbered otherwise it warns."""
    monkeypatch.chdir(here)
    monkeypatch.setattr("studies.look._figures", lambda jobs, image: {})
    np.savez(here / "renumbered.npz", x=READ, y=(LABELS + 3) % 10, **SAID)
    right = f"{np.mean(logits.argmax(1) == LABELS[:TESTED]):.1%} of 100 images right, and chance "
    for name, said, words in (
        ("digits8", SAID, f"the ANN net.onnx has {right}"),
        ("renumbered.npz", {}, "warning: the ANN net.onnx is hardly better than chance on renumbered.npz"),
    ):
        if command == "look":
            options = [text for key, value in said.items() for text in (f"--{key}", str(value))]
            images = ["--images", "100", "--calibration", "100"]
            arguments = ["net.onnx", "--dataset", name, *images, *options, "--results", str(tmp_path)]
        else:
            keys = {"model": "net.onnx", "dataset": name, "images": 100, "duration_ms": 5} | said
            fixed = "\n".join(f"{key} = {value!r}" for key, value in keys.items())
            path = here / f"{Path(name).stem}.toml"
            path.write_text(f'title = "a"\nquestion = "b?"\n[fixed]\n{fixed}\n')
            arguments = [str(path), "--jobs", "1", "--results", str(tmp_path)]
        assert main([command, *arguments]) == 0
        captured = capsys.readouterr()
        assert words in captured.err
        assert "ANN net" not in captured.out
        if command == "run":
            assert main([command, *arguments]) == 0
            assert "ANN net" not in capsys.readouterr().err  # nothing is left to simulate


def test_a_list_of_one_per_channel_on_the_command_line_and_in_no_grid(here: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(here)
    assert main(["look", "net.onnx", "--dataset", "digits8", "--mean", "0.4,0.5,0.6"]) == 2
    assert "mean has 3 values, but the network reads 1 channels" in capsys.readouterr().err
    path = here / "grid.toml"
    path.write_text(
        'title = "a"\nquestion = "b?"\n[fixed]\nmodel = "net.onnx"\ndataset = "digits8"\nimages = 5\n'
        "[grid]\nmean = [0.3, [0.4, 0.5]]\n"
    )
    assert main(["run", str(path)]) == 2
    assert "grid: mean is [0.4, 0.5] among others; a list is possible in [fixed] or" in capsys.readouterr().err

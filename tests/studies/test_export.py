"""The command that writes NIR files and reads them: what it writes and says, and what it refuses."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

from conversion.normalize import normalize
from models.datasets import load_dataset
from models.graph import Dense
from models.onnx_io import load
from studies.__main__ import main

nir = pytest.importorskip("nir", reason="the package nir is not installed")

SMALL = ["--dataset", "digits8", "--images", "12"]


@pytest.fixture
def command(study_file, tmp_path, capsys, monkeypatch):
    """`brianize export` beside the tiny study: its exit status, what it printed and what it said on stderr."""
    monkeypatch.chdir(study_file.parent)

    def call(*arguments):
        status = main(["export", *map(str, arguments)])
        return status, *capsys.readouterr()

    return call


def weighted(graph):
    return [layer for layer in graph if isinstance(layer, Dense)]


def test_there_and_back(command, tmp_path):
    status, out, err = command(
        "tiny.onnx", *SMALL, "--normalization", "data", "--calibration", 30, "--to", tmp_path / "a.nir"
    )
    assert (status, err) == (0, "")
    assert "normalised by 'data', dt = 0.001 s, 1000 Hz for activation 1" in out
    status, out, err = command(tmp_path / "a.nir", "--to", tmp_path / "b.onnx")
    assert (status, err) == (0, "")
    assert tomllib.loads("\n".join(out.splitlines()[1:])) == {
        "neuron": "if", "reset": "zero", "v_th": 1.0, "dt_ms": 1, "max_rate_hz": 1000,
    }  # fmt: skip
    wanted = normalize(load("tiny.onnx"), load_dataset("digits8").x[-30:], "data")
    for ours, back in zip(weighted(wanted), weighted(load(tmp_path / "b.onnx")), strict=True):
        np.testing.assert_allclose(back.weight, ours.weight, rtol=1e-6)


def test_the_settings_reach_the_file(command, tmp_path):
    arguments = ("--neuron", "lif", "--tau-m-ms", 5, "--v-th", 0.5, "--dt-ms", 0.5, "--max-rate-hz", 200)
    status, *_ = command("tiny.onnx", *SMALL, *arguments, "--readout", "potential", "--to", tmp_path / "a.nir")
    assert status == 0
    network = nir.read(tmp_path / "a.nir")
    neurons = [node for node in network.nodes.values() if isinstance(node, nir.LIF)]
    assert len(neurons) > 0
    for name, value in (("tau", np.float32(0.005)), ("r", 10), ("v_threshold", 0.5)):
        assert all(np.all(getattr(node, name) == value) for node in neurons), name
    assert [type(node) for node in network.nodes.values() if isinstance(node, nir.I)] == [nir.I]
    assert float(network.metadata["max_rate"]) == 200
    _, out, _ = command(tmp_path / "a.nir", "--to", tmp_path / "b.onnx")
    assert tomllib.loads("\n".join(out.splitlines()[1:])) == {
        "neuron": "lif", "reset": "zero", "v_th": 0.5, "tau_m_ms": 5, "readout": "potential", "dt_ms": 0.5,
        "max_rate_hz": 200,
    }  # fmt: skip


def test_what_is_lost_is_printed(command, tmp_path):
    status, out, err = command("tiny.onnx", *SMALL, "--reset", "subtract", "--to", tmp_path / "a.nir")
    assert (status, out) == (2, "")
    assert err.startswith("error: NIR cannot say: reset by subtraction")
    assert err.count("\n") == 1
    assert not (tmp_path / "a.nir").exists()
    status, out, _ = command("tiny.onnx", *SMALL, "--reset", "subtract", "--lossy", "--to", tmp_path / "a.nir")
    assert status == 0
    assert out.splitlines()[1] == "lost: reset by subtraction"
    assert nir.read(tmp_path / "a.nir").metadata["lost"] == "reset by subtraction"


def others(tmp_path, **fields):
    """A file without our metadata."""
    neurons = nir.IF(**({"r": np.full(2, 1000.0), "v_threshold": np.ones(2)} | fields))
    nir.write(tmp_path / "theirs.nir", nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3), np.float32)), neurons))
    return tmp_path / "theirs.nir"


def test_files_of_others_need_their_step(command, tmp_path):
    theirs, target = others(tmp_path), tmp_path / "b.onnx"
    assert "--spike" in command(theirs, "--to", target)[2]
    assert "--dt-ms" in command(theirs, "--to", target, "--spike", "step")[2]
    status, out, _ = command(theirs, "--to", target, "--spike", "step", "--dt-ms", 1)
    assert status == 0
    assert "max_rate_hz = 1000" in out
    np.testing.assert_array_equal(weighted(load(target))[0].weight, np.ones((2, 3)))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("tiny.onnx", "--to", "a.onnx"), "a file .nir"),
        (("a.nir", "--to", "b.nir"), "a file .onnx"),
        (("none.nir", "--to", "b.onnx"), "there is no file none.nir"),
        (("none.nir", "--to", "b.onnx", "--reset", "zero"), "--reset has no effect"),
    ],
)
def test_bad_input_is_refused_in_a_line(command, arguments, named):
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert named in err
    assert err.count("\n") == 1


def test_what_a_study_has_no_key_for_is_refused(command, tmp_path):
    theirs = others(tmp_path, v_reset=np.full(2, -0.5))
    _, _, err = command(theirs, "--to", tmp_path / "b.onnx", "--spike", "step", "--dt-ms", 1)
    assert "no key for its reset" in err

"""What the benchmark writes, and that it says no more of the machine than numbers depend on."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pandas as pd
import pytest

from studies.bench import bench

ENGINES = pd.DataFrame({"engine": ["shared weights", "Synapses"], "round": 1, "ms_per_image": [4.0, 80.0]})
BATCHES = pd.DataFrame({"batch_images": [1, 8], "ms_per_image": [5.0, 3.0]})
PARTS = pd.DataFrame({"network": "VGG-16", "part": ["synapses", "rest"], "ms_per_step": [3.0, 1.0]})


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch):
    """Which were called missing, while nothing is measured."""
    asked = []
    monkeypatch.setattr(bench, "missing_files", lambda: "there is no file")
    monkeypatch.setattr(bench, "missing_engines", lambda: {"C++": "there is no compiler"})
    monkeypatch.setattr(bench, "measure_engines", lambda missing: asked.append(list(missing)) or ENGINES)
    monkeypatch.setattr(
        bench, "measure_networks", lambda missing: asked.append(list(missing)) or {"network_parts": PARTS}
    )
    monkeypatch.setattr(bench, "measure_batches", lambda: BATCHES)
    monkeypatch.setattr(bench, "measure_neurons", lambda: pd.DataFrame({"neurons": [10], "ns_per_neuron": [0.5]}))
    return asked


def test_tables_and_figures_are_written_and_what_is_missing_is_left_out_and_said(tmp_path, capsys, measured):
    bench.measure_all(tmp_path)
    assert measured == [["C++", "YOLO-LITE"]] * 2
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "engines.csv"), ENGINES, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "network_parts.csv"), PARTS, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "batches.csv"), BATCHES, check_dtype=False)
    assert pd.read_csv(tmp_path / "neurons.csv")["neurons"].tolist() == [10]
    reasons = {"C++": "there is no compiler", "YOLO-LITE": "there is no file"}
    assert json.loads((tmp_path / "run.json").read_text())["left_out"] == reasons
    assert all((tmp_path / name).is_file() for name in ("engines.png", "networks.png"))
    printed = capsys.readouterr().out
    assert "100 steps per image" in printed
    assert "left out: YOLO-LITE, because there is no file" in printed


def test_large_networks_alone_are_printed_and_not_written(monkeypatch, capsys, measured):
    def refuse(*arguments):
        raise AssertionError("results are written")

    monkeypatch.setattr(bench, "write_table", refuse)
    monkeypatch.setattr(bench, "write_run", refuse)
    bench.measure_large_networks()
    assert measured == [["YOLO-LITE"]]
    printed = capsys.readouterr().out
    assert "Their steps" in printed
    assert "Diehl" not in printed
    assert "left out: YOLO-LITE, because there is no file" in printed


def test_machine_is_described_but_not_named():
    facts = json.dumps(bench.machine())
    assert platform.python_version() in facts
    assert platform.node() not in facts
    assert str(Path.home()) not in facts

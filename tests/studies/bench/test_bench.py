"""Which measurements the benchmark plans, what it says of the machine, and its figures."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

import pandas as pd
import pytest

from studies.bench import bench
from studies.bench import figures as bench_figures
from studies.declare.study import parse_study
from studies.tables.store import read_table, write_table

CPP = "Synapses, C++ standalone"


def rows_of(n):
    return [{"x": number} for number in range(n)]


def rows_of_two_tables():
    return rows_of(1), rows_of(2)


def test_rows_go_to_their_tables_behind_their_columns(monkeypatch):
    monkeypatch.setattr(bench.throughput, "in_own_process", lambda function, *arguments: function(*arguments))
    todo = [
        bench.Task(("a",), rows_of, (2,), {"engine": "e"}),
        bench.Task(("a", "b"), rows_of_two_tables, (), {"engine": "f"}),
    ]
    tables = bench.measure(todo)
    assert tables["a"].to_dict("list") == {"engine": ["e", "e", "f"], "x": [0, 1, 0]}
    assert tables["b"].to_dict("list") == {"engine": ["f", "f"], "x": [0, 1]}


def test_engines_take_turns_and_compile_once():
    order = [task.columns["engine"] for task in bench.tasks({}) if task.tables == ("engines",)]
    runtime = ["shared weights", "Synapses, numpy", "Synapses, Cython"]
    assert order == [*runtime, CPP, *runtime, *runtime]


def test_missing_engines_are_not_measured():
    labels = [task.label for task in bench.tasks({CPP: "no compiler", "two workers": "one core"})]
    assert not [label for label in labels if "C++" in label or "sweep" in label]
    assert len(labels) == len(list(bench.tasks({}))) - 3


def test_no_compiler_is_said(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(bench.throughput, "in_own_process", lambda function: False)
    monkeypatch.setattr(bench, "cpu_count", lambda: 1)
    monkeypatch.setattr(bench.bench_networks, "missing_files", lambda: "there is no file")
    missing = bench.unavailable()
    assert list(missing) == ["Synapses, Cython", CPP, "two workers", "YOLO-LITE"]
    assert "no C++ compiler" in missing[CPP]
    assert missing["YOLO-LITE"] == "there is no file"


def test_large_networks_are_measured_but_for_the_missing():
    names = [task.columns["network"] for task in bench.network_tasks({})]
    assert names == ["VGG-16", "YOLO-LITE", "Tiny YOLO"]
    assert [task.columns["network"] for task in bench.network_tasks({"YOLO-LITE": "no file"})] == names[::2]
    assert set(names) < {task.columns.get("network") for task in bench.tasks({})}


def test_large_networks_alone_are_printed_and_not_written(monkeypatch, capsys):
    row = {"network": "Tiny YOLO", "ms_per_step": 70.0, "peak_gb": 1.0}
    tables = {name: pd.DataFrame([row | {"share_percent": 3.0}]) for name in bench.bench_networks.TABLES}
    labels = []

    def measured(todo):
        labels.extend(task.label for task in todo)
        return dict(tables)

    def refused(*arguments):
        raise AssertionError("results are written")

    monkeypatch.setattr(bench, "measure", measured)
    monkeypatch.setattr(bench.bench_networks, "missing_files", lambda: "there is no file")
    monkeypatch.setattr(bench, "write_table", refused)
    monkeypatch.setattr(bench, "write_run", refused)
    bench.measure_large_networks()
    assert labels == ["networks VGG-16", "networks Tiny YOLO"]
    printed = capsys.readouterr().out
    assert "time per step of Tiny YOLO (ms)" in printed
    assert "left out: YOLO-LITE, because there is no file" in printed


def test_machine_is_described_but_not_named():
    facts = json.dumps(bench.machine())
    assert platform.python_version() in facts
    assert platform.node() not in facts
    assert str(Path.home()) not in facts


def test_the_sweep_is_a_study_of_24_conditions(tmp_path):
    assert len(parse_study(bench.SWEEP, "sweep", tmp_path).conditions) == 24


@pytest.fixture
def folder(tmp_path):
    engines = pd.DataFrame({"engine": ["shared weights", "shared weights", "Synapses"], "ms_per_image": [4.0, 5, 80]})
    scaling = pd.DataFrame(
        {
            "varied": ["batch", "batch", "neurons", "neurons", "spikes", "spikes"],
            "batch_images": [1, 10, 1, 1, 50, 50],
            "neurons": [10, 100, 10, 1000, 10, 10],
            "spikes_per_step": [1.0, 10, 1, 100, 1, 10],
            "ms_per_step": [1.0, 2, 1, 9, 1, 2],
            "ms_low": [0.9, 1.9, 0.9, 8, 0.9, 1.9],
            "ms_high": [1.1, 2.1, 1.1, 11, 1.1, 2.1],
        }
    )
    write_table(tmp_path, "engines", [engines])
    parts = pd.DataFrame(
        {
            "network": ["VGG-16", "VGG-16", "Tiny YOLO", "Tiny YOLO"],
            "part": ["synapses", "rest"] * 2,
            "ms_per_step": [3.0, 1.0, 40.0, 4.0],
        }
    )
    write_table(tmp_path, "scaling", [scaling])
    write_table(tmp_path, "network_parts", [parts])
    return tmp_path


def test_figures_have_units_and_are_drawn_from_the_tables_alone(folder):
    paths = bench_figures.draw(folder)
    assert [path.name for path in paths] == [
        f"{name}.{ending}" for name in ("engines", "scaling", "networks") for ending in ("svg", "png")
    ]
    assert "time per step (ms)" in (folder / "networks.svg").read_text()
    scaling = (folder / "scaling.svg").read_text()
    assert scaling.count("time per step (ms)") == 3
    assert all(label in scaling for label in ("images at once", "neurons", "spikes per step"))
    assert "images per second and core" in (folder / "engines.svg").read_text()


def test_engines_are_drawn_with_medians_and_hatches(folder):
    (axes,) = bench_figures.engines(read_table(folder, "engines")).axes
    bars = [bar for container in axes.containers for bar in container]
    assert [bar.get_width() for bar in bars] == pytest.approx([(250 + 200) / 2, 12.5])
    assert len({bar.get_hatch() for bar in bars}) == 2


def test_the_parts_of_a_step_are_stacked_and_told_apart_in_grey(folder):
    (axes,) = bench_figures.networks(read_table(folder, "network_parts")).axes
    synapses, rest = axes.containers
    assert [bar.get_width() for bar in synapses] == [3, 40]
    assert [(bar.get_x(), bar.get_width()) for bar in rest] == [(3, 1), (40, 4)]
    assert len({bars[0].get_hatch() for bars in axes.containers}) == 2
    assert [text.get_text() for text in axes.texts] == ["4", "44"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["synapses", "rest"]

"""Which engines take turns, what is compared of them, and their figure; never how fast one is."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from conversion.plan import make_plan
from conversion.simulate import _batch_size
from models.onnx_io import load
from models.paths import WEIGHTS
from studies.bench import engines
from studies.bench.engines import CPP, CYTHON, PYTORCH, PYTORCH_ONE, compare, draw_engines
from studies.bench.stopwatch import spiking

RUNTIME = ["shared weights", "shared weights, one image", PYTORCH, PYTORCH_ONE, "Synapses, numpy", CYTHON]


@pytest.fixture
def called(monkeypatch):
    """What is called, instead of being measured: (function, connectivity or images)."""
    calls = []

    def call(function, *arguments):
        calls.append((function, arguments[0]))
        return [{"ms_per_image": 4.0}, {"ms_per_image": 5.0}]

    monkeypatch.setattr(engines, "in_own_process", call)
    return calls


def test_engines_take_turns_and_compile_once(called):
    table = engines.measure_engines(())
    assert table.iloc[::2]["engine"].tolist() == [*RUNTIME, CPP, *RUNTIME, *RUNTIME]
    assert table["round"].tolist() == [1] * 14 + [2] * 12 + [3] * 12
    assert table["ms_per_image"].tolist() == [4.0, 5.0] * 19
    assert [connectivity for function, connectivity in called[:7] if function is engines.time_runtime] == [
        "shared", "shared", "synapses", "synapses",
    ]  # fmt: skip
    assert called[6] == (engines.time_standalone, 10)


def test_missing_engines_are_not_measured(called):
    assert engines.measure_engines({CPP: "no compiler", CYTHON: "none"})["engine"].unique().tolist() == RUNTIME[:-1]


def test_no_compiler_is_said(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(engines, "in_own_process", lambda function: False)
    missing = engines.missing_engines()
    assert [engine for engine in missing if "PyTorch" not in engine] == [CYTHON, CPP]
    assert "no C++ compiler" in missing[CPP]


def rows():
    times = {"shared weights": [4.0, 5.0, 6.0, 10.0], "Synapses": [80.0]}
    return pd.DataFrame([(engine, ms) for engine in times for ms in times[engine]], columns=["engine", "ms_per_image"])


def test_medians_and_range():
    table = compare(rows()).set_index("engine")
    assert list(table.index) == ["shared weights", "Synapses"]
    assert table.loc["shared weights"].tolist() == pytest.approx([1e3 / 5.5, 100, 250])
    assert table.loc["Synapses"].tolist() == [12.5] * 3


def test_engines_are_drawn_with_medians_and_hatches():
    (axes,) = draw_engines(rows()).axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([1e3 / 5.5, 12.5])
    assert len({bar.get_hatch() for bar in axes.patches}) == 2
    assert [text.get_text() for text in axes.texts] == ["182", "12.5"]
    assert axes.get_xlabel() == "images per second and core, 100 steps each"
    assert axes.yaxis_inverted()


def test_shared_weights_are_shown_as_many_images_as_simulate_shows_at_once():
    graph = load(WEIGHTS / "mnist_convnet.onnx")
    assert _batch_size(make_plan(graph), 10_000, spiking(engines.STEPS)) == engines.BATCH

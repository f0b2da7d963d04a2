"""The page about a neuron of one's own: its Python runs in order, in its folder, and so does its study."""

from __future__ import annotations

import re
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from models.paths import ROOT
from studies.__main__ import main

FOLDER = ROOT / "notebooks"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_your_own_neuron_goes_from_equations_to_a_figure(monkeypatch):
    """Its rates are those of the formula on the page, and the network answers best where its neurons tire slowly."""
    page = (FOLDER / "your_own_neuron.md").read_text(encoding="utf-8")
    monkeypatch.chdir(FOLDER)
    monkeypatch.syspath_prepend(str(FOLDER))
    names: dict[str, Any] = {}
    neuron, *cells = blocks(page, "python")
    assert (FOLDER / "my_neurons.py").read_text(encoding="utf-8").endswith(neuron)
    for source in cells:
        exec(compile(source, "your_own_neuron.md", "exec"), names)
    np.testing.assert_allclose(names["rates"], names["currents"] / 3, rtol=0.1)
    (legend,) = (axes.get_legend() for axes in plt.gcf().axes)
    assert [text.get_text() for text in legend.get_texts()] == ["20", "50", "100", "200"]
    plt.close()
    late = names["table"].groupby("tau_w_ms")["accuracy"].last()
    assert late.is_monotonic_increasing
    assert late[200] - late[20] > 0.3


def test_your_own_neuron_is_a_study_too(tmp_path):
    """It says the same of the same neurons, and matching their f-I curve mends the network."""
    (study,) = blocks((FOLDER / "your_own_neuron.md").read_text(encoding="utf-8"), "toml")
    (tmp_path / "my_neurons.py").write_text((FOLDER / "my_neurons.py").read_text(encoding="utf-8"))
    late = {}
    for matching in ("none", "fi"):
        (tmp_path / f"{matching}.toml").write_text(
            study.replace("[grid]", f'matching = "{matching}"\n[grid]').replace("[0, 1, 2]", "[0]")
        )
        assert main(["run", str(tmp_path / f"{matching}.toml"), "--jobs", "1"]) == 0
        assert (tmp_path / "results" / matching / "accuracy.png").exists()
        table = pd.read_csv(tmp_path / "results" / matching / "metrics.csv")
        late[matching] = table.groupby("neuron.tau_w [ms]")["accuracy"].last()
    assert late["none"].is_monotonic_increasing
    assert late["none"][20] < 0.5
    assert late["fi"][20] > 0.9

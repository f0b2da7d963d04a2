"""The notebooks are valid, carry no outputs, and their cells run in order, from their own folder as in Jupyter.

So does the Python of a page.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


def code_cells(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run(source: str, names: dict[str, Any]) -> Any:
    """Execute a cell; the value of its last expression is what Jupyter would show."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_of_format_4_5_without_outputs(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in ids)
    for cell in notebook["cells"]:
        code = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert cell.keys() == {"cell_type", "id", "metadata", "source"} | code
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_looking_inside_walks_from_weights_to_figures(monkeypatch, capsys):
    """With a third of the images and half of the window, every view is drawn and says what onnxruntime said."""
    (path,) = (path for path in NOTEBOOKS if path.stem == "looking_inside")
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr(sys, "path", [*sys.path])
    names: dict[str, Any] = {}
    shown = []
    for source in code_cells(path):
        smaller = source.replace("N_IMAGES = 50", "N_IMAGES = 15").replace("WINDOW = 60", "WINDOW = 30")
        shown.append(run(smaller, names))
    assert names["images"].shape == (15, 1, 28, 28)
    assert sum(isinstance(value, Figure) for value in shown) == 6
    assert matplotlib.pyplot.get_fignums() == []
    accuracy = np.mean(names["ann_answers"] == names["labels"])
    assert f"ANN: {accuracy:.1%} of 15 images" in capsys.readouterr().out
    table = names["table"]
    assert list(table["normalization"].unique()) == ["none", "model", "data", "percentile", "channel"]
    assert len(table) == 5 * 30
    assert table["accuracy"].max() >= accuracy - 2 / 15


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_your_own_neuron_goes_from_equations_to_a_figure(monkeypatch):
    """Its rates are those of the formula on the page, and the network answers best where its neurons tire slowly."""
    folder = NOTEBOOKS[0].parent
    page = (folder / "your_own_neuron.md").read_text(encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    names: dict[str, Any] = {}
    neuron, *cells = blocks(page, "python")
    assert (folder / "my_neurons.py").read_text(encoding="utf-8").endswith(neuron)
    for source in cells:
        exec(compile(source, "your_own_neuron.md", "exec"), names)
    np.testing.assert_allclose(names["rates"], names["currents"] / 3, rtol=0.1)
    (legend,) = (axes.get_legend() for axes in matplotlib.pyplot.gcf().axes)
    assert [text.get_text() for text in legend.get_texts()] == ["20", "50", "100", "200"]
    matplotlib.pyplot.close()
    late = names["table"].groupby("tau_w_ms")["accuracy"].last()
    assert late.is_monotonic_increasing
    assert late[200] - late[20] > 0.3
    (study,) = blocks(page, "toml")
    assert tomllib.loads(study)["fixed"]["neuron"]["model"] == "my_neurons.py:adaptive"

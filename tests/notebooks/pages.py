"""Notebooks by their file, run in process: what their cells define."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from models.paths import ROOT

LESSONS = sorted((ROOT / "notebooks").glob("lesson_*.py"))
MISSING = "marimo is not installed; python -m pip install --editable '.[teach]' brings it"


@cache
def run(number: int) -> dict[str, Any]:
    """The names that the cells of a lesson define, after all of them have run."""
    pytest.importorskip("marimo", reason=MISSING)
    path = LESSONS[number - 1]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _, names = module.app.run()
    return {**vars(module), **names}


def texts(path: Path) -> str:
    """All texts of a notebook, one after the other."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return "\n".join(
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )

"""Data flows one way: models <- conversion <- studies, and nobody imports the tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UPSTREAM = {
    "models": {"models"},
    "conversion": {"models", "conversion"},
    "studies": {"models", "conversion", "studies"},
}
OURS = {*UPSTREAM, "tests", "results"}
MODULES = [path.relative_to(ROOT) for package in UPSTREAM for path in sorted((ROOT / package).rglob("*.py"))]


def imported(source: str) -> Iterator[str]:
    """The top-level packages that a module imports, wherever in it; relative imports stay inside a package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_only_look_upstream(path: Path):
    ours = OURS.intersection(imported((ROOT / path).read_text()))
    assert ours <= UPSTREAM[path.parts[0]]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_modules_stay_small_enough_to_read(path: Path):
    assert len((ROOT / path).read_text().splitlines()) <= 300


def test_imports_are_found_wherever_they_stand():
    source = "import a.b\ndef f():\n    from c.d import e\nfrom . import g\nif True:\n    import h as i, j"
    assert set(imported(source)) == {"a", "c", "h", "j"}

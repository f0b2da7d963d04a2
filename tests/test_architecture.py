"""The rooms: imports only look upstream, in no circle, through faces; no room is crowded, no module long."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from models.paths import ROOT

PACKAGES = ("models", "conversion", "studies")
UPSTREAM = {"models": {"models"}, "conversion": {"models", "conversion"}, "studies": set(PACKAGES)}
OURS = {*PACKAGES, "tests", "results", "notebooks"}
MODULES = [path.relative_to(ROOT) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
FOLDERS = sorted({path.parent for path in MODULES})


def imported(source: str) -> Iterator[str]:
    """The modules of ours that a module imports, wherever in it; of `from a import b` it is a.b where that is one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name their packages"
            yield from (_module(str(node.module), alias.name) for alias in node.names)


def _module(package: str, name: str) -> str:
    path = ROOT / package.replace(".", "/") / name
    return f"{package}.{name}" if path.is_dir() or path.with_suffix(".py").is_file() else package


def imports_of(path: Path) -> list[str]:
    return [name for name in imported((ROOT / path).read_text()) if name.split(".")[0] in OURS]


def room(module: str) -> str:
    """The room of a module: a sub-package, or a module that stands beside them."""
    return ".".join(module.split(".")[:2])


def name_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def circle(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """The rooms that are left when those that import none of the others are taken away, again and again."""
    left = {here: set(there) - {here} for here, there in arrows.items()}
    while free := [here for here, there in left.items() if not there & left.keys()]:
        for here in free:
            del left[here]
    return sorted(left)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_only_look_upstream(path: Path):
    assert {name.split(".")[0] for name in imports_of(path)} <= UPSTREAM[path.parts[0]]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_nothing_behind_a_face_is_imported_from_outside(path: Path):
    for name in imports_of(path):
        if room(name) != room(name_of(path)) and (ROOT / room(name).replace(".", "/")).is_dir():
            assert name == room(name), f"{path} imports {name}; its face is {room(name)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_each_other_in_no_circle(package: str):
    arrows: dict[str, set[str]] = {}
    for path in (path for path in MODULES if path.parts[0] == package):
        arrows.setdefault(room(name_of(path)), set()).update(map(room, imports_of(path)))
    assert circle(arrows) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_no_room_is_crowded(folder: Path):
    modules = [path for path in MODULES if path.parent == folder and path.name != "__init__.py"]
    assert len(modules) <= 12


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_modules_stay_small_enough_to_read(path: Path):
    assert len((ROOT / path).read_text().splitlines()) <= 300


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_a_face_lists_what_it_shows(folder: Path):
    tree = ast.parse((ROOT / folder / "__init__.py").read_text())
    shown = [alias.asname or alias.name for n in tree.body if isinstance(n, ast.ImportFrom) for alias in n.names]
    listed = [ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign)]
    assert ast.get_docstring(tree)
    assert sorted(shown) == sorted(listed[0] if listed else [])


def test_imports_are_found_wherever_they_stand():
    source = "import a.b\ndef f():\n    from models import graph\nif True:\n    import h as i, j\nfrom c.d import e"
    assert set(imported(source)) == {"a.b", "models.graph", "h", "j", "c.d"}


def test_a_circle_is_found():
    assert circle({"a": ["b"], "b": ["c", "d"], "c": ["b"], "d": []}) == ["a", "b", "c"]
    assert circle({"a": ["b", "c"], "b": ["c"], "c": ["c"]}) == []

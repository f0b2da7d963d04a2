"""Which of the project's source files decide the rows of a condition: all that its runner imports, and nothing else.

Imports are followed name by name: where a face re-exports a name, only the module that defines it counts, so that
neither drawing nor training makes rows stale.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from models.paths import ROOT

RUNNER = "studies.run.experiment"
PACKAGES = ("models", "conversion", "studies")


@lru_cache(maxsize=1)
def code_hash() -> str:
    """SHA-256 of the source that turns a condition into rows; a change of it makes earlier rows stale."""
    digest = hashlib.sha256()
    for path in import_closure(RUNNER):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def import_closure(module: str, root: Path = ROOT) -> list[Path]:
    """The files of a module and of all modules of the project's packages that it imports, directly or not, in order.

    Parameters
    ----------
    module : str
        Its dotted name.
    root : path
        The folder of the packages.
    """
    found, waiting = set(), [module]
    while waiting:
        path = _file(waiting.pop(), root)
        if path not in found:
            found.add(path)
            waiting += _imported(path, root)
    return sorted(found)


def _imported(path: Path, root: Path) -> Iterator[str]:
    """The modules of the project whose names a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            yield from (_defining(str(node.module), alias.name, root) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in PACKAGES)


def _defining(module: str, name: str, root: Path) -> str:
    """The module that defines what `from module import name` imports."""
    if _file(f"{module}.{name}", root).is_file():
        return f"{module}.{name}"
    face = _file(module, root)
    if face.name != "__init__.py":
        return module
    for node in ast.parse(face.read_text(encoding="utf-8")).body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            if name == (alias.asname or alias.name):
                return _defining(str(node.module), alias.name, root)  # type: ignore[attr-defined]
    return module


def _file(module: str, root: Path) -> Path:
    """The source of a module, or of the face of a package."""
    path = root / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

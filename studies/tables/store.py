"""What a study leaves in its folder: rows of each condition as they finish, then metrics.csv, layers.csv, run.json.

Files are written beside their place and moved there, so that a folder never holds half a file.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from models.atomic import write_atomically

FLOATS = "%.6g"
TEXT = {"class": str}  # even where every class is called by a number


class ResultsError(ValueError):
    """A folder of results that does not belong to the study, or is not there."""


def claim_folder(folder: Path, content: Mapping[str, Any]) -> None:
    """Make a study's folder; run.json says from the start whose it is.

    Parameters
    ----------
    content : mapping
        What run.json says: a "title" and the identity of the study (see `check_owner`).

    Raises
    ------
    ResultsError
        If another study's results are there, or files that no study wrote.
    OSError
        If it cannot be written.
    """
    check_owner(folder, content)
    owned = (folder / "run.json").exists()
    if not owned and folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise ResultsError(
            f"{folder} holds files that no study wrote (there is no run.json); choose another --results folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not owned:
        write_run(folder, content)
    (folder / ".conditions").mkdir(exist_ok=True)


def check_owner(folder: Path, content: Mapping[str, Any]) -> None:
    """Raise `ResultsError` if another study wrote a folder; an empty one is anybody's.

    A study is the same if its file is, whatever was changed in it, or if its name and all that it says are, wherever
    its file was moved to.

    Parameters
    ----------
    content : mapping
        With the study's title and its `Study.identity` as seen from the folder.
    """
    owner = read_run(folder)
    if owner is not None and not _is_same(owner, content):
        raise ResultsError(
            f"{folder} holds the results of another study, {_label(owner, folder)}, not of {_label(content, folder)}; "
            "rename your study's file or choose another --results folder"
        )


def read_run(folder: Path) -> Mapping[str, Any] | None:
    """What run.json says; None if there is none, and `ResultsError` if no study wrote it."""
    path = folder / "run.json"
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content | {"title": str(content["title"])}
    except (ValueError, KeyError, TypeError):
        raise ResultsError(f"{path} was not written by a study; choose another --results folder") from None


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    files, studies = ([content.get(key) for content in (one, other)] for key in ("file", "study"))
    names = {PurePosixPath(file or "").name for file in files}
    return files[0] == files[1] or (len(names) == 1 and _as_json(studies[0]) == _as_json(studies[1]))


def _label(content: Mapping[str, Any], folder: Path) -> str:
    file = content.get("file")
    return repr(content["title"]) + (f" ({os.path.abspath(folder / file)})" if file else "")


def read_rows(folder: Path, key: str) -> Mapping[str, Any] | None:
    """The rows of a condition that has finished; None if it has not, or, with a warning, if its file is damaged."""
    path = _condition_path(folder, key)
    if not path.exists():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        print(f"warning: {path} is damaged ({error}); its condition is computed again", file=sys.stderr)
        return None


def write_rows(folder: Path, key: str, rows: Mapping[str, Any]) -> None:
    """Keep the rows of a finished condition."""
    write_atomically(_condition_path(folder, key), json.dumps(rows))


def write_table(folder: Path, name: str, parts: Iterable[pd.DataFrame]) -> None:
    """The rows of all conditions as <name>.csv; the same bytes for the same rows."""
    table = pd.concat(parts, ignore_index=True)
    write_atomically(folder / f"{name}.csv", table.to_csv(index=False, float_format=FLOATS, lineterminator="\n"))


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """A table that `write_table` wrote.

    Raises
    ------
    ResultsError
        If it is not there, or not a table.
    """
    path = folder / f"{name}.csv"
    if not path.exists():
        raise ResultsError(f"there is no {path}; run the study first")
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=TEXT)
    except ValueError as error:  # of pandas, which does not name the file
        raise ResultsError(f"{path} is not a table: {error}; run the study again") from None


def write_run(folder: Path, content: Mapping[str, Any]) -> None:
    """What was run and with which versions, as run.json."""
    write_atomically(folder / "run.json", _as_json(content) + "\n")


def _as_json(content: Any) -> str:
    return json.dumps(_without_infinity(content), indent=2, ensure_ascii=False, allow_nan=False)


def _without_infinity(value: Any) -> Any:
    """The same content with "inf" and "-inf" as text: JSON has no number for them."""
    if isinstance(value, Mapping):
        return {key: _without_infinity(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinity(item) for item in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _condition_path(folder: Path, key: str) -> Path:
    return folder / ".conditions" / f"{key}.json"

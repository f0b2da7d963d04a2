"""Published figures beside ours: the table of results/README.md, from published.toml and the committed tables alone."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from models.atomic import write_atomically
from models.paths import RESULTS
from studies.declare import TABLES, FigureSpec, StudyError, require_known
from studies.statistics import interval
from studies.tables.selection import select
from studies.tables.store import read_table
from studies.tables.summary import markdown

PUBLISHED = RESULTS / "published.toml"
BEGIN, END = "<!-- published: begin -->", "<!-- published: end -->"
HEADER = ("paper", "quantity", "published", "ours", "settings", "study", "where they differ")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A figure of a paper, and which rows of which study of ours answer it.

    Parameters
    ----------
    published : str
        As the paper gives it, with "unverified" where it was not checked against the paper's text.
    study, column : str
        The folder of results, and the column of its metrics.csv.
    where : mapping
        As in `studies.declare.figure_spec.Figure`.
    comment : str
        Why the two differ.
    """

    paper: str
    quantity: str
    published: str
    study: str
    column: str
    where: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""


def load_published(path: Path = PUBLISHED) -> list[Published]:
    """The entries of the file; raises `StudyError` on an unknown key or column."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["published"]
    for entry in entries:
        for key in entry:
            require_known(f"key in {path.name}", key, [f.name for f in fields(Published)])
        require_known(f"column in {path.name}", entry["column"], TABLES["metrics"])
    return [Published(**entry) for entry in entries]


def published_table(entries: list[Published], folder: Path) -> str:
    """The table in Markdown; `folder` holds the results of all studies."""
    return markdown(pd.DataFrame([_row(entry, folder) for entry in entries], columns=HEADER))


def write_between_marks(readme: Path, text: str) -> None:
    """Put the table between the two marks of a Markdown file.

    Raises
    ------
    StudyError
        If the marks are not there.
    """
    content = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise StudyError(f"{readme} has no lines {BEGIN} and {END} to put the table between")
    write_atomically(readme, f"{before}{BEGIN}\n{text}\n{END}{after}")


def ours(entry: Published, folder: Path) -> str:
    """Mean and 95 % confidence interval over the seeds, as text."""
    metrics = read_table(folder / entry.study, "metrics")
    rows = select(metrics, FigureSpec(name=entry.quantity, plot="", x="", y="", where=entry.where))
    if rows["seed"].duplicated().any():
        raise StudyError(f"{entry.quantity!r}: `where` leaves {len(rows)} rows for {rows['seed'].nunique()} seeds")
    return _text(rows[entry.column])


def _text(values: pd.Series) -> str:
    share = any(part in str(values.name) for part in ("accuracy", "map_50", "agreement"))
    scale, unit = (100, " %") if share else (1, " ms" if str(values.name).endswith("_ms") else "")
    if values.isna().any():
        return "not reached"
    low, high = interval(values)
    spread = f" ± {scale * (high - low) / 2:.2g}" if high > low else ""
    return f"{scale * values.mean():.{'2f' if share else '4g'}}{spread}{unit}"


def _row(entry: Published, folder: Path) -> tuple[str, ...]:
    settings = ", ".join(f"{key} {value}" for key, value in entry.where.items())
    name = f"`{entry.study}`"
    return entry.paper, entry.quantity, entry.published, ours(entry, folder), settings, name, entry.comment

"""Published figures beside ours: the table of results/README.md, from published.toml and the committed tables alone."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from studies import results
from studies.conditions import StudyError, require_known
from studies.figure import TABLES
from studies.quoted import OF_IMAGES, SHARES, Source, images, plain, selected, shown, unit
from studies.report import markdown
from studies.templates import fill

PUBLISHED = Path(__file__).parents[1] / "results" / "published.toml"
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
        As in `studies.figure.Figure`.
    comment : str
        Why the two differ; a template as those of pages (`studies.templates`).
    """

    paper: str
    quantity: str
    published: str
    study: str
    column: str
    where: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""


def load(path: Path = PUBLISHED) -> list[Published]:
    """The entries of the file; raises `StudyError` on an unknown key or column."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["published"]
    for entry in entries:
        for key in entry:
            require_known(f"key in {path.name}", key, [f.name for f in fields(Published)])
        require_known(f"column in {path.name}", entry["column"], TABLES["metrics"])
    return [Published(**entry) for entry in entries]


def table(entries: list[Published], folder: Path) -> str:
    """The table in Markdown; `folder` holds the results of all studies."""
    return markdown(pd.DataFrame([_row(entry, folder) for entry in entries], columns=HEADER))


def update(readme: Path, text: str) -> None:
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
    results.write_atomically(readme, f"{before}{BEGIN}\n{text}\n{END}{after}")


def ours(entry: Published, folder: Path) -> str:
    """The mean over seeds as text, with its 95 % confidence interval and what that is over."""
    source = Source(folder, entry.study)
    values = selected(source, "metrics", **entry.where)[entry.column]
    digits = 2 if entry.column in SHARES else None
    if values.nunique() == 1 and entry.column in OF_IMAGES:
        n = images(source, **entry.where)
        return f"{shown(values, n, digits).removesuffix(')')} over {n:,} images)"
    over = f" over {len(values)} seeds" if values.nunique(dropna=False) > 1 and values.notna().all() else ""
    return f"{plain(values, digits, unit(entry.column))}{over}"


def _row(entry: Published, folder: Path) -> tuple[str, ...]:
    settings = ", ".join(f"{key} {value}" for key, value in entry.where.items())
    name = f"[{entry.study}]({entry.study}/README.md)"
    comment = fill(entry.comment, f"{PUBLISHED.name}, {entry.quantity!r}", Source(folder, entry.study))
    return entry.paper, entry.quantity, entry.published, ours(entry, folder), settings, name, comment

"""Published figures beside ours: the table of results/README.md, from published.toml and the committed tables alone."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from models.paths import RESULTS
from studies.declare import SHARES, TABLES, require_known
from studies.tables.quoted import OF_IMAGES, Source, images, select_condition, show_mean, show_shares, unit
from studies.tables.summary import markdown
from studies.tables.templates import fill

PUBLISHED = RESULTS / "published.toml"
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
        As in `studies.declare.FigureSpec`.
    comment : str
        Why the two differ; a template as those of pages (`studies.tables.templates`).
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


def ours(entry: Published, folder: Path) -> str:
    """The mean over seeds as text, with its 95 % confidence interval and what that is over."""
    source = Source(folder, entry.study)
    values = select_condition(source, "metrics", **entry.where)[entry.column]
    digits = 2 if entry.column in SHARES else None
    if values.nunique() == 1 and entry.column in OF_IMAGES:
        n = images(source, **entry.where)
        return f"{show_shares(values, n, digits).removesuffix(')')} over {n:,} images)"
    over = f" over {len(values)} seeds" if values.nunique(dropna=False) > 1 and values.notna().all() else ""
    return f"{show_mean(values, digits, unit(entry.column))}{over}"


def _row(entry: Published, folder: Path) -> tuple[str, ...]:
    settings = ", ".join(f"{key} {value}" for key, value in entry.where.items())
    name = f"[{entry.study}]({entry.study}/README.md)"
    comment = fill(entry.comment, f"{PUBLISHED.name}, {entry.quantity!r}", Source(folder, entry.study))
    return entry.paper, entry.quantity, entry.published, ours(entry, folder), settings, name, comment

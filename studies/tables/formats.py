"""The table of a study for a paper: summary.md as CSV, Markdown and LaTeX, with the names that papers use."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from models.atomic import write_atomically
from studies.tables.names import name_of
from studies.tables.summary import details, identity, markdown


def paper_table(metrics: pd.DataFrame) -> pd.DataFrame:
    """A row per condition, as text: what `details` says of a metrics.csv, its values called as in figures."""
    names = {key: metrics[key].map(lambda value, key=key: name_of(key, value)) for key in identity(metrics)}
    return details(metrics.assign(**names))


def write_formats(metrics: pd.DataFrame, folder: Path) -> list[Path]:
    """Write `paper_table` as summary.csv, summary.md and summary.tex, a table of the LaTeX package booktabs."""
    table = paper_table(metrics)
    texts = {
        "csv": table.to_csv(index=False, lineterminator="\n"),
        "md": markdown(table) + "\n",
        "tex": latex(table),
    }
    for ending, text in texts.items():
        write_atomically(folder / f"summary.{ending}", text)
    return [folder / f"summary.{ending}" for ending in texts]


def latex(table: pd.DataFrame) -> str:
    """A table of text as a LaTeX tabular for the package booktabs, measures on the right."""
    numeric = [table[column].str.fullmatch(r"[-\d.,± ]*").all() for column in table]
    style = table.style.format(escape="latex").format_index(escape="latex", axis=1).hide(axis="index")
    return str(style.to_latex(hrules=True, column_format="".join("r" if is_one else "l" for is_one in numeric)))

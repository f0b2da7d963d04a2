"""One page per study, and one of all: files that need no other, from what is in the folders of results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.atomic import write_atomically
from studies.report.text import as_data, as_html, images_of
from studies.tables import CAVEAT, ResultsError, paper_table, read_run, read_table

TEMPLATES = Path(__file__).parent
REPORT, INDEX, TEXT = "report.html", "index.html", "README.md"


def write_report(folder: Path) -> Path:
    """Write report.html of a study that has run into its folder of results.

    Parameters
    ----------
    folder : Path
        With run.json and metrics.csv; a README.md and figures are shown where they are there.

    Raises
    ------
    ResultsError
        If no study has run there.
    """
    run = _run_of(folder)
    text = folder / TEXT
    shown = images_of(text) if text.is_file() else []
    page = _filled(
        "study.html",
        run=run,
        study=run["study"],
        text=as_html(text) if text.is_file() else "",
        figures=[(path.stem, as_data(path)) for path in sorted(folder.glob("*.png")) if path.name not in shown],
        summary=_table(paper_table(read_table(folder, "metrics"))),
        caveat=CAVEAT,
        settings=_table(_settings(run["study"])),
        runs=_table(_runs(run, folder.name)),
        files=sorted(path.name for path in folder.glob("*.csv")),
    )
    write_atomically(folder / REPORT, page)
    return folder / REPORT


def write_index(folders: Iterable[Path], results: Path) -> Path:
    """Write index.html beside the folders of studies, with what each asks and a link to its page."""
    studies = [(path.name, _run_of(path), next(iter(sorted(path.glob("*.png"))), None)) for path in folders]
    text = results / TEXT
    page = _filled(
        "index.html",
        text=as_html(text) if text.is_file() else "",
        studies=[(name, run, as_data(image, 320) if image else "") for name, run, image in studies],
    )
    write_atomically(results / INDEX, page)
    return results / INDEX


def _run_of(folder: Path) -> Mapping[str, Any]:
    run = read_run(folder)
    if run is None or "study" not in run or not (folder / "metrics.csv").exists():
        raise ResultsError(f"there is no run of a study in {folder}; run the study first")
    return run


def _filled(template: str, **values: Any) -> str:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    parts = {name: Markup((TEMPLATES / f"page.{name}").read_text(encoding="utf-8")) for name in ("css", "js")}
    return environment.get_template(template).render(**parts, **values)


def _table(table: pd.DataFrame) -> Markup:
    return Markup(table.to_html(index=False, border=0, classes="sortable", na_rep=""))


def _settings(study: Mapping[str, Any]) -> pd.DataFrame:
    """A row per key: what is fixed, what the grid varies, and what each variant changes."""
    rows = [("fixed", key, _as_text(value)) for key, value in study["fixed"].items()]
    rows += [("grid", key, _as_text(values)) for key, values in study["grid"].items()]
    for name, changes in study.get("variants", {}).items():
        section = f"variant {name}"
        rows += [(section, key, _as_text(value)) for key, value in changes.items()] or [(section, "", "")]
    return pd.DataFrame(rows, columns=["section", "key", "value"])


def _runs(run: Mapping[str, Any], name: str) -> pd.DataFrame:
    """A row per run that the tables are from: how many conditions, with which code and versions.

    Tables that were joined from several runs say so in `simulated_as`.
    """
    rows = [
        {"run": called, "conditions": len(one["keys"]), **one["versions"], "SHA-256 of the code": one["code_sha256"]}
        for called, one in run.get("simulated_as", {name: run}).items()
    ]
    return pd.DataFrame(rows)


def _as_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

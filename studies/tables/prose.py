"""Pages whose numbers are filled from the committed tables: studies/<name>.md.j2 -> results/<name>/README.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from models.atomic import write_atomically
from models.paths import RESULTS, STUDIES
from studies.tables.published import PUBLISHED, load_published, published_table
from studies.tables.quoted import Source
from studies.tables.templates import ProseError, fill

ENDING = ".md.j2"
ALL = "README"


def render_pages(templates: Path = STUDIES, folder: Path = RESULTS) -> list[Path]:
    """Write every page whose text is another now; none if one of them cannot be filled.

    Returns
    -------
    list of Path
        The pages that changed.

    Raises
    ------
    ProseError
        See `studies.tables.templates.fill`.
    """
    stale = _stale(templates, folder)
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    return list(stale)


def check_pages(templates: Path = STUDIES, folder: Path = RESULTS) -> None:
    """Raise `ProseError` unless every page is what its template and the tables say now."""
    stale = [str(path.relative_to(folder)) for path in _stale(templates, folder)]
    if stale:
        raise ProseError(f"not up to date with templates and tables: {', '.join(stale)}; `brianize prose` writes them")


def pages(templates: Path = STUDIES, folder: Path = RESULTS) -> Mapping[Path, str]:
    """The text of every page, by where it belongs; README.md.j2 is the page of all results.

    A study that was not run has none yet.
    """
    found = {path.name.removesuffix(ENDING): path for path in sorted(templates.glob(f"*{ENDING}"))}
    return dict(_page(path, folder) for name, path in found.items() if name == ALL or (folder / name).is_dir())


def _page(template: Path, folder: Path) -> tuple[Path, str]:
    name = template.name.removesuffix(ENDING)
    study = "" if name == ALL else name
    text = fill(
        template.read_text(encoding="utf-8"), template.name, Source(folder, study), published=lambda: _published(folder)
    )
    return folder / study / "README.md", text


def _published(folder: Path) -> str:
    return published_table(load_published(folder / PUBLISHED.name), folder)


def _stale(templates: Path, folder: Path) -> dict[Path, str]:
    return {path: text for path, text in pages(templates, folder).items() if _content(path) != text}


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None

"""What a study leaves in its folder, and texts made from it: tables, summaries, published figures, chips."""

from studies.tables.chips import CHIPS, describe_energies, load_chips
from studies.tables.formats import paper_table, write_formats
from studies.tables.labels import CAVEAT, LABELS, short_label, with_unit
from studies.tables.names import name_of
from studies.tables.prose import check_pages, render_pages
from studies.tables.selection import select, select_drawn
from studies.tables.store import (
    ResultsError,
    check_owner,
    claim_folder,
    read_rows,
    read_run,
    read_table,
    write_rows,
    write_run,
    write_table,
)
from studies.tables.summary import report, write_summary
from studies.tables.tolerance import bearable, load_physiology, tolerances

__all__ = [
    "CAVEAT",
    "CHIPS",
    "LABELS",
    "ResultsError",
    "bearable",
    "check_owner",
    "check_pages",
    "claim_folder",
    "describe_energies",
    "load_chips",
    "load_physiology",
    "name_of",
    "paper_table",
    "read_rows",
    "read_run",
    "read_table",
    "render_pages",
    "report",
    "select",
    "select_drawn",
    "short_label",
    "tolerances",
    "with_unit",
    "write_formats",
    "write_rows",
    "write_run",
    "write_summary",
    "write_table",
]

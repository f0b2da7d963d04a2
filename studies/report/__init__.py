"""Pages of HTML that hold all that a study left: question, text, figures, tables, settings, versions."""

from studies.report.pages import write_index, write_report

__all__ = ["write_index", "write_report"]

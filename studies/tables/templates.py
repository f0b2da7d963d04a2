"""A text with its expressions filled by what `studies.tables.quoted` says, or an error that names the place."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateSyntaxError

from studies.declare import StudyError
from studies.tables.quoted import Source, functions

CODE = "<template>"  # what Jinja calls the code of a text that is no file


class ProseError(ValueError):
    """A page that cannot be filled, or is not up to date; the message names it."""


def fill(text: str, name: str, source: Source, **more: Any) -> str:
    """A template with its expressions filled.

    Parameters
    ----------
    text : str
        In Jinja2's language; it can call `studies.tables.quoted.functions`.
    name : str
        What messages call it.
    more
        What else it can name.

    Raises
    ------
    ProseError
        If it is no template, or an expression has a name that is not there, or selects no condition or several; the
        message says which template, line and expression.
    """
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    try:
        return environment.from_string(text, globals={**functions(source), "inf": math.inf, **more}).render()
    except TemplateSyntaxError as error:
        raise ProseError(_at(name, text, error.lineno, error)) from None
    except Exception as error:  # whatever an expression may raise
        raise ProseError(_at(name, text, _line(error.__traceback__), error)) from None


def _line(trace: TracebackType | None) -> int:
    """The line of the template that an error came from: the innermost in its code, which Jinja maps to its lines."""
    line = 1
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == CODE else line
        trace = trace.tb_next
    return line


def _at(name: str, text: str, line: int, error: Exception) -> str:
    said = error if isinstance(error, StudyError) else f"{text.splitlines()[line - 1].strip()}: {error}"
    return f"{name}, line {line}: {said}"

"""What Brian2 refuses, in one line with its own reason; and no word of the objects that are left when it does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brian2 import BrianObjectException

from conversion.plan import ConversionError

UNKNOWN = "could not be resolved"  # of a name
OURS = str(Path(__file__).parent)


@contextmanager
def refused(what: str, kind: type[Exception] = BrianObjectException) -> Iterator[None]:
    """Raise errors of a kind as `ConversionError`, which says what Brian2 cannot do and why."""
    try:
        yield
    except ConversionError:
        raise
    except kind as error:
        reason = reason_of(error)
        remedy = "; declare it in the equations or give it in `parameters`" if UNKNOWN in reason else ""
        raise ConversionError(f"Brian2 cannot {what}: {reason}{remedy}") from error


def reason_of(error: BaseException) -> str:
    """What a chain of errors says, of which one is the cause of the other, without where Brian2's objects were made."""
    said: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        text = " ".join(str(cause.args[0] if isinstance(cause, KeyError) and cause.args else cause).split())
        if isinstance(cause, BrianObjectException) and cause.__cause__ is not None:
            text = repr(cause._brian_objname)
        if not any(text.rstrip(".") in other for other in said):
            said.append(text)
        cause = cause.__cause__
    return ": ".join(text.rstrip(".") for text in said)


def _is_of_others(record: logging.LogRecord) -> bool:
    """Whether a warning of an object that no network ever had is of one that was not made here."""
    return OURS not in record.getMessage()


# where a network is refused, what has been made of it is deleted, and Brian2 warns of every part
logging.getLogger("brian2.core.base.unused_brian_object").addFilter(_is_of_others)

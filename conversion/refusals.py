"""What Brian2 refuses, in one line with its own reason; and no word of the objects that are left when it does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brian2 import BrianObjectException

from conversion.plan import ConversionError
from models.reasons import reason_of

OURS = str(Path(__file__).parent)


@contextmanager
def refused(what: str, kind: type[Exception] = BrianObjectException) -> Iterator[None]:
    """Raise errors of a kind as `ConversionError`, which says what Brian2 cannot do and why."""
    try:
        yield
    except ConversionError:
        raise
    except kind as error:
        raise ConversionError(f"Brian2 cannot {what}: {reason_of(error)}") from error


def _is_of_others(record: logging.LogRecord) -> bool:
    """Whether a warning of an object that no network ever had is of one that was not made here."""
    return OURS not in record.getMessage()


# where a network is refused, what has been made of it is deleted, and Brian2 warns of every part
logging.getLogger("brian2.core.base.unused_brian_object").addFilter(_is_of_others)

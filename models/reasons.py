"""What Brian2's errors say, in one line."""

from __future__ import annotations

from brian2 import BrianObjectException

UNKNOWN = "could not be resolved"  # what Brian2 says of a name
REMEDY = "declare it in the equations or give it in `parameters`"


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
    reason = ": ".join(text.rstrip(".") for text in said)
    return f"{reason}; {REMEDY}" if UNKNOWN in reason and REMEDY not in reason else reason

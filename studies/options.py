"""What the text of an option of the command line says."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A whole number from 1 on.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def setting(text: str) -> int | float | str | list[float]:
    """A setting as a study's file would hold it, numbers between commas as a list of them.

    `studies.declare.conditions` says what is wrong with it.
    """
    for kind in (int, float, _numbers):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]

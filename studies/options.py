"""Options of the command line that are keys of a study, and what the text of one says."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

SETTINGS = (
    "dataset", "images", "calibration", "normalization", "duration_ms", "max_rate_hz", "encoder", "neuron", "tau_m_ms",
    "reset", "v_th", "pooling", "readout", "seed", "scale", "mean", "std",
)  # fmt: skip
EXPORTED = ("percentile", "dt_ms")  # settings of `export` beside these


def add_settings(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """An option for each of some keys of a study."""
    settings = parser.add_argument_group("settings, as in the [fixed] section of a study")
    for name in names:
        settings.add_argument(f"--{name.replace('_', '-')}", type=setting, metavar="VALUE")


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

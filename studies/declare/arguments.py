"""Keys with a point, such as `neuron.tau_m` or `v_th.conv1`: what a model takes or a layer has; values such as "5 ms".

A TOML table cannot hold `neuron = "lif"` beside `neuron.tau_m`, so `neuron.model = "lif"` says the same there. What an
argument may be is known by the model, and checked where that is made (`studies.run.settings`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from studies.declare.errors import StudyError

MODELS = ("neuron", "synapse")  # of which a model may be named beside its arguments
FAMILIES: Mapping[str, str] = {
    "neuron": "an argument of the neuron model",
    "synapse": "an argument of the synapse model",
    "delay": "the delay of what a layer receives",
    "v_th": "the threshold of a layer",
}
_AMOUNT = re.compile(r"\s*([-+]?(?:inf|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))\s*((?:/\s*)?)([A-Za-z].*?)\s*")
Argument = str | float | int | bool


def flatten(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section of a study's file with one key for each argument; other tables, which no key takes, stay in it."""
    flat: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, dict) and key in FAMILIES:
            flat |= {_joined(key, name): item for name, item in value.items()}
        else:
            flat[key] = value
    return flat


def _joined(key: str, name: str) -> str:
    return key if key in MODELS and name == "model" else f"{key}.{name}"


def is_argument(name: str) -> bool:
    """Whether a key is one of a family's."""
    family, point, rest = str(name).partition(".")
    return bool(family in FAMILIES and point and rest)


def check_argument(name: str, value: Any) -> None:
    """Raise `StudyError` unless a value can be one of an argument: a number, a text, true or false."""
    if not isinstance(value, str | int | float) or (isinstance(value, float) and math.isnan(value)) or value == "":
        what = FAMILIES[name.partition(".")[0]]
        raise StudyError(
            f"{name} is {value!r}; {what} is a number, a number with a unit as text, such as '5 ms', or a text"
        )
    if name.startswith("v_th.") and not (isinstance(value, int | float) and 0 < value < math.inf):
        raise StudyError(f"{name} is {value!r}; it must be a number above 0")


def amount(value: Any) -> tuple[float, str] | None:
    """The number and the unit of a text such as "5 ms", "-65 mV" or "0.1 / ms**0.5"; None of anything else.

    A plain number has the unit "1"; true and false are no numbers.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value), "1"
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    number, divides, unit = found.groups()
    return float(number), f"1/{unit}" if divides else unit


def column_of(name: str, value: Any) -> str:
    """The column of a key that takes values with units: with the unit of this one, where it is a number."""
    found = amount(value)
    return name if found is None else f"{name} [{found[1]}]"


def cell(value: Any) -> Any:
    """What stands in that column: the number, in the unit as written."""
    found = amount(value)
    return value if found is None else found[0]


def unit_of_column(name: str) -> str | None:
    """The unit of such a column; None of any other."""
    found = re.fullmatch(r".* \[(.*)\]", name)
    return None if found is None else found[1]

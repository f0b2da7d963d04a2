"""Which values a key of a study takes, and what is said of those that it does not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from studies.declare.arguments import amount

Takes = Mapping[str, Any]


def takes(kinds: tuple[type, ...], valid: str, accepts: Callable[[Any], bool]) -> dict[str, Any]:
    return {"kinds": kinds, "valid": valid, "accepts": accepts, "has_unit": False}


def one_of(choices: Iterable[str]) -> Takes:
    known = tuple(choices)
    return takes((str,), f"one of {', '.join(map(repr, known))}", lambda value: value in known)


def number(valid: str, accepts: Callable[[float], bool] = lambda value: 0 < value < math.inf) -> Takes:
    return takes((int, float), valid, accepts)


def with_unit(example: str) -> Takes:
    """A number from 0 on with its unit, as text."""

    def accepts(value: str) -> bool:
        found = amount(value)
        return found is not None and 0 <= found[0] < math.inf

    valid = f"a number from 0 on with its unit, as text, such as {example!r}"
    return takes((str,), valid, accepts) | {"has_unit": True}


def says_what_is_read(name: str, valid: str) -> Takes:
    """One number, or a list of one per channel."""

    def accepts(value: Any) -> bool:
        values = value if isinstance(value, list | tuple) else [value]
        numbers = all(isinstance(number, int | float) and not isinstance(number, bool) for number in values)
        return bool(values) and numbers and all(_is_possible(name, float(number)) for number in values)

    return takes((int, float, list, tuple), f"one number or a list of one per channel, {valid}", accepts)


def _is_possible(name: str, number: float) -> bool:
    return math.isfinite(number) and (number > 0 or name == "mean")


NEURON = takes(
    (str,),
    "the name of a neuron model, or the place of a function that makes one, such as 'my_neurons.py:adaptive'",
    lambda value: re.fullmatch(r"\w+|.+\.py:\w+", value) is not None,
)
DATASET = takes((str,), "the name of a dataset or the path of an .npz file", bool)
MODEL = takes((str,), "the name of a shipped network or the path of an .onnx file", bool)
COUNT = takes((int,), "a whole number from 1 on", lambda value: value >= 1)
SEED = takes((int,), "a whole number from 0 to 2^63 - 1", lambda value: 0 <= value < 2**63)
TIME = number("a number above 0, in ms")
TIME_CONSTANT = number("a number above 0, in ms; inf is no leak", lambda value: value > 0)
PAUSE = number("a number from 0 on, in ms", lambda value: 0 <= value < math.inf)
RATE = number("a number above 0, in Hz")
MEMORY = number("a number above 0, in GB")
THRESHOLD = number("a number above 0")
FACTOR = number("a number above 0, at most 1e6", lambda value: 0 < value <= 1e6)
PERIOD = takes((int,), "a whole number from 1 to 16", lambda value: 1 <= value <= 16)
CLAMP = number("a number up to 0; -inf is no clamp", lambda value: value <= 0)
SHARE = number("a number from 0 on", lambda value: 0 <= value < math.inf)
PART = number("a number from 0 to 1", lambda value: 0 <= value <= 1)
PROBABILITY = number("a number above 0, at most 1", lambda value: 0 < value <= 1)
WEIGHT = number("a finite number", math.isfinite)
BITS = takes(
    (int,),
    "a whole number from 2 to 16, or 32, which leaves weights as they are",
    lambda value: value in (*range(2, 17), 32),
)
PERCENTILE = number("a number in (0, 100]", lambda value: 0 < value <= 100)

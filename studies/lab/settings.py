"""Choices of the lab as the keys of a study: the condition that they make, and the file that repeats it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.paths import WEIGHTS
from studies.declare import KEYS, Condition, matters, parse_study

IMAGES = 100
OWN_UNIT = ("if", "lif", "signed", "balanced")  # potentials without a unit; those of all others are in mV
Settings = Mapping[str, Any]


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, str]:
    """The shipped networks that classify, each with a dataset to test it on; those of the embedded digits first."""
    table = json.loads((WEIGHTS / "weights.json").read_text(encoding="utf-8"))
    tested = {name: list(entry["accuracy"]) for name, entry in table.items() if "accuracy" in entry}
    found = {name: "digits" if "digits" in names else names[0] for name, names in tested.items()}
    return dict(sorted(found.items(), key=lambda item: item[1] != "digits"))


def settings_of(choices: Settings) -> dict[str, Any]:
    """The keys of a study for what is chosen, without those that have no effect.

    Parameters
    ----------
    choices : mapping
        Keys of a `Condition`; and the numbers `delay_ms`, `noise` (in the unit of the potential, per root of ms) and
        `tau_s_ms` (of a synapse), which get their units here.
    """
    unit = "" if choices["neuron"] in OWN_UNIT else "mV "
    values = {"images": IMAGES, **choices}
    values["delay"] = f"{choices['delay_ms']:g} ms"
    values["membrane_noise"] = f"{choices['noise']:g} {unit}/ ms**0.5"
    used, plain = in_use(choices), ("0 ms", f"0 {unit}/ ms**0.5")
    found = {key: value for key, value in values.items() if key in KEYS and key in used and value not in plain}
    if "tau_s_ms" in used:
        found["synapse.tau_s"] = f"{choices['tau_s_ms']:g} ms"
    return {key: value for key, value in found.items() if key not in KEYS or value != KEYS[key].default}


def in_use(choices: Settings) -> set[str]:
    """Which names of choices, and of keys, have an effect beside the others."""
    every = {key: choices.get(key, field.default) for key, field in KEYS.items()}
    used = {name for name in (*choices, *KEYS) if name not in KEYS or matters(name, every)}
    return used - ({"tau_s_ms"} if every["synapse"] == "delta" else set())


def condition_of(settings: Settings) -> Condition:
    """The condition of settings, refused as one of a study is.

    Raises
    ------
    StudyError
    """
    (condition,) = parse_study({"title": "", "question": "", "fixed": dict(settings)}, "lab", Path()).conditions
    return condition


def study_text(named: Mapping[str, Settings], title: str = "From the lab") -> str:
    """The TOML of a study of one setting, or of several as variants, each under its name; equal ones come once."""
    distinct = {name: one for k, (name, one) in enumerate(named.items()) if one not in list(named.values())[:k]}
    first, *others = distinct.values()
    same = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    lines = [f"title = {_toml(title)}", 'question = "What do these settings do to the network?"', "", "[fixed]"]
    lines += [_line(key, value) for key, value in same.items()]
    for name, settings in distinct.items() if others else ():
        changes = {key: value for key, value in settings.items() if key not in same}
        lines += ["", "[[variants]]", _line("name", name), *(_line(key, value) for key, value in changes.items())]
    hue = ['hue = "variant"'] if others else []
    lines += ["", "[[figures]]", 'name = "accuracy"', 'plot = "lineplot"', 'x = "time_ms"', 'y = "accuracy"', *hue]
    return "\n".join([*lines, 'ceiling = "ann_accuracy"', ""])


def _line(key: str, value: Any) -> str:
    """A key and its value; a model beside whose name its arguments may stand is the key `model` of a table."""
    return f"{key + '.model' if key == 'synapse' else key} = {_toml(value)}"


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)

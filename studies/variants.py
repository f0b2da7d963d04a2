"""Variants of a study: named sets of keys, one beside the other, where a grid would cross them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.conditions import StudyError, check_value, require_type

Variants = Mapping[str, Mapping[str, Any]]


def parse_variants(content: Any) -> Variants:
    """What each variant of a file's `[[variants]]` changes in `[fixed]`, by its name.

    Raises
    ------
    StudyError
        If a name is missing or there twice, or a key or value is none of a condition.
    """
    variants: dict[str, Mapping[str, Any]] = {}
    for table in require_type("variants", content, list, "a list of tables, [[variants]]"):
        changes = dict(require_type("variants", table, dict, "a list of tables, [[variants]]"))
        name = require_type("variant: name", changes.pop("name", None), str, "a text")
        if name in variants:
            raise StudyError(f"variant: name is {name!r}; it is there twice")
        for key, value in changes.items():
            check_value(key, value)
        variants[name] = changes
    return variants


def check_variants(fixed: Mapping[str, Any], variants: Variants, grid: Mapping[str, Any]) -> None:
    """Raise `StudyError` where a variant and another section both say what a key is, and one would be ignored."""
    for name, changes in variants.items():
        for key in changes.keys() & grid.keys():
            raise StudyError(f"{key} is in variant {name!r} ({changes[key]!r}) and in [grid] ({grid[key]!r}); keep one")
    for key in fixed:
        if variants and all(key in changes for changes in variants.values()):
            raise StudyError(f"{key} is in [fixed] ({fixed[key]!r}), but every variant has its own; keep one")

"""What a study is: a question, settings, variants of them, a grid and figures, declared in a TOML file."""

from __future__ import annotations

import itertools
import math
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from models.paths import STUDIES
from studies.declare.arguments import column_of, flatten, is_argument
from studies.declare.conditions import (
    KEYS,
    Condition,
    check_value,
    condition,
    require_known,
    require_type,
    takes_units,
)
from studies.declare.drawable import check_figures
from studies.declare.effects import MATTERS_ONLY_IF
from studies.declare.errors import StudyError
from studies.declare.figure_spec import FigureSpec, in_columns, parse_figure

LARGEST_FILE, MOST_POINTS = 1_000_000, 100_000  # bytes, points of a grid; more is another file, or a slip of a list
Section = dict[str, Any]
Variants = Mapping[str, Mapping[str, Any]]  # what each changes in [fixed], where a grid would cross them all


@dataclass(frozen=True)
class Study:
    """A declared sweep; `name` is that of its file and of its folder of results."""

    name: str
    title: str
    question: str
    fixed: Mapping[str, Any]
    variants: Variants
    grid: Mapping[str, tuple[Any, ...]]
    figures: tuple[FigureSpec, ...]
    folder: Path

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """The points of the grid in its order, the last key varying fastest; points that are the same come once."""
        return tuple(self.variant_of)

    @cached_property
    def variant_of(self) -> Mapping[Condition, str]:
        """The conditions, variant after variant, each with the name of its own; "" where there are none.

        Raises
        ------
        StudyError
            If two variants are the same condition.
        """
        names: dict[Condition, str] = {}
        for name, changes in (self.variants or {"": {}}).items():
            for values in itertools.product(*self.grid.values()):
                point = condition({**self.fixed, **changes, **dict(zip(self.grid, values, strict=True))})
                if names.setdefault(point, name) != name:
                    raise StudyError(f"variants {names[point]!r} and {name!r} are the same; give one another value")
        return names

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the results that say which condition a row belongs to; the seed comes last."""
        return _columns(self.variants, self.grid)

    def identity(self, results: Path) -> dict[str, Any]:
        """What tells a study from others: its file, as seen from a folder of results, and all that it says; a title."""
        file = os.path.relpath(self.folder.resolve() / f"{self.name}.toml", results.resolve())
        return {"title": self.title, "file": Path(file).as_posix(), "study": self.content()}

    def content(self) -> dict[str, Any]:
        """Everything that the file says, as plain data."""
        left_out = {"name", "folder"} | (set() if self.variants else {"variants"})
        content = {name: value for name, value in asdict(self).items() if name not in left_out}
        return {**content, "grid": {key: list(values) for key, values in self.grid.items()}}


def load_study(name_or_path: str | Path, quick: bool = False) -> Study:
    """Read a study by the name of a file in studies/, or by path; its `[quick]`, if asked for, replaces what it names.

    Raises
    ------
    StudyError
        If there is no such study, or it is not well formed.
    """
    path = find_study(name_or_path)
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise StudyError(f"{path} has {size:,} bytes, but a study at most {LARGEST_FILE:,}; is it another file?")
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte-order mark
        return parse_study(tomllib.loads(text), path.stem, path.resolve().parent, quick)
    except ValueError as error:  # StudyError, and what the parser says of bytes, of TOML and of numbers of 5000 digits
        raise StudyError(f"{path}: {error}") from None
    except RecursionError:
        raise StudyError(f"{path}: its values are nested too deeply to be read") from None


def study_names() -> list[str]:
    """The studies that ship with the project."""
    return sorted(path.stem for path in STUDIES.glob("*.toml") if path.name != "published.toml")


def find_study(name_or_path: str | Path) -> Path:
    """The file of a study."""
    if str(name_or_path).endswith(".toml"):
        path = Path(name_or_path)
        if not path.is_file():
            raise StudyError(f"{path} is not a file" if path.exists() else f"there is no file {path}")
        return path
    require_known("study", str(name_or_path), study_names())
    return STUDIES / f"{name_or_path}.toml"


def parse_study(content: Mapping[str, Any], name: str, folder: Path, quick: bool = False) -> Study:
    """A study from the content of its file, checked down to every condition."""
    for key in content:
        require_known("key", key, ("title", "question", "fixed", "variants", "grid", "quick", "figures"))
    for key in ("title", "question"):
        require_type(key, content.get(key), str, "a text")
    fixed, grid, overrides = (flatten(_table(content, section)) for section in ("fixed", "grid", "quick"))
    _check_sections(fixed, grid)
    _check_quick(overrides)
    if quick and not overrides:
        raise StudyError("quick: the study has no [quick] section")
    if quick:
        fixed, grid = _quick(fixed, grid, overrides)
    variants = _parse_variants(content.get("variants", []))
    if quick:
        variants = {of: _without(changes, overrides) for of, changes in variants.items()}
    _check_variants(fixed, variants, grid)
    grid = {key: tuple(values) for key, values in grid.items()}
    names = {key: column_of(key, values[0]) for key, values in grid.items() if takes_units(key)}
    columns = dict.fromkeys(_columns(variants, grid))
    figures = tuple(parse_figure(in_columns(figure, names), columns) for figure in _figures(content))
    study = Study(name, content["title"], content["question"], fixed, variants, grid, figures, folder)
    points = max(1, len(variants)) * math.prod(map(len, grid.values()))
    if points > MOST_POINTS:
        raise StudyError(f"the grid has {points:,} points, but a study at most {MOST_POINTS:,}; shorten its lists")
    _check_effects(fixed, variants, grid)
    if not study.conditions:
        raise StudyError("the grid is empty")
    check_figures(figures, study.variant_of, study.columns, quick)
    return study


def _columns(variants: Variants, grid: Mapping[str, Any]) -> tuple[str, ...]:
    varied = (column_of(key, values[0]) if takes_units(key) else key for key, values in grid.items() if key != "seed")
    return (*(["variant"] if variants else []), *varied, "seed")


def _check_sections(fixed: Mapping[str, Any], grid: Mapping[str, Any]) -> None:
    for key, value in fixed.items():
        check_value(key, value)
    for key, values in grid.items():
        _check_grid(key, values)
    both = sorted(fixed.keys() & grid.keys())
    if both:
        raise StudyError(f"{both[0]} is in [fixed] ({fixed[both[0]]!r}) and in [grid] ({grid[both[0]]!r}); keep one")


def _check_quick(overrides: Mapping[str, Any]) -> None:
    for key, value in overrides.items():
        if isinstance(value, list):
            _check_grid(key, value)
        else:
            check_value(key, value)


def _quick(fixed: Section, grid: Section, overrides: Section) -> tuple[Section, Section]:
    """The overridden sections; what the grid varies stays in it, as a column of the results that figures may name."""
    lists = {k: v if isinstance(v, list) else [v] for k, v in overrides.items() if isinstance(v, list) or k in grid}
    values = {key: value for key, value in overrides.items() if key not in lists}
    return {key: value for key, value in {**fixed, **values}.items() if key not in lists}, {**grid, **lists}


def _without(changes: Mapping[str, Any], overrides: Section) -> Section:
    return {key: value for key, value in changes.items() if key not in overrides}


def _check_grid(key: str, values: Any) -> None:
    if not is_argument(key):
        require_known("key", key, KEYS)
    if not isinstance(values, list) or not values:
        valid = "a value of an argument" if is_argument(key) else KEYS[key].metadata["valid"]
        raise StudyError(f"grid: {key} is {values!r}; it must be a list of at least one value, each {valid}")
    for value in values:
        check_value(key, value)
        if isinstance(value, list):
            raise StudyError(f"grid: {key} is {value!r} among others; a list is possible in [fixed] or [[variants]]")
    if len(set(values)) < len(values):
        raise StudyError(f"grid: {key} is {values!r}; a value is there twice")
    if takes_units(key) and len({column_of(key, value) for value in values}) > 1:
        raise StudyError(f"grid: {key} is {values!r}; its values are one column: write all of them in the same unit")


def _check_effects(fixed: Mapping[str, Any], variants: Variants, grid: Mapping[str, Any]) -> None:
    """Refuse a key that no point of the grid would look at, of those to which it applies."""
    for key in MATTERS_ONLY_IF:
        if key in {**fixed, **grid}:
            every = [{**fixed, **changes} for changes in variants.values() if key not in changes] or [dict(fixed)]
            _check_effect(key, fixed.get(key, grid.get(key)), every, grid)
        for changes in variants.values():
            if key in changes:
                _check_effect(key, changes[key], [{**fixed, **changes}], grid)


def _check_effect(key: str, value: Any, settings: Sequence[Mapping[str, Any]], grid: Mapping[str, Any]) -> None:
    def candidates(other: str) -> Iterable[Any]:
        return grid.get(other) or dict.fromkeys(some.get(other, KEYS[other].default) for some in settings)

    needed = MATTERS_ONLY_IF[key]
    if not any(value in wanted for other, wanted in needed.items() for value in candidates(other)):
        reasons = (_unused(other, candidates(other), wanted) for other, wanted in needed.items())
        raise StudyError(f"{key} is {value!r}, but has no effect: {'; '.join(reasons)}")


def _unused(key: str, values: Iterable[Any], wanted: Iterable[Any]) -> str:
    return f"{key} is {', '.join(map(repr, values))}, and only {' or '.join(map(repr, wanted))} uses it"


def _table(content: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    return require_type(section, content.get(section, {}), dict, f"a table, [{section}]")


def _figures(content: Mapping[str, Any]) -> list[Any]:
    return require_type("figures", content.get("figures", []), list, "a list of tables, [[figures]]")


def _parse_variants(content: Any) -> Variants:
    """What each variant of a file's `[[variants]]` changes in `[fixed]`, by its name.

    Raises
    ------
    StudyError
        If a name is missing or there twice, or a key or value is none of a condition.
    """
    variants: dict[str, Mapping[str, Any]] = {}
    for table in require_type("variants", content, list, "a list of tables, [[variants]]"):
        changes = flatten(require_type("variants", table, dict, "a list of tables, [[variants]]"))
        name = require_type("variant: name", changes.pop("name", None), str, "a text")
        if name in variants:
            raise StudyError(f"variant: name is {name!r}; it is there twice")
        for key, value in changes.items():
            check_value(key, value)
        variants[name] = changes
    return variants


def _check_variants(fixed: Mapping[str, Any], variants: Variants, grid: Mapping[str, Any]) -> None:
    """Raise `StudyError` where a variant and another section both say what a key is, and one would be ignored."""
    for name, changes in variants.items():
        for key in changes.keys() & grid.keys():
            raise StudyError(f"{key} is in variant {name!r} ({changes[key]!r}) and in [grid] ({grid[key]!r}); keep one")
    for key in fixed:
        if variants and all(key in changes for changes in variants.values()):
            raise StudyError(f"{key} is in [fixed] ({fixed[key]!r}), but every variant has its own; keep one")

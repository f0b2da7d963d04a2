"""Numbers for sentences: every function reads the tables of one condition and says them as text, with their interval.

"98.9 ± 0.2 %" has half of the 95 % confidence interval over seeds (Student's t), where seeds differ. "85.8 % (83.5 to
87.8)" has the 95 % interval over images (`studies.statistics`), where they do not. A page says so once: `reading`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial, wraps
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.paths import WEIGHTS
from studies.declare import SHARES, FigureSpec, StudyError, require_known
from studies.statistics import ROUNDING, interval, paired_interval, settling_time, wilson_interval
from studies.tables.selection import select
from studies.tables.store import read_table

ENTRIES = WEIGHTS / "weights.json"
PAIRED = ("accuracy", "ann_accuracy", "agreement")
OF_IMAGES = (*PAIRED, "unanswered_share")
UNITS = {"_ms": " ms", "_nj": " nJ", "_hz": " Hz", "_gb": " GB"}
TESTED = 10_000  # images that the accuracies of weights.json are of: the test sets of MNIST and CIFAR-10


@dataclass(frozen=True)
class Source:
    """Where a call looks: the folder of all results, and the study whose page it is on, "" for the page of all."""

    folder: Path
    study: str


def functions(source: Source) -> Mapping[str, Callable[..., Any]]:
    """What a template can call.

    Beside what its function names, every call takes `study="..."` for another than its own, and the columns that tell
    the condition, with the value to keep, as `where` of a figure does. `time_ms` is "end" where it is not given;
    "reached" is the time from which the result stays at 99 % of the ANN's. An error says which call it is.
    """
    calls = (accuracy, loss, precision, value, number, median, each, span, within, images, header, reading)
    return {call.__name__: _naming(partial(call, source), call.__name__) for call in calls} | {
        "weights": _naming(weights, "weights")
    }


def accuracy(source: Source, column: str = "accuracy", digits: int = 1, **where: Any) -> str:
    """An accuracy in %, or another share of images, with its interval over seeds or, if they are alike, over images."""
    rows = select_condition(source, "metrics", **where)
    require_known("share of images", column, OF_IMAGES)
    return show_shares(rows[column], images(source, **where), digits)


def loss(source: Source, digits: int = 1, **where: Any) -> str:
    """How many points the ANN's accuracy is above, with the interval over images that it has at most."""
    means = select_condition(source, "metrics", **where)[list(PAIRED)].mean()
    ours, ann, agreement = means
    ends = paired_interval(ours, ann, agreement, images(source, **where))
    points, low, high = (_decimals(100 * share, digits) for share in (ann - ours, *ends))
    return f"{points} points ({low} to {high})"


def precision(source: Source, column: str = "map_50", digits: int = 1, **where: Any) -> str:
    """A mAP, or the fidelity, in % with its 95 % interval over images (bootstrap), at most over seeds."""
    rows = select_condition(source, "metrics", **where)
    low, high = rows[f"{column}_low"].min(), rows[f"{column}_high"].max()
    return (
        f"{show_mean(rows[column], digits, ' %')} ({_decimals(100 * low, digits)} to {_decimals(100 * high, digits)})"
    )


def value(
    source: Source, column: str, digits: int | None = None, table: str = "metrics", bare: bool = False, **where: Any
) -> str:
    """A mean over seeds with half of their interval where they differ; shares in %; of a time maybe "not reached"."""
    values = select_condition(source, table, **where)[column]
    return show_mean(values, digits, "" if bare else unit(column))


def number(source: Source, column: str, table: str = "metrics", **where: Any) -> float:
    """A mean over seeds to calculate with."""
    values = select_condition(source, table, **where)[column]
    _require_values(values)
    return float(values.mean())


def median(source: Source, column: str, table: str, **where: Any) -> float:
    """The median of repeated measurements, to calculate with."""
    return float(_rows(source, table, **where)[column].median())


def each(source: Source, column: str, table: str = "metrics", **where: Any) -> list[float]:
    """The means over seeds of several conditions, in the order of the table."""
    rows = _rows(source, table, **where)
    _require_values(rows[column])
    keys = [key for key in _keys(rows, table) if key != "seed"]
    return rows.groupby(keys, sort=False, dropna=False)[column].mean().tolist()


def span(source: Source, column: str, digits: int = 1, table: str = "metrics", **where: Any) -> str:
    """From the smallest to the largest mean over seeds of several conditions; shares in %."""
    values = [100 * mean if column in SHARES else mean for mean in each(source, column, table, **where)]
    return f"{_decimals(min(values), digits)} to {_decimals(max(values), digits)}{unit(column)}"


def within(source: Source, points: float, **where: Any) -> str:
    """The time from which the mean over seeds stays at most so many points below the ANN's."""
    rows = _rows(source, "metrics", **{"time_ms": None} | where)
    keys = _keys(rows, "metrics")
    _require_one(rows.drop_duplicates(keys), keys)
    means = rows.groupby("time_ms")[["accuracy", "ann_accuracy"]].mean()
    gains = (means["accuracy"] - means["ann_accuracy"]).to_numpy()
    first = settling_time(means.index.to_numpy(), gains, -points / 100 - ROUNDING)
    return "not within the window" if np.isnan(first) else f"{first:,g} ms"


def images(source: Source, **where: Any) -> int:
    """How many images a condition saw; without columns all conditions of a study, which must then agree."""
    source, where = _source(source, where)
    content = _account(source)["study"]
    variants = content.get("variants", {})
    named = where.get("variant", list(variants))
    each_has = [variants[name].get("images") for name in ([named] if isinstance(named, str) else named)] or [None]
    counts = {content["fixed"].get("images") if count is None else count for count in each_has}
    if len(counts) > 1:
        raise StudyError(f"the conditions saw different numbers of images, {counts}; name a variant")
    return int(counts.pop())


def weights(model: str, dataset: str = "", digits: int = 2) -> str:
    """The accuracy of a trained ANN on all test images of a dataset, which may be left out if there is but one."""
    known = json.loads(ENTRIES.read_text(encoding="utf-8"))
    require_known("network", model, known)
    of = known[model]["accuracy"]
    if not dataset and len(of) > 1:
        raise StudyError(f"{model} has accuracies on {', '.join(of)}; name a dataset")
    require_known("dataset", dataset or next(iter(of)), of)
    return show_shares(pd.Series([of[dataset or next(iter(of))]]), TESTED, digits)


def header(source: Source) -> str:
    """What a page begins with: the study's title, its question and its command."""
    account = _account(source)
    return f"# {account['title']}\n\n{account['study']['question']}\n\n    brianize run {source.study}"


def reading(source: Source, **where: Any) -> str:
    """The sentence that says what the intervals of a page are over."""
    rows = _rows(source, "metrics", **where)
    many = rows["seed"].nunique()
    over_seeds = f"± over {many} seeds (Student's t); " if many > 1 else ""
    if "map_50_low" in rows:
        of = f"brackets over the {images(source, **where):,} images (bootstrap)"
        return f"Intervals are 95 %: {over_seeds}{of}."
    if "accuracy" not in rows:
        return (
            f"Intervals are 95 %: {over_seeds}a mAP has none over images."
            if over_seeds
            else "A mAP has no interval over images."
        )
    of = f"brackets over the {images(source, **where):,} images (Wilson's; of a loss the paired one, at most)"
    return f"Intervals are 95 %: {over_seeds}{of}."


def select_condition(source: Source, table: str, **where: Any) -> pd.DataFrame:
    """The rows of one condition, one per seed.

    Raises
    ------
    StudyError
        If no row is left, or those of several conditions are.
    """
    rows = _rows(source, table, **where)
    _require_one(rows, _keys(rows, table))
    return rows


def show_shares(values: pd.Series, n: int, digits: int | None = 1) -> str:
    """Shares of n images as text: the mean over seeds with their interval, or if all are the same that over images."""
    if values.isna().any() or np.ptp(values) > 0:
        return show_mean(values, digits, " %")
    digits = 1 if digits is None else digits
    low, high = wilson_interval(float(values.mean()), n)
    return f"{show_mean(values, digits, ' %')} ({_decimals(100 * low, digits)} to {_decimals(100 * high, digits)})"


def show_mean(values: pd.Series, digits: int | None, unit: str) -> str:
    """A mean over seeds as text, with half of their interval where they differ; shares in %."""
    if values.isna().any() and unit == UNITS["_ms"]:
        return "not reached"
    _require_values(values)
    scale = 100 if values.name in SHARES or unit == " %" else 1
    low, high = (scale * end for end in interval(values))
    mean = scale * float(values.mean())
    digits = digits if digits is not None else 1 if scale > 1 or (mean < 100 and mean != round(mean)) else 0
    half = (high - low) / 2
    spread = f" ± {_decimals(half, digits) if round(half, digits) else f'{half:.1g}'}" if high > low else ""
    return f"{_decimals(mean, digits)}{spread}{unit}"


def _rows(source: Source, table: str, **where: Any) -> pd.DataFrame:
    source, where = _source(source, where)
    rows = _table(source.folder / source.study, table)
    where = ({"time_ms": "end"} if table == "metrics" else {}) | where
    reached = where.get("time_ms") == "reached"
    where = {key: wanted for key, wanted in where.items() if wanted is not None and not (reached and key == "time_ms")}
    for column in where:
        require_known(f"column of {table}.csv", column, rows.columns)
    try:
        rows = select(rows, FigureSpec(name="", plot="", x="", y="", where=where))
    except StudyError as error:
        raise StudyError(str(error).removeprefix("figure '': ")) from None
    return _when_reached(rows) if reached else rows


def _when_reached(rows: pd.DataFrame) -> pd.DataFrame:
    _require_values(rows["time_to_99_ms"])
    return rows[rows["time_ms"] == rows["time_to_99_ms"]]


def _source(source: Source, where: Mapping[str, Any]) -> tuple[Source, dict[str, Any]]:
    """Where to look, and what is left of the columns once `study` is taken from them."""
    columns = dict(where)
    found = replace(source, study=columns.pop("study", source.study))
    if not (found.folder / found.study / "run.json").is_file() or not found.study:
        raise StudyError(f"there is no study {found.study!r} in the results; name one by study=")
    return found, columns


def _account(source: Source) -> Any:
    return json.loads((source.folder / source.study / "run.json").read_text(encoding="utf-8"))


def _table(folder: Path, name: str) -> pd.DataFrame:
    path = folder / f"{name}.csv"
    return _read(folder, name, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=64)
def _read(folder: Path, name: str, changed: int) -> pd.DataFrame:
    """A table that has not changed since it was read."""
    return read_table(folder, name)


def _keys(rows: pd.DataFrame, table: str) -> list[str]:
    """The columns in front, which tell one row from the others of the same time."""
    first = {"metrics": "time_ms", "layers": "spikes_per_image"}.get(table)
    return list(rows.columns[: list(rows.columns).index(first)]) if first else []


def _require_values(values: pd.Series) -> None:
    if values.isna().any():
        raise StudyError(f"{values.name} has no value for every seed")


def _require_one(rows: pd.DataFrame, keys: list[str]) -> None:
    """Raise unless the rows are those of one condition."""
    several = [key for key in keys if key != "seed" and rows[key].nunique(dropna=False) > 1]
    if several or (rows["seed"].duplicated().any() if "seed" in rows else len(rows) > 1):
        hint = "; ".join(f"{key} is {', '.join(map(str, rows[key].unique()[:8]))}" for key in several)
        raise StudyError(f"{len(rows)} rows are left, of more than one condition{hint and ': '}{hint}")


def unit(column: str) -> str:
    """What follows a number of a column."""
    return " %" if column in SHARES else next((unit for end, unit in UNITS.items() if column.endswith(end)), "")


def _decimals(number: float, digits: int) -> str:
    return f"{0.0 if round(number, digits) == 0 else number:,.{digits}f}"  # no -0.0


def _naming(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The same function, whose errors say how it was called."""

    @wraps(call)
    def named(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except (ValueError, KeyError, TypeError) as error:
            said = ", ".join([*map(repr, args), *(f"{key}={item!r}" for key, item in kwargs.items())])
            text = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            raise StudyError(f"{name}({said}): {text}") from None

    return named

"""The tables that end a run, a row per condition over its seeds: a short one to print, all of it in summary.md."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from models.atomic import write_atomically
from studies.statistics import interval
from studies.tables.labels import CAVEAT, LABELS

MEASURES: dict[str, tuple[str, float]] = {
    "accuracy": ("accuracy (%)", 100),
    "ann_accuracy": ("ANN (%)", 100),
    "unanswered_share": ("no answer (%)", 100),
    "map_50": ("mAP@0.5 (%)", 100),
    "ann_map_50": ("ANN mAP@0.5 (%)", 100),
    "fidelity_map_50": ("fidelity (%)", 100),
    "time_to_99_ms": ("time to 99 % (ms)", 1),
    "spikes_to_99": ("spikes by then", 1),
    "energy_to_99_nj": ("energy by then (nJ)", 1),
    "time_to_99_9_ms": ("time to 99.9 % (ms)", 1),
    "spikes_per_image": ("spikes/image", 1),
    "energy_nj": ("energy (nJ)", 1),
    "ann_energy_nj": ("ANN energy (nJ)", 1),
}


def write_summary(table: pd.DataFrame, title: str, folder: Path) -> Path:
    """Write summary.md: for every condition what it reached and when, from the study's metrics.csv alone."""
    path = folder / "summary.md"
    lines = [f"# {title}", "", markdown(details(table)), "", _reading(table), CAVEAT, ""]
    write_atomically(path, "\n".join(lines))
    return path


def details(table: pd.DataFrame) -> pd.DataFrame:
    """One row per condition, as text: mean ± half of the 95 % confidence interval over seeds of every measure.

    A time counts only if every seed reached it, and so do the spikes and the energy up to that time.
    """
    reached = table[table["time_ms"] == table["time_to_99_ms"]].set_index(identity(table))
    last = _end(table).set_index(identity(table))
    last["spikes_to_99"], last["energy_to_99_nj"] = reached["spikes_per_image"], reached["energy_nj"]
    measures = {column: shown for column, shown in MEASURES.items() if column in last}  # of classes or of boxes
    rows = [
        _describe(condition) | {name: _mean(seeds[column] * scale) for column, (name, scale) in measures.items()}
        for condition, seeds in _by_condition(last.reset_index())
    ]
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    """A table of text in Markdown."""
    rows = [table.columns, ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def report(table: pd.DataFrame, figures: list[Path], folder: Path) -> str:
    """What a run prints at its end: the summary, what it means, and where the figures are.

    Parameters
    ----------
    table : DataFrame
        The study's metrics.csv.
    figures : list of Path
    folder : Path
        Of the results.
    """
    lines = [
        summary(table).to_string(index=False),
        "",
        _reading(table),
        CAVEAT,
        "",
        f"Tables:  {folder / 'metrics.csv'}, layers.csv, summary.md",
        *(f"Figure:  {path}" for path in figures),
    ]
    return "\n".join(lines)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row per condition, as text, in the order of the table."""
    return pd.DataFrame([_describe(condition) | _row(seeds) for condition, seeds in _by_condition(_end(table))])


def identity(table: pd.DataFrame) -> list[str]:
    """The columns of a metrics.csv that tell a run from the others: the swept keys and the seed."""
    return list(table.columns[: list(table.columns).index("time_ms")])


def _end(table: pd.DataFrame) -> pd.DataFrame:
    return table.groupby(identity(table), sort=False, dropna=False).tail(1)


def _by_condition(last: pd.DataFrame) -> list[tuple[dict[str, object], pd.DataFrame]]:
    keys = [key for key in identity(last) if key != "seed"]
    groups = last.groupby(keys, sort=False, dropna=False) if keys else [((), last)]
    return [(dict(zip(keys, values, strict=True)), seeds) for values, seeds in groups]


def _describe(condition: dict[str, object]) -> dict[str, str]:
    return {LABELS[key]: "" if pd.isna(value) else str(value) for key, value in condition.items()}


def _row(seeds: pd.DataFrame) -> dict[str, str]:
    mean = seeds.mean(numeric_only=True)
    time = seeds["time_to_99_ms"]
    return {
        **_quality(seeds),
        "time to 99 % (ms)": "-" if time.isna().any() else f"{time.mean():.4g}",
        "spikes/image": f"{mean['spikes_per_image']:,.0f}",
        "energy (nJ)": f"{mean['energy_nj']:,.4g}",
        "ANN energy (nJ)": f"{mean['ann_energy_nj']:,.4g}",
    }


def _quality(seeds: pd.DataFrame) -> dict[str, str]:
    if "accuracy" in seeds:
        silent = {name: f"{100 * seeds[name].mean():.3g}" for name in ("unanswered_share",) if name in seeds}
        return {
            "accuracy (%)": _percent(seeds["accuracy"]),
            "ANN (%)": f"{100 * seeds['ann_accuracy'].mean():.2f}",
            **{MEASURES[name][0]: shown for name, shown in silent.items()},
        }
    return {
        "mAP@0.5 (%)": _percent(seeds["map_50"]),
        "ANN (%)": f"{100 * seeds['ann_map_50'].mean():.2f}",
        "fidelity (%)": _percent(seeds["fidelity_map_50"]),
    }


def _percent(shares: pd.Series) -> str:
    low, high = interval(shares)
    return f"{100 * shares.mean():.2f}" + (f" ± {50 * (high - low):.2f}" if len(shares) > 1 else "")


def _mean(values: pd.Series) -> str:
    """Mean and half of the interval, four digits or two decimals; "-" if a seed has no value."""
    if values.isna().any():
        return "-"
    low, high = interval(values)
    digits = 0 if values.mean() >= 1000 else 2
    return f"{values.mean():,.{digits}f}" + (f" ± {(high - low) / 2:,.{digits}f}" if high > low else "")


def _reading(table: pd.DataFrame) -> str:
    seeds = table["seed"].nunique()
    spread = f"± half of the 95 % confidence interval over {seeds} seeds" if seeds > 1 else "one seed, so no interval"
    measure = "accuracy" if "accuracy" in table else "mAP"
    return (
        f"At the end of the window; {spread}.\n"
        f"Time to 99 %: first time from which the {measure} stays at 99 % of the ANN's or above; -: not for every seed."
    )

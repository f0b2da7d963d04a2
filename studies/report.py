"""The table that ends a run: one row per condition at the end of its window, over its seeds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from studies.energy import CAVEAT
from studies.labels import LABELS
from studies.metrics import interval


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
    seeds = table["seed"].nunique()
    spread = f"± half of the 95 % confidence interval over {seeds} seeds" if seeds > 1 else "one seed, so no interval"
    lines = [
        summary(table).to_string(index=False),
        "",
        f"At the end of the window; {spread}.",
        "Time to 99 %: first time from which the answers stay at 99 % of the ANN's or above; -: not for every seed.",
        CAVEAT,
        "",
        f"Tables:  {folder / 'metrics.csv'}, layers.csv",
        *(f"Figure:  {path}" for path in figures),
    ]
    return "\n".join(lines)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row per condition, as text, in the order of the table."""
    keys = [key for key in table.columns[: list(table.columns).index("time_ms")] if key != "seed"]
    last = table.groupby([*keys, "seed"], sort=False, dropna=False).tail(1)
    groups = last.groupby(keys, sort=False, dropna=False) if keys else [((), last)]
    rows = [_row(dict(zip(keys, values, strict=True)), group) for values, group in groups]
    return pd.DataFrame(rows)


def _row(condition: dict[str, object], seeds: pd.DataFrame) -> dict[str, str]:
    shown = {LABELS[key]: "" if pd.isna(value) else str(value) for key, value in condition.items()}
    mean = seeds.mean(numeric_only=True)
    time = seeds["time_to_99_ms"]
    return shown | {
        **_quality(seeds),
        "time to 99 % (ms)": "-" if time.isna().any() else f"{time.mean():.4g}",
        "spikes/image": f"{mean['spikes_per_image']:,.0f}",
        "energy (nJ)": f"{mean['energy_nj']:,.4g}",
        "ANN energy (nJ)": f"{mean['ann_energy_nj']:,.4g}",
    }


def _quality(seeds: pd.DataFrame) -> dict[str, str]:
    if "accuracy" in seeds:
        return {"accuracy (%)": _percent(seeds["accuracy"]), "ANN (%)": f"{100 * seeds['ann_accuracy'].mean():.2f}"}
    return {
        "mAP@0.5 (%)": _percent(seeds["map_50"]),
        "ANN (%)": f"{100 * seeds['ann_map_50'].mean():.2f}",
        "fidelity (%)": _percent(seeds["fidelity_map_50"]),
    }


def _percent(shares: pd.Series) -> str:
    low, high = interval(shares)
    return f"{100 * shares.mean():.2f}" + (f" ± {50 * (high - low):.2f}" if len(shares) > 1 else "")

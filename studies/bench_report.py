"""What the benchmark says: engines side by side, and what was asked of the engine beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

SHARED = "shared weights"
PLAIN = "Synapses, numpy"
Tables = Mapping[str, pd.DataFrame]


def compare(engines: pd.DataFrame) -> pd.DataFrame:
    """One row per engine, in the order of the table.

    Parameters
    ----------
    engines : DataFrame
        Columns engine, round, batch_images, ms_per_image and, of compiled engines, compile_s; a row per repetition.

    Returns
    -------
    DataFrame
        Median, slowest and fastest images per second; how many times faster shared weights are (the median over the
        rounds of the ratio of medians in one round, the smallest and the largest); and seconds of compiling.
    """
    by_engine = engines.groupby("engine", sort=False)
    times = by_engine["ms_per_image"]
    ratios = _ratios(engines).groupby("engine", sort=False)
    table = pd.DataFrame(
        {
            "batch_images": by_engine["batch_images"].first(),
            "images_per_s": 1e3 / times.median(),
            "slowest": 1e3 / times.max(),
            "fastest": 1e3 / times.min(),
            "shared_is_faster": ratios.median(),
            "ratio_low": ratios.min(),
            "ratio_high": ratios.max(),
        }
    )
    if "compile_s" in engines:
        table["compile_s"] = by_engine["compile_s"].median()
    return table.reset_index()


def _ratios(engines: pd.DataFrame) -> pd.Series:
    """Time per image over that of shared weights in the same round, by (engine, round)."""
    medians = engines.groupby(["engine", "round"], sort=False)["ms_per_image"].median()
    shared = medians[SHARED]
    return medians / shared.reindex(medians.index.get_level_values("round")).to_numpy()


def requirements(tables: Tables) -> pd.DataFrame:
    """What was asked of the engine, what was measured, and whether that is enough."""
    ratio = compare(tables["engines"]).set_index("engine")["shared_is_faster"][PLAIN]
    shares = tables["large_network_layers"]["share_percent"]
    rows = [
        ("images per second, shared weights / Synapses (numpy)", ratio, ">= 12", ratio >= 12),
        ("peak memory of the large network (GB)", peak := tables["large_network"]["peak_gb"].max(), "< 4", peak < 4),
        ("lowest spikes per neuron and step of a layer of it (%)", shares.min(), ">= 2", shares.min() >= 2),
        ("highest spikes per neuron and step of a layer of it (%)", shares.max(), "<= 5", shares.max() <= 5),
    ]
    if "sweep" in tables:
        seconds = tables["sweep"].groupby("workers")["seconds"].median()
        share = seconds[2] / seconds[1]
        rows.append(("time of a sweep, two workers / one", share, "<= 0.6", share <= 0.6))
    return pd.DataFrame(rows, columns=["what", "measured", "wanted", "met"])


def report(tables: Tables, missing: Mapping[str, str], figures: list[Path]) -> str:
    """What the command prints."""
    titles = {
        "The ConvNet of Diehl 2015, 100 steps per image, one core": compare(tables["engines"]),
        "A network of Tiny YOLO's size": tables["large_network"],
        "Its layers": tables["large_network_layers"],
        "Cost of a step": tables["scaling"],
        **({"A sweep": tables["sweep"]} if "sweep" in tables else {}),
        "What was asked": tables["requirements"],
    }
    parts = [f"{title}\n{_text(table)}" for title, table in titles.items()]
    parts += [f"left out: {what}, because {why}" for what, why in missing.items()]
    return "\n\n".join([*parts, "\n".join(f"figure: {path}" for path in figures)])


def _text(table: pd.DataFrame) -> str:
    return table.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.4g}")

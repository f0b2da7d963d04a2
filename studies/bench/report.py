"""What the benchmark says: engines side by side, and what was asked of the engine beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from studies.bench.networks import TINY_YOLO, VGG_16, YOLO_LITE

SHARED = "shared weights"
PLAIN = "Synapses, numpy"
SLOWEST_MS = {VGG_16: 6.0, YOLO_LITE: 25.0, TINY_YOLO: 80.0}
LARGEST_GB = {YOLO_LITE: 1.5, TINY_YOLO: 4.0}
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
    """What was asked of the engine, what was measured, and whether that is enough; of what was measured at all."""
    rows: list[tuple[str, float, str, bool]] = []
    if "engines" in tables:
        ratio = compare(tables["engines"]).set_index("engine")["shared_is_faster"][PLAIN]
        rows.append(("images per second, shared weights / Synapses (numpy)", ratio, ">= 12", ratio >= 12))
    rows += _networks(tables["networks"].set_index("network"))
    shares = tables["network_layers"].set_index("network").loc[TINY_YOLO, "share_percent"]
    rows += [
        (f"lowest spikes per neuron and step of a layer of {TINY_YOLO} (%)", shares.min(), ">= 2", shares.min() >= 2),
        (f"highest spikes per neuron and step of a layer of {TINY_YOLO} (%)", shares.max(), "<= 5", shares.max() <= 5),
    ]
    if "sweep" in tables:
        seconds = tables["sweep"].groupby("workers")["seconds"].median()
        share = seconds[2] / seconds[1]
        rows.append(("time of a sweep, two workers / one", share, "<= 0.6", share <= 0.6))
    return pd.DataFrame(rows, columns=["what", "measured", "wanted", "met"])


def _networks(networks: pd.DataFrame) -> Iterator[tuple[str, float, str, bool]]:
    for name, limit in SLOWEST_MS.items():
        if name in networks.index:
            time = networks.loc[name, "ms_per_step"]
            yield f"time per step of {name} (ms)", time, f"<= {limit:g}", time <= limit
    for name, limit in LARGEST_GB.items():
        if name in networks.index:
            peak = networks.loc[name, "peak_gb"]
            yield f"peak memory of {name} (GB)", peak, f"< {limit:g}", peak < limit


def report(tables: Tables, missing: Mapping[str, str], figures: list[Path]) -> str:
    """What the command prints: the tables that there are, what is missing, and the figures."""
    titles = {
        "networks": "Large networks, one image, one core",
        "network_layers": "Their layers, and the delivery of the spikes of each",
        "network_parts": "Their steps",
        "scaling": "Cost of a step",
        "sweep": "A sweep",
        "requirements": "What was asked",
    }
    parts = []
    if "engines" in tables:
        title = "The ConvNet of Diehl 2015, 100 steps per image, one core"
        parts.append(f"{title}\n{_text(compare(tables['engines']))}")
    parts += [f"{title}\n{_text(tables[name])}" for name, title in titles.items() if name in tables]
    parts += [f"left out: {what}, because {why}" for what, why in missing.items()]
    return "\n\n".join([*parts, "\n".join(f"figure: {path}" for path in figures)]).rstrip()


def _text(table: pd.DataFrame) -> str:
    return table.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.4g}")

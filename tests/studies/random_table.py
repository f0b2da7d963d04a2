"""A table of random values over schemes, thresholds, seeds and times, and figures of it."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from studies.declare.figure_spec import FigureSpec

SCHEMES, V_TH, SEEDS, TIMES = ("none", "data", "channel"), (0.5, 2.0), (0, 1, 2), (5.0, 10.0, 15.0)


def table() -> pd.DataFrame:
    """A row per scheme, threshold, seed and time, with random values."""
    rows = pd.DataFrame(
        itertools.product(SCHEMES, V_TH, SEEDS, TIMES), columns=["normalization", "v_th", "seed", "time_ms"]
    )
    rng = np.random.default_rng(0)
    rows["accuracy"] = rng.random(len(rows))
    rows["energy_nj"] = rng.uniform(1, 100, len(rows))
    rows["ann_accuracy"] = np.where(rows["v_th"] == 0.5, 0.75, 0.25)
    return rows


def figure(**fields) -> FigureSpec:
    return FigureSpec(
        **{"name": "some", "plot": "lineplot", "x": "time_ms", "y": "accuracy", "hue": "normalization"} | fields
    )


def values(rows: pd.DataFrame, **conditions) -> np.ndarray:
    """The accuracies of the rows with those values, by a plain loop."""
    kept = [row for row in rows.to_dict("records") if all(row[key] == value for key, value in conditions.items())]
    return np.array([row["accuracy"] for row in kept])

"""Plain statistics of measured values: intervals, fronts, fits, when a measure settles."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats


def r_squared(predicted: NDArray, observed: NDArray) -> float:
    """The share of the variance of `observed` that `predicted` explains, without a fit; NaN if there is none."""
    total = np.sum((observed - np.mean(observed)) ** 2)
    return float(1 - np.sum((observed - predicted) ** 2) / total) if total > 0 else float("nan")


def pareto_front(cost: NDArray, quality: NDArray) -> NDArray[np.bool_]:
    """Which points no other point dominates: none costs no more and is no worse, and better in one of the two."""
    cheaper, better = cost[:, None] > cost, quality[:, None] < quality
    no_dearer, no_worse = cost[:, None] >= cost, quality[:, None] <= quality
    return np.logical_not(np.any(no_dearer & no_worse & (cheaper | better), axis=1))


def settling_time(times: NDArray[np.float64], values: NDArray[np.float64], level: float) -> float:
    """The first time from which the values stay at or above the level; NaN if the last one does not, as beside NaN."""
    below = np.flatnonzero(~(values >= level))
    first = below[-1] + 1 if below.size else 0
    return float(times[first]) if first < len(times) else float("nan")


def interval(values: NDArray | pd.Series) -> tuple[float, float]:
    """The 95 % confidence interval of the mean (Student's t); the mean itself if there is one value."""
    values = np.asarray(values, dtype=float)
    mean = float(values.mean())
    if np.ptp(values) == 0:  # one value, or several that are the same: rounding is no interval
        return mean, mean
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean - half, mean + half

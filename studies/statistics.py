"""Plain statistics of measured values: intervals over seeds and over images, fronts, fits, when a measure settles."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit  # scipy.stats has both, and takes half a second to import

Z = float(ndtri(0.975))
ROUNDING = 1e-5  # the tables hold six digits


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


def interval(values: NDArray | pd.Series, lowest: float = -math.inf, highest: float = math.inf) -> tuple[float, float]:
    """The 95 % confidence interval of the mean (Student's t); the mean itself if there is one value.

    Parameters
    ----------
    values : array
    lowest, highest : float
        What the mean can be at least and at most; the interval is cut there.
    """
    values = np.asarray(values, dtype=float)
    mean = float(values.mean())
    if np.ptp(values) == 0:  # one value, or several that are the same: rounding is no interval
        return mean, mean
    half = float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values)))
    return max(lowest, mean - half), min(highest, mean + half)


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n images (Wilson 1927).

    Parameters
    ----------
    share : float
        In [0, 1]; need not be a whole number of images, since classes that tie share an answer, and all classes that of
        a silent image. Images that are right in part vary less than those that are right or wrong, so that the
        interval is then wider than it need be.
    n : int
        Images.

    Raises
    ------
    ValueError
        If the share is outside [0, 1], or there are no images.
    """
    _require_share("share", share)
    _require_images(n)
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def paired_interval(accuracy: float, ann_accuracy: float, agreement: float, n: int) -> tuple[float, float]:
    """95 % interval of the loss ann_accuracy - accuracy on the same n images, at most as wide as this.

    Agresti and Min (2005) add half an image to each cell of the table of pairs (both right, only the ANN, only the
    SNN, both wrong) and take Wald's interval of the difference. With d the loss, m the images that exactly one of the
    two knows, and two images added, the interval is

        n d / (n + 2) ± z sqrt(m + 1 - (n d)² / (n + 2)) / (n + 2).

    Its width grows with m. The tables do not hold m, but where one is right and the other wrong their answers differ:
    m is at most n (1 - agreement). That is what is put in its place, so that the true interval lies within this one.
    It holds for answers that classes share and for means over seeds too: the squared difference of an image is at most
    the share of its answers that differ.

    Parameters
    ----------
    accuracy, ann_accuracy, agreement : float
        Shares of the same n images, in [0, 1]; `agreement` of the SNN's answers with the ANN's.
    n : int
        Images.

    Raises
    ------
    ValueError
        If a share is outside [0, 1], there are no images, or the answers agree more often than the accuracies allow.
    """
    for name, value in (("accuracy", accuracy), ("ann_accuracy", ann_accuracy), ("agreement", agreement)):
        _require_share(name, value)
    _require_images(n)
    loss, differing = ann_accuracy - accuracy, n * (1 - agreement)
    if n * abs(loss) > differing + ROUNDING * n:
        raise ValueError(
            f"agreement is {agreement:g}; accuracies {accuracy:g} and {ann_accuracy:g} allow {1 - abs(loss):g} at most"
        )
    middle = n * loss / (n + 2)
    half = Z * math.sqrt(max(differing, n * abs(loss)) + 1 - (n * loss) ** 2 / (n + 2)) / (n + 2)
    return middle - half, middle + half


def _require_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value:g}; it must be a share, in [0, 1]")


def _require_images(n: int) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; it must be at least one image")

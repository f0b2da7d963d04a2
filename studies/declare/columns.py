"""The columns of the tables that a study leaves, beside those that name a condition.

Their names and units, as axes show them, are in `studies.tables.labels`; what they mean is said where they are
measured, in `studies.measure`. A metrics.csv of classes without `unanswered_share` is of an earlier version, which
counted an image without an answer as wrong, not as chance would; it is read, drawn and quoted as it is. So is one
without `latency_ms`, by which the output's window, and with it `time_ms`, begins later than the image, and one of boxes
without the ends of intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

METRIC_COLUMNS = (
    "time_ms", "accuracy", "ann_accuracy", "agreement", "unanswered_share", "spikes_per_image", "synops_per_image",
    "energy_nj", "ann_energy_nj", "time_to_99_ms", "time_to_99_9_ms", "latency_ms",
)  # fmt: skip
LAYER_COLUMNS = (
    "layer", "spikes_per_image", "synops_per_image", "rate_hz", "correlation", "rmse",
    "silent_share", "subthreshold_share", "saturated_share", "equivalent_v_th",
)  # fmt: skip
DETECTION_COLUMNS = (
    "time_ms", "map_50", "ann_map_50", "fidelity_map_50", "spikes_per_image", "synops_per_image", "energy_nj",
    "ann_energy_nj", "time_to_99_ms", "time_to_99_9_ms", "latency_ms", "map_50_low", "map_50_high",
    "fidelity_map_50_low", "fidelity_map_50_high",
)  # fmt: skip
DRAWN_IMAGES = 6  # the first ones, of which boxes are kept
BOX_COLUMNS = ("time_ms", "source", "image", "class", "score", "x0", "y0", "x1", "y1")
TABLES: Mapping[str, tuple[str, ...]] = {
    "metrics": tuple(dict.fromkeys([*METRIC_COLUMNS, *DETECTION_COLUMNS])),
    "layers": LAYER_COLUMNS,
    "boxes": BOX_COLUMNS,
}
SHARES = (
    "accuracy", "ann_accuracy", "agreement", "unanswered_share", "map_50", "ann_map_50", "fidelity_map_50",
    "map_50_low", "map_50_high", "fidelity_map_50_low", "fidelity_map_50_high",
    "silent_share", "subthreshold_share", "saturated_share",
)  # fmt: skip


def limits(column: str) -> tuple[float, float]:
    """The smallest and the largest value that a column can have."""
    if column in SHARES:
        return 0.0, 1.0
    if column == "correlation":
        return -1.0, 1.0
    measured = column in TABLES["metrics"] or column in TABLES["layers"]  # times, spikes, energies, rates, errors
    return (0.0 if measured else -math.inf), math.inf

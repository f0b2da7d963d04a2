"""What shot noise predicts of a study's conditions, beside what they came to: the command `brianize predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.declare import Study, StudyError
from studies.draw import PALETTE, drawing
from studies.progress import shown
from studies.run import Job, shot_noise_of
from studies.statistics import settling_time
from studies.tables import read_table

AGREED = 0.95  # of the images, with the ANN: sooner settled than an accuracy that is a point away
TWIN = "_no_decay"
PANELS = {
    "agreed_ms": "95 % of the ANN's answers from (ms)",
    "disagreement": "share of other answers at the end",
}


def predictions(study: Study, folder: Path, data_dir: Path | None = None) -> pd.DataFrame:
    """A row for each condition of a study that has run.

    Returns
    -------
    DataFrame
        The columns that tell the condition; `model`; `noise_steps`, after which the shot noise of a layer is as small
        as a typical activation (`models.shot_noise`), the median over layers, since a path that is all but dead has
        thousands and does no harm; `noisiest_layer` and its `noisiest_steps`; `agreed_ms`, when the answers have
        come to agree with `AGREED` of the ANN's, nan if they do not; `disagreement`, one minus that at the end of the
        window; `loss`, the ANN's accuracy less the network's there.

    Raises
    ------
    StudyError
        If the tables are of other conditions than the study now declares, or of a detector.
    """
    metrics = read_table(folder, "metrics")
    if "agreement" not in metrics:
        raise StudyError(f"study {study.name!r} finds boxes; predictions are compared with answers")
    measured = [_measured(rows) for _, rows in metrics.groupby(list(study.columns), sort=False, dropna=False)]
    if len(measured) != len(study.conditions):
        raise StudyError(
            f"study {study.name!r} has {len(study.conditions)} conditions, but its tables {len(measured)}; run it again"
        )
    rows: list[dict[str, Any]] = []
    with shown(lambda: f"{len(rows)} of {len(measured)} conditions predicted"):
        for condition, known in zip(study.conditions, measured, strict=True):
            noise = shot_noise_of(Job(condition, study.folder, data_dir))["steps"]
            predicted = {"model": condition.model, "noise_steps": noise.median()}
            predicted |= {"noisiest_layer": noise.idxmax(), "noisiest_steps": noise.max()}
            rows.append({**known[list(study.columns)], **predicted, **known[["agreed_ms", "disagreement", "loss"]]})
    return pd.DataFrame(rows)


def rank_correlation(table: pd.DataFrame, column: str) -> float:
    """Spearman's, of `noise_steps` with a column of `predictions`; not reached comes last, and nan is of no order."""
    ranks = table[["noise_steps", column]].fillna(np.inf).rank()
    return float(ranks["noise_steps"].corr(ranks[column]))


def correlations(table: pd.DataFrame) -> pd.DataFrame:
    """`rank_correlation` with each measurement, a row for each input code: codes differ in what they cost by far."""
    groups = table.groupby(_encoders(table), sort=False)
    rows = [{"encoder": of} | {column: rank_correlation(some, column) for column in PANELS} for of, some in groups]
    return pd.DataFrame(rows)


def draw_predictions(table: pd.DataFrame, window_ms: float) -> Figure:
    """Prediction against measurement for each condition, hollow for those called NAME_no_decay.

    Triangles at the end of the window have not come to agree in it; a share of 0 stands at half the smallest other.
    """
    known = correlations(table)
    with drawing(9, 4.4) as figure:
        for axes, (column, label) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
            _draw(axes, table, column, window_ms)
            found = [" ".join([of, f"{rho:.2f}"]).strip() for of, rho in known[["encoder", column]].to_numpy()]
            title = "Spearman's rank correlation: " + ", ".join(found)
            axes.set_title(title, fontsize="medium")
            axes.set(xscale="log", yscale="log", xlabel="predicted: steps, median over layers", ylabel=label)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _measured(rows: pd.DataFrame) -> pd.Series:
    times, agreement = rows["time_ms"].to_numpy(float), rows["agreement"].to_numpy()
    last = rows.iloc[-1]
    known = {
        "agreed_ms": settling_time(times, agreement, AGREED),
        "disagreement": 1 - last["agreement"],
        "loss": last["ann_accuracy"] - last["accuracy"],
    }
    return pd.concat([last, pd.Series(known)])


def _encoders(table: pd.DataFrame) -> pd.Series:
    return table["encoder"] if "encoder" in table else pd.Series("", table.index, name="encoder")


def _draw(axes: Axes, table: pd.DataFrame, column: str, window_ms: float) -> None:
    lowest = table[column][table[column] > 0].min() / 2 if (table[column] > 0).any() else 1.0
    for colour, (encoder, some) in zip(PALETTE, table.groupby(_encoders(table), sort=False), strict=False):
        for hollow, group in some.groupby(some["model"].str.contains(TWIN)):
            reached = group[column].notna()
            label = ", ".join(filter(None, [encoder, "trained without weight decay (NAME_no_decay)" if hollow else ""]))
            style: dict[str, Any] = {
                "edgecolors": [colour],
                "facecolors": "none" if hollow else [colour],
                "label": label,
            }
            axes.scatter(group["noise_steps"][reached], group[column][reached].replace(0, lowest), **style)
            style["label"] = None
            axes.scatter(group["noise_steps"][~reached], [window_ms] * int((~reached).sum()), marker="^", **style)

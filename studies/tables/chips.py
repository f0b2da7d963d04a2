"""Energy on neuromorphic chips: synaptic operations times what a publication says that one costs there.

The figures are in chips.csv, a row per chip with its source; add your own, or name another file of the same columns.
SpiNNaker is not in it: published figures of one synaptic event there lie orders of magnitude apart.
"""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from models.paths import STUDIES
from studies.declare import StudyError
from studies.tables.labels import CAVEAT, LABELS

CHIPS = STUDIES / "chips.csv"
COLUMNS = ("chip", "pj_per_synop", "source", "remark")
MEASURES = ("accuracy", "synops_per_image", "ann_energy_nj", "energy_nj")
NOTE = (
    "Chips: synaptic operations times one published figure each, of different technologies, tasks and definitions of\n"
    "an operation; without neurons, input and idle power. A first layer under constant current is not counted."
)


def load_chips(path: Path = CHIPS) -> pd.DataFrame:
    """The table of chips, with the columns `COLUMNS`; energies in pJ per synaptic operation.

    Raises
    ------
    StudyError
        If there is no such file, a column is missing, an energy is not a number above 0, or a chip is there twice.
    """
    if not path.is_file():
        raise StudyError(f"there is no file {path}")
    chips = pd.read_csv(path, keep_default_na=False)
    if missing := [column for column in COLUMNS if column not in chips]:
        raise StudyError(f"{path} has no column {missing[0]!r}; it needs {', '.join(COLUMNS)}")
    energies = pd.to_numeric(chips["pj_per_synop"], errors="coerce")
    for chip, written, energy, again in zip(
        chips["chip"], chips["pj_per_synop"], energies, chips["chip"].duplicated(), strict=True
    ):
        if not 0 < energy < math.inf:
            raise StudyError(f"{path}: pj_per_synop of {chip!r} is {written!r}; it must be a number above 0, in pJ")
        if again:
            raise StudyError(f"{path}: {chip!r} is there twice")
    return chips.assign(pj_per_synop=energies)


def energies(metrics: pd.DataFrame, chips: pd.DataFrame) -> pd.DataFrame:
    """A row per condition at the end of its window, the mean over its seeds: `MEASURES`, and nJ per image on each chip.

    Parameters
    ----------
    metrics : DataFrame
        A study's metrics.csv.
    chips : DataFrame
        See `load_chips`.
    """
    identity = list(metrics.columns[: list(metrics.columns).index("time_ms")])
    keys = [key for key in identity if key != "seed"]
    last = metrics.groupby(identity, sort=False, dropna=False).tail(1)
    groups = last.groupby(keys, sort=False, dropna=False) if keys else last.groupby(lambda _: 0)
    table = groups[list(MEASURES)].mean().reset_index(drop=not keys)
    for chip in chips.itertuples():
        table[chip.chip] = table["synops_per_image"] * chip.pj_per_synop / 1000
    return table


def describe_energies(metrics: pd.DataFrame, chips: pd.DataFrame) -> str:
    """What `brianize energy` prints: the energies, the sources and what the figures leave out."""
    table = energies(metrics, chips)
    table["accuracy"] *= 100
    table = table.rename(columns=dict(LABELS) | {chip: f"{chip} (nJ)" for chip in chips["chip"]})
    sources = [
        f"{chip.chip}: {chip.pj_per_synop:g} pJ per synaptic operation, {chip.source} ({chip.remark})"
        for chip in chips.itertuples()
    ]
    shown = table.to_string(index=False, float_format=lambda value: f"{value:,.4g}", na_rep="")
    return "\n".join([shown, "", *sources, NOTE, CAVEAT])

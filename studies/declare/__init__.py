"""What a study may say: conditions, grids, variants, figures; read from TOML and checked, nothing is run."""

from studies.declare.arguments import amount, is_argument, unit_of_column
from studies.declare.columns import (
    BOX_COLUMNS,
    DETECTION_COLUMNS,
    DRAWN_IMAGES,
    LAYER_COLUMNS,
    METRIC_COLUMNS,
    SHARES,
    TABLES,
    limits,
)
from studies.declare.conditions import (
    KEYS,
    NORMALIZATIONS,
    Condition,
    Readout,
    cells,
    readout_steps,
    require_known,
)
from studies.declare.consistency import SIGNED
from studies.declare.drawable import check_kinds, shown_datasets
from studies.declare.effects import matters
from studies.declare.errors import StudyError
from studies.declare.figure_spec import SIDE_BY_SIDE, FigureSpec, has_numbers, is_text
from studies.declare.study import Study, load_study, parse_study, study_names

__all__ = [
    "BOX_COLUMNS",
    "DETECTION_COLUMNS",
    "DRAWN_IMAGES",
    "KEYS",
    "LAYER_COLUMNS",
    "METRIC_COLUMNS",
    "NORMALIZATIONS",
    "SHARES",
    "SIDE_BY_SIDE",
    "SIGNED",
    "TABLES",
    "Condition",
    "FigureSpec",
    "Readout",
    "Study",
    "StudyError",
    "amount",
    "cells",
    "check_kinds",
    "has_numbers",
    "is_argument",
    "is_text",
    "limits",
    "load_study",
    "matters",
    "parse_study",
    "readout_steps",
    "require_known",
    "shown_datasets",
    "study_names",
    "unit_of_column",
]

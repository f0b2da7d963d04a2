"""Labels: every quantity that has a unit says it."""

from __future__ import annotations

import pytest

from studies.tables.labels import LABELS

UNITS = {"_ms": "(ms)", "_hz": "(Hz)", "_nj": "(nJ)", "_gb": "(GB)"}


@pytest.mark.parametrize("column", [column for column in LABELS if column[-3:] in UNITS])
def test_a_label_has_the_unit_of_its_column(column: str) -> None:
    assert LABELS[column].endswith(UNITS[column[-3:]])


def test_no_two_columns_have_one_label() -> None:
    assert len(set(LABELS.values())) == len(LABELS)


@pytest.mark.parametrize("column", ["accuracy", "ann_accuracy", "agreement", "silent_share", "saturated_share"])
def test_a_share_says_of_what(column: str) -> None:
    assert "share of" in LABELS[column]

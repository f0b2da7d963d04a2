"""Short texts, written out."""

from __future__ import annotations

from models.text import align, describe_shape


def test_columns_stand_below_each_other_and_nothing_trails() -> None:
    assert align([("a", "bb", "c"), ("long", "", "d"), ("", "x", "")]) == "a     bb  c\nlong      d\n      x"


def test_shapes() -> None:
    assert [describe_shape(shape) for shape in ((12, 24, 24), (10,), ())] == ["12x24x24", "10", ""]

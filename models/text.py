"""Short texts for people who print things: shapes, and tables of aligned columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def describe_shape(shape: Iterable[int]) -> str:
    """A shape, such as 12x24x24."""
    return "x".join(map(str, shape))


def align(rows: Sequence[Sequence[str]]) -> str:
    """Rows of as many cells each as lines, their columns one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)

"""One style for every figure: levels told apart in colour and in grey, and files with the same bytes."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from studies.declare.conditions import NORMALIZATIONS
from studies.draw.style import drawing, save, styles


def test_levels_of_other_columns_are_told_apart() -> None:
    ways = styles("v_th", [0.5, 1.0, 2.0])
    assert len({way.colour for way in ways.values()}) == len({way.marker for way in ways.values()}) == 3


def test_more_levels_than_styles_begin_again() -> None:
    assert len(styles("seed", range(50))) == 50


def test_a_scheme_keeps_its_style_whatever_stands_beside_it() -> None:
    every = styles("normalization", NORMALIZATIONS)
    assert len(set(every.values())) == len(NORMALIZATIONS)
    for scheme in NORMALIZATIONS:
        assert styles("normalization", [scheme]) == {scheme: every[scheme]}


def test_files_have_the_same_bytes_and_no_date(tmp_path: Path) -> None:
    written = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        with drawing(2, 1) as canvas:
            canvas.subplots().plot([1, 2])
        paths = save(canvas, folder, "some", ("svg", "png"))
        assert paths == [folder / "some.svg", folder / "some.png"]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert b"<dc:date>" not in written[0][0]
    assert written[0][1].startswith(b"\x89PNG")


def test_no_window_stays_open_after_an_error() -> None:
    before = plt.get_fignums()
    with pytest.raises(ZeroDivisionError), drawing(2, 1):
        raise ZeroDivisionError
    assert plt.get_fignums() == before

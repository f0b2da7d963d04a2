"""One style for every figure: levels told apart in colour and in grey, and files with the same bytes."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from studies.declare.conditions import NORMALIZATIONS
from studies.draw.style import drawing, indexed, save, styles


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


def test_a_picture_of_256_colours_is_unchanged() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    pixels = colours[np.arange(64 * 64) % 256].reshape(64, 64, 3)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    with Image.open(io.BytesIO(indexed(written.getvalue()))) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pixels)


def test_a_figure_looks_the_same_in_fewer_colours(tmp_path: Path) -> None:
    whole = io.BytesIO()
    with drawing(3, 2) as canvas:
        axes = canvas.subplots()
        for level, style in enumerate(styles("v_th", range(10)).values()):
            axes.plot([0, 1, 2], [0, level, 1], color=style.colour, marker=style.marker, alpha=0.7)
        canvas.savefig(whole, dpi=150)
        (path,) = save(canvas, tmp_path, "some")
    with Image.open(whole) as before, Image.open(path) as after:
        assert after.size == before.size
        difference = np.abs(np.asarray(before.convert("RGB"), float) - np.asarray(after.convert("RGB")))
    assert difference.max() < 32
    assert difference.mean() < 0.5

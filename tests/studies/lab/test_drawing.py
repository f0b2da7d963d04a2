"""Drawings become digits as MNIST's were made: 20 pixels at most, the centre of mass in the middle."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from studies.lab.drawing import digit_of


def canvas(*box, ground=(0, 0, 0, 0)):
    drawing = Image.new("RGBA", (250, 220), ground)
    ImageDraw.Draw(drawing).rectangle(box, fill="black")
    return drawing


@pytest.mark.parametrize("ground", [(0, 0, 0, 0), "white"])
def test_a_square_anywhere_fills_the_middle(ground):
    digit = digit_of(canvas(150, 20, 189, 59, ground=ground))
    expected = np.zeros((28, 28))
    expected[4:24, 4:24] = 1
    assert digit.dtype == np.float32
    np.testing.assert_allclose(digit[0], expected, atol=0.02)


def test_a_stroke_keeps_its_shape():
    digit = digit_of(canvas(40, 20, 59, 219))[0]
    assert (digit.max(axis=1) > 0.5).sum() == 20
    assert (digit.max(axis=0) > 0.5).sum() == 2


def test_the_centre_of_mass_is_in_the_middle():
    drawing = canvas(20, 20, 39, 199)
    ImageDraw.Draw(drawing).rectangle((20, 180, 109, 199), fill="black")
    digit = digit_of(drawing)[0]
    for axis in (0, 1):
        mass = digit.sum(axis=1 - axis)
        assert abs((mass * (np.arange(28) + 0.5)).sum() / mass.sum() - 14) < 0.75


def test_an_empty_canvas_says_what_to_do():
    with pytest.raises(ValueError, match="nothing is drawn yet; draw a digit"):
        digit_of(Image.new("RGBA", (250, 220), (0, 0, 0, 0)))

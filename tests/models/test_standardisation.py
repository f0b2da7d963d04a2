"""Pixels and what a network reads in their place, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.standardisation import Standardisation, StandardisationError, as_values, together


def test_white_and_black_by_hand():
    """Of bytes with mean 55 and std 50: 255 is 4, 0 is -1.1; per channel in the axes of a map."""
    factor, offset = Standardisation(255, 55, 50).affine((1, 2, 2))
    np.testing.assert_allclose(factor * 1 + offset, [[[4.0]]])
    np.testing.assert_allclose(offset, [[[-1.1]]])
    factor, offset = Standardisation(std=(1, 2, 4)).affine((3, 2, 2), scale=8)
    np.testing.assert_allclose(factor, [[[8]], [[4]], [[2]]])
    assert not offset.any()


def test_the_way_back():
    x = np.random.default_rng(0).random((4, 3, 2, 2))
    said = Standardisation(2.0, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    read = (2 * x - np.reshape([0.1, 0.2, 0.3], (3, 1, 1))) / np.reshape([0.5, 0.6, 0.7], (3, 1, 1))
    np.testing.assert_allclose(said.pixels(read), x, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"std": 0}, "std is 0; it must be one number or one per channel, finite and above 0"),
        ({"scale": -255}, "scale is -255"),
        ({"std": (0.2, -0.1)}, r"std is \(0.2, -0.1\)"),
        ({"mean": math.nan}, "mean is nan; it must be one number or one per channel, finite"),
        ({"mean": ()}, r"mean is \(\)"),
    ],
)
def test_numbers_that_are_none(values, message):
    with pytest.raises(StandardisationError, match=message):
        Standardisation(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"std": 5e-324}, r"\(scale \* pixel - mean\) / std is out of range, by std 5e-324; give other numbers"),
        ({"mean": 1e300, "std": 1e-300}, "by mean 1e\\+300, std 1e-300"),
        ({"scale": 1e-200, "std": 1e200}, "by scale 1e-200, std 1e"),
    ],
)
def test_numbers_that_together_are_none(values, message):
    with pytest.raises(StandardisationError, match=message):
        Standardisation(**values).affine((3, 2, 2))


def test_what_no_pixel_can_be_is_infinite_and_nothing_is_said_about_it():
    assert np.isposinf(Standardisation(scale=1e-300).pixels(np.full((1, 1), 1e300))).all()


def test_what_two_places_say_is_said_together_unless_they_differ():
    both = together(Standardisation(mean=0.5), Standardisation(mean=0.5, std=0.25))
    assert both == Standardisation(mean=0.5, std=0.25)
    with pytest.raises(StandardisationError, match=r"mean is 0.5 in one place and 0.4 in another; keep one"):
        together(Standardisation(mean=0.5), Standardisation(mean=0.4))


def test_values_of_any_form():
    assert as_values(np.float32(0.5)) == 0.5
    assert as_values([[0.25]]) == 0.25
    assert as_values(np.array([[[1]], [[2]]])) == (1.0, 2.0)
    with pytest.raises(StandardisationError, match="neither a number nor a list"):
        as_values("grey")

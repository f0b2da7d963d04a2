"""Figures as matplotlib objects: what is on the axes, not how it looks."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from studies.figure import Figure
from studies.figures import plot


@pytest.mark.parametrize("kind", ["lineplot", "pointplot", "barplot", "scatterplot"])
def test_an_infinite_level_is_a_level_like_any_other(kind):
    """No clamp is -inf; a colour scale of numbers would end in NaN."""
    levels = [-math.inf, -1.0, 0.0]
    rows = pd.DataFrame([{"v_min": low, "v_th": x, "accuracy": x / 4} for low in levels for x in (1.0, 2.0)])
    canvas = plot(Figure(name="clamp", plot=kind, x="v_th", y="accuracy", hue="v_min"), rows)
    assert [text.get_text() for text in canvas.legends[0].get_texts()] == ["-inf", "-1.0", "0.0"]


def test_the_legend_stands_beside_the_axes_even_under_a_long_title():
    rows = pd.DataFrame({"v_th": [0.5, 1.0], "time_ms": [1.0, 2.0], "accuracy": [0.1, 0.2]})
    canvas = plot(Figure(name="long", plot="lineplot", x="time_ms", y="accuracy", hue="v_th"), rows)
    canvas.canvas.draw()
    assert canvas.legends[0].get_window_extent().x0 > canvas.axes[0].get_window_extent().x1

"""Channels and rates of a layer, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import ms

from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent
from models.graph import Dense, sequential
from models.neurons import integrate_and_fire
from studies.draw.channels import channel_shares, draw_channels, firing_rates


def test_channels_are_ranked_by_their_largest_activation_of_either_sign() -> None:
    values = np.zeros((2, 3, 1, 2), np.float32)
    values[0, 0, 0, 1], values[1, 1, 0, 0], values[1, 2, 0, 1] = 2.0, -8.0, 4.0
    table = channel_shares({"conv": values, "fc": np.ones((2, 10), np.float32)})
    assert table.to_dict("list") == {"layer": ["conv"] * 3, "rank": [0, 0.5, 1], "share": [1, 0.5, 0.25]}


def test_a_layer_that_is_silent_has_shares_of_0() -> None:
    assert list(channel_shares({"conv": np.zeros((2, 3, 1, 2), np.float32)})["share"]) == [0, 0, 0]


def test_a_network_without_maps_has_no_channels() -> None:
    assert channel_shares({"fc": np.ones((2, 10), np.float32)}).empty


def test_the_rate_of_a_neuron_is_what_its_current_asks_for() -> None:
    """Currents of 0.25 and 0.5 of a threshold per step: a spike in every fourth and in every second step."""
    graph = sequential((2,), Dense(name="fc", inputs=("",), weight=np.eye(2, dtype=np.float32)))
    images = np.array([[0.25, 0.5]], np.float32)
    recording = simulate(
        graph, images, Simulation(neuron=integrate_and_fire(), encoder=ConstantCurrent(), duration=40 * ms, dt=1 * ms)
    )
    np.testing.assert_allclose(firing_rates(recording)["fc"], [0.25, 0.5])


@pytest.mark.parametrize("lowest", [0.0, -0.5])
def test_the_figure_has_a_column_per_layer_and_reaches_below_zero_where_rates_do(lowest: float) -> None:
    shares = channel_shares({name: np.ones((1, 2, 1, 1), np.float32) for name in ("a", "b")})
    rates = {scheme: {name: np.array([lowest, 0.3, 1.0]) for name in ("a", "b")} for scheme in ("data", "channel")}
    figure = draw_channels(shares, rates)
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "", ""]
    left, _ = figure.axes[2].get_xlim()
    assert (left < -0.9) == (lowest < 0)


def test_a_layer_that_does_not_spike_has_no_distribution() -> None:
    shares = channel_shares({name: np.ones((1, 2, 1, 1), np.float32) for name in ("a", "head")})
    figure = draw_channels(shares, {"data": {"a": np.array([0.3, 1.0])}})
    assert [(axes.get_title(), axes.get_xlabel()) for axes in figure.axes] == [
        ("a", "channels, by rank"), ("head", "channels, by rank"), ("", "firing rate / largest rate"),
    ]  # fmt: skip

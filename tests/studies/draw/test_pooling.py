"""Rules of spiking max pooling, against loops, examples by hand and what the engine's pooling layers did."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from brian2 import ms
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent
from models.graph import Activation, Conv2d, Dense, Flatten, MaxPool2d, sequential
from models.neurons import signed_integrate_and_fire
from studies.draw.pooling import (
    RULES,
    changes_of_the_largest_count,
    draw_pooling_errors,
    pooling_errors,
    regions,
    spikes_of_the_winner,
)

WINNER, EXACT = RULES


@given(arrays(np.int8, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.integers(-1, 1)))
def test_the_largest_count_is_what_the_second_rule_has_sent(spikes: np.ndarray) -> None:
    sent = changes_of_the_largest_count(spikes, np.ones(spikes.shape[1], bool))
    assert set(sent.tolist()) <= {-1, 0, 1}
    for steps in range(1, len(spikes) + 1):
        assert sent[:steps].sum() == max(sum(int(s) for s in unit[:steps]) for unit in spikes.T)


@pytest.mark.parametrize(
    ("units", "sent"),
    [
        ([[1, 0, 0], [0, 1, 1]], [1, 0, 1]),  # a tie passes the spike of the first unit, which has none
        ([[0, 1, 1], [1, 0, 0]], [1, 1, 1]),  # one too many: the count of 1 is passed twice
        ([[1, 1, -1], [1, 0, 0]], [1, 1, -1]),
        ([[1, 1, -1, -1], [0, 1, 1, 1]], [1, 1, 1, 1]),  # two too many: 2 of the first unit, 2 of the second
        ([[1, -1, -1], [0, 0, 0]], [1, -1, 0]),
    ],
)  # fmt: skip
def test_spikes_of_the_winner_by_hand(units: list[list[int]], sent: list[int]) -> None:
    assert spikes_of_the_winner(np.array(units, np.int8).T, np.ones(2, bool)).tolist() == sent


def test_padding_never_wins_even_against_negative_counts() -> None:
    spikes, inside = np.array([[-1, 0], [-1, 0]], np.int8), np.array([True, False])
    assert changes_of_the_largest_count(spikes, inside).tolist() == [-1, -1]
    assert spikes_of_the_winner(spikes, inside).tolist() == [-1, -1]


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(3, 7), st.integers(3, 7)), kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)), ceil_mode=st.booleans(), padded=st.booleans(),
)  # fmt: skip
def test_windows_are_those_of_the_layer(size, kernel, stride, ceil_mode: bool, padded: bool) -> None:
    padding = (int(padded and kernel[0] > 1), 0, 0, int(padded and kernel[1] > 1))
    layer = MaxPool2d(
        name="pool", inputs=("",), kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode
    )  # fmt: skip
    maps = np.arange(1, 1 + size[0] * size[1]).reshape(1, *size)
    output = layer.output_shape(maps.shape)
    found = regions(maps, layer, output, 0)
    assert found.shape == (*output, kernel[0] * kernel[1])
    for row, col in itertools.product(range(output[1]), range(output[2])):
        rows = [row * stride[0] + i - padding[0] for i in range(kernel[0])]
        cols = [col * stride[1] + i - padding[1] for i in range(kernel[1])]
        units = [maps[0, r, c] if 0 <= r < size[0] and 0 <= c < size[1] else 0 for r in rows for c in cols]
        assert found[0, row, col].tolist() == units


@pytest.fixture(scope="module")
def recorded():
    """A signed network of random weights, and the spikes into and out of its pooling layer."""
    rng = np.random.default_rng(3)
    kernels = rng.normal(0, 0.5, (3, 1, 3, 3)).astype(np.float32)
    graph = sequential(
        (1, 8, 8),
        Conv2d(
            name="conv",
            inputs=("",),
            weight=kernels,
            activation=Activation(0.5),
        ),
        MaxPool2d(name="pool", inputs=("",), kernel=(2, 2), stride=(2, 2)),
        Flatten(name="flat", inputs=("",)),
        Dense(name="fc", inputs=("",), weight=rng.normal(0, 0.3, (2, 27)).astype(np.float32)),
    )
    images = rng.random((2, 1, 8, 8)).astype(np.float32)
    recording = simulate(
        graph,
        images,
        Simulation(
            neuron=signed_integrate_and_fire(),
            encoder=ConstantCurrent(),
            duration=60 * ms,
            dt=1 * ms,
            probe=Probe(rasters=("conv", "pool")),
        ),
    )
    return graph, recording


@pytest.mark.parametrize("image", [0, 1])
def test_the_engine_follows_the_second_rule(recorded, image: int) -> None:
    graph, recording = recorded
    table = pooling_errors(graph, recording, image)
    exact = table[table["rule"] == EXACT]
    assert len(exact) == 3 * 3 * 3
    assert (exact["error"] == 0).all()
    winner = table[table["rule"] == WINNER]["error"].to_numpy()
    pooled, counts = recording.spike_counts["pool"][image], recording.spike_counts["conv"][image]
    largest = counts.reshape(3, 3, 2, 3, 2).max(axis=(2, 4))
    np.testing.assert_array_equal(pooled, largest)
    assert winner.any()


def test_the_figure_has_a_panel_per_pooling_layer(recorded) -> None:
    figure = draw_pooling_errors(pooling_errors(*recorded))
    assert [axes.get_title() for axes in figure.axes] == ["pool"]

"""Other scales, the same function; and other thresholds, the same spikes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.normalize.scales import equivalent_thresholds, rescale
from models.graph import sequential
from tests.conversion.forward import forward
from tests.conversion.networks import dense, networks
from tests.conversion.zero_delay_loop import zero_delay_loop


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.05, 20), min_size=4, max_size=4), st.floats(0.05, 20))
def test_any_scales_leave_the_function_unchanged(channels, output):
    graph = networks()["conv, flatten, dense"]
    scales = {"conv1": np.array(channels[:3]), "fc": np.array(output)}
    images = np.random.default_rng(0).random((3, *graph.input_shape), np.float32)
    before, after = forward(graph, images)["fc"], forward(rescale(graph, scales), images)["fc"]
    np.testing.assert_allclose(after * output, before, rtol=1e-4, atol=1e-4)


def test_trained_weights_at_the_equivalent_thresholds_give_the_same_spikes():
    """The papers' loop, a threshold per layer; the scales are powers of two, so that all sums are exact."""
    graph = sequential((7,), dense("fc1", "", 9, 7), dense("fc2", "", 4, 9))
    normalised = rescale(graph, {"fc1": np.asarray(4.0), "fc2": np.asarray(2.0)})
    thresholds = equivalent_thresholds(graph, normalised)
    assert thresholds == {"fc1": 4.0, "fc2": 0.5}
    spikes = np.random.default_rng(1).random((40, 3, 7)) < 0.5
    hidden = spikes_of(graph["fc1"].weight, spikes, thresholds["fc1"])
    output = spikes_of(graph["fc2"].weight, hidden, thresholds["fc2"])
    assert output.sum() > 0
    np.testing.assert_array_equal(output.sum(axis=0), zero_delay_loop(normalised, spikes)["fc2"])


def spikes_of(weight, spikes, v_th):
    v, out = np.zeros((spikes.shape[1], len(weight))), []
    for step in spikes:
        v += step @ weight.T.astype(float)
        out.append(v >= v_th)
        v -= v_th * out[-1]
    return np.array(out)


def test_channel_wise_scales_have_no_equivalent_threshold():
    graph = sequential((7,), dense("fc1", "", 2, 7), dense("fc2", "", 4, 2))
    normalised = rescale(graph, {"fc1": np.array([1.0, 3.0]), "fc2": np.asarray(2.0)})
    assert np.isnan(list(equivalent_thresholds(graph, normalised).values())).all()

"""What a probe may name, and the sizes that a recording knows."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import ms

from conversion.recording import Probe, check_probe
from conversion.simulate import simulate
from models.encoders import Poisson
from models.neurons import integrate_and_fire
from tests.conversion.networks import networks

SIZES = {"input": 4, "conv": 12, "fc": 3}


def test_a_probe_of_recorded_populations_is_fine() -> None:
    check_probe(Probe(), SIZES)
    check_probe(Probe(rasters=("input", "fc"), traces={"conv": (0, 11), "fc": ()}), SIZES)


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (Probe(rasters=("fc", "pool")), "the probe names 'pool'; recorded are input, conv, fc"),
        (Probe(traces={"pool": (0,)}), "the probe names 'pool'; recorded are input, conv, fc"),
        (Probe(traces={"conv": (3, 12)}), "the probe traces neuron 12 of 'conv', which has neurons 0 to 11"),
        (Probe(traces={"fc": (-1,)}), "the probe traces neuron -1 of 'fc', which has neurons 0 to 2"),
        (Probe(traces={"input": (0,)}), "the probe traces 'input', whose spikes come from no potential"),
    ],
)
def test_a_probe_of_what_is_not_there_is_refused(probe: Probe, message: str) -> None:
    with pytest.raises(ValueError, match="^" + message + "$"):
        check_probe(probe, SIZES)


@pytest.mark.parametrize("name", ["max pooling", "junction of spiking paths"])
def test_shapes_sizes_and_totals_go_together(name: str) -> None:
    graph = networks()[name]
    images = np.random.default_rng(0).random((3, *graph.input_shape)).astype(np.float32)
    recording = simulate(
        graph, images, neuron=integrate_and_fire(), encoder=Poisson(), duration=9 * ms, readout_times=[2, 5] * ms
    )
    assert recording.populations[0] == "input"
    assert recording.populations[-1] == graph.output.name
    assert "flat" not in recording.populations
    for index, population in enumerate(recording.populations):
        assert recording.shapes[population] == graph.shapes[population]
        assert recording.sizes[population] == np.prod(graph.shapes[population])
        counts = recording.spike_counts[population]
        assert counts.shape == (3, *graph.shapes[population])
        assert recording.spikes[-1, index] == pytest.approx(counts.sum() / 3)
    np.testing.assert_allclose(recording.times, [0.002, 0.005, 0.009])
    assert recording.duration == pytest.approx(0.009)
    assert np.all(np.diff(recording.spikes, axis=0) >= 0)
    assert np.all(np.diff(recording.output_counts, axis=0) >= 0)
    np.testing.assert_array_equal(recording.output_counts[-1], recording.spike_counts[graph.output.name])

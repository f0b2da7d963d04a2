"""The plain network for other devices gives the engine's spikes, on the runtime device and in compiled C++."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import ms

from conversion.brian.standalone import device_network
from conversion.plan.connections import neuron_order
from conversion.plan.populations import ConversionError
from conversion.settings import Simulation
from conversion.variability import Variability
from models.encoders import OnOff, Poisson
from models.neurons import integrate_and_fire, signed_integrate_and_fire
from tests.conversion.networks import leaky, networks
from tests.conversion.zero_delay_loop import zero_delay_loop

STEPS = 30
PLAIN = Simulation(neuron=integrate_and_fire(), encoder=Poisson(), duration=STEPS * ms)


def counts_on_the_active_device(name, signed=False):
    """Inputs of rate 0 or once a step are the same for every random number, so that every device must agree."""
    graph = networks()[name]
    graph = leaky(graph, 0.25) if signed else graph
    neuron = signed_integrate_and_fire() if signed else integrate_and_fire()
    images = (np.random.default_rng(3).random((2, *graph.input_shape)) < 0.4).astype(np.float32)
    built = device_network(graph, images, Simulation(neuron=neuron, encoder=Poisson(), duration=STEPS * ms))
    built.run()
    return graph, images, built


@pytest.mark.parametrize("name", ["conv, flatten, dense", "max pooling"])
def test_first_and_last_layer_on_the_runtime_device(name):
    graph, images, built = counts_on_the_active_device(name)
    spikes = np.broadcast_to(images > 0, (STEPS, *images.shape))
    depth = 1 + max(p for p, layer in enumerate(layer for layer in graph if layer.name != "flat"))
    for layer, late in ((graph.layers[0].name, 1), (graph.output.name, depth)):
        expected = zero_delay_loop(graph, spikes[: STEPS - late])[layer]
        assert built.spike_counts(layer).sum() == expected.sum() > 0


@pytest.mark.parametrize("name", ["conv, flatten, dense", "max pooling"])
def test_signed_neurons_on_the_runtime_device(name):
    graph, images, built = counts_on_the_active_device(name, signed=True)
    spikes = np.broadcast_to(images > 0, (STEPS, *images.shape))
    for layer, late in ((graph.layers[0].name, 1), ("pool1", 2)):
        if layer in built.slices:
            expected = zero_delay_loop(graph, spikes[: STEPS - late], signed=True)[layer]
            counts = built.spike_counts(layer).reshape(2, -1)[:, neuron_order(expected.shape[1:])]
            np.testing.assert_array_equal(counts, expected.reshape(2, -1))
            assert counts.min() < 0 < counts.max()


def test_biases_are_refused():
    graph = networks()["dense with biases"]
    with pytest.raises(ConversionError, match="'fc1' has a bias"):
        device_network(graph, np.zeros((1, 5), np.float32), PLAIN)


def test_a_background_is_refused():
    neuron = dataclasses.replace(integrate_and_fire(), background=5.0)
    with pytest.raises(ConversionError, match="the neurons have a background, which a device network does not give"):
        device_network(networks()["dense"], np.zeros((1, 7), np.float32), dataclasses.replace(PLAIN, neuron=neuron))


@pytest.mark.parametrize(
    "change",
    [
        {"output": "accumulating"},
        {"read_at": 1 * ms},
        {"thresholds": {"fc1": 2.0}},
        {"half_threshold_offset": True},
        {"variability": Variability(dead_share=0.1)},
    ],
    ids=str,
)
def test_what_a_device_does_not_do_is_refused(change):
    with pytest.raises(ConversionError, match=f"{next(iter(change))} is .*, which a device network does not do"):
        device_network(networks()["dense"], np.zeros((1, 7), np.float32), replace(PLAIN, **change))


def test_other_input_than_poisson_spikes_is_refused():
    with pytest.raises(ConversionError, match="fed with Poisson spikes, not with OnOff"):
        device_network(networks()["dense"], np.zeros((1, 7), np.float32), replace(PLAIN, encoder=OnOff()))


SCRIPT = """
import sys
import brian2
brian2.set_device("cpp_standalone", directory=sys.argv[1], build_on_run=True)
from tests.conversion.brian.test_standalone import counts_on_the_active_device
graph, images, built = counts_on_the_active_device("max pooling", signed=sys.argv[2] == "signed")
print("counts", *built.spike_counts("pool1"))
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("kind", ["unsigned", "signed"])
def test_compiled_standalone_agrees_with_the_runtime_device(tmp_path, kind):
    *_, built = counts_on_the_active_device("max pooling", signed=kind == "signed")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), kind]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    counts = np.array(result.stdout.rpartition("counts")[2].split(), int)
    np.testing.assert_array_equal(counts, built.spike_counts("pool1"))
    assert (counts.min() < 0) == (kind == "signed")
    assert brian2.get_device().__class__.__name__ == "RuntimeDevice"

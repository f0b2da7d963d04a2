"""The plain network for other devices gives the engine's spikes, on the runtime device and in compiled C++."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import ms

from conversion.brian.standalone import device_network
from conversion.delays import Delays
from conversion.plan.connections import neuron_order
from conversion.plan.populations import ConversionError
from conversion.settings import Simulation
from conversion.simulate import simulate
from conversion.variability import Variability
from models.encoders import ConstantCurrent, OnOff, Poisson
from models.neurons import integrate_and_fire, leaky_integrate_and_fire, signed_integrate_and_fire
from tests.conversion.networks import leaky, networks
from tests.conversion.zero_delay_loop import zero_delay_loop

STEPS = 30
PLAIN = Simulation(neuron=integrate_and_fire(), encoder=Poisson(), duration=STEPS * ms)


BACKGROUND = replace(integrate_and_fire(), background=25.0)
SETTINGS = {
    "unsigned": {},
    "signed": {"neuron": signed_integrate_and_fire()},
    "background": {"neuron": BACKGROUND},
    "current": {"encoder": ConstantCurrent()},
    "leaky from half a threshold": {"neuron": leaky_integrate_and_fire(20 * ms, reset="zero", v_init="half")},
    "refractory, clamped": {"neuron": integrate_and_fire(refractory=3 * ms, v_min=-0.5)},
    "delays": {"delays": Delays(4 * ms)},
    "drawn delays": {"delays": Delays(6 * ms, sd=3 * ms), "network_seed": 5},
}


def counts_on_the_active_device(name, kind="unsigned"):
    """Inputs of rate 0 or once a step are the same for every random number, so that every device must agree."""
    graph = networks()[name]
    graph = leaky(graph, 0.25) if kind == "signed" else graph
    images = (np.random.default_rng(3).random((2, *graph.input_shape)) < 0.4).astype(np.float32)
    built = device_network(graph, images, replace(PLAIN, **SETTINGS[kind]))
    built.run()
    return graph, images, built


def counts_of(built, layer, shape):
    return built.spike_counts(layer).reshape(2, -1)[:, neuron_order(shape)].reshape(2, *shape)


@pytest.mark.parametrize("name", networks())
def test_every_layer_counts_its_own_window(name):
    """The oracle is the loop without delays; biased networks are compared with the engine."""
    graph, images, built = counts_on_the_active_device(name)
    expected = simulate(graph, images, PLAIN).spike_counts
    if not any(np.any(getattr(layer, "bias", None)) for layer in graph):
        loop = zero_delay_loop(graph, np.broadcast_to(images > 0, (STEPS, *images.shape)))
        expected = {layer: loop[layer] for layer in built.places}
    for layer in built.places:
        np.testing.assert_array_equal(counts_of(built, layer, graph.shapes[layer]), expected[layer])
    assert expected[graph.output.name].sum() > 0


@pytest.mark.parametrize("name", ["residual block", "average pooling"])
@pytest.mark.parametrize("kind", SETTINGS)
def test_every_setting_gives_the_spikes_of_the_engine(kind, name):
    graph, images, built = counts_on_the_active_device(name, kind)
    expected = simulate(graph, images, replace(PLAIN, **SETTINGS[kind])).spike_counts
    for layer in built.places:
        np.testing.assert_array_equal(counts_of(built, layer, graph.shapes[layer]), expected[layer])
        assert np.any(expected[layer])


@pytest.mark.parametrize("name", ["conv, flatten, dense", "max pooling"])
def test_signed_neurons_on_the_runtime_device(name):
    graph, images, built = counts_on_the_active_device(name, "signed")
    expected = zero_delay_loop(graph, np.broadcast_to(images > 0, (STEPS, *images.shape)), signed=True)
    for layer in built.places:
        np.testing.assert_array_equal(counts_of(built, layer, graph.shapes[layer]), expected[layer])
    assert expected[graph.layers[0].name].min() < 0


def test_a_current_that_the_equations_do_not_know_is_refused():
    neuron = replace(integrate_and_fire(), equations="v : 1\nv_th : 1 (constant)")
    with pytest.raises(ConversionError, match=r"there is a bias, a current or a background, but .* no `drive`"):
        device_network(networks()["dense with biases"], np.zeros((1, 5), np.float32), replace(PLAIN, neuron=neuron))


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


def test_jitter_is_refused():
    with pytest.raises(ConversionError, match=r"the jitter is 0\.002 s, which a device network does not do"):
        device_network(networks()["dense"], np.zeros((1, 7), np.float32), replace(PLAIN, delays=Delays(jitter=2 * ms)))


def test_other_input_than_poisson_spikes_is_refused():
    with pytest.raises(ConversionError, match="fed with Poisson spikes or a constant current, not with OnOff"):
        device_network(networks()["dense"], np.zeros((1, 7), np.float32), replace(PLAIN, encoder=OnOff()))


SCRIPT = """
import sys
import brian2
brian2.set_device("cpp_standalone", directory=sys.argv[1], build_on_run=True)
from tests.conversion.brian.test_standalone import counts_on_the_active_device
graph, images, built = counts_on_the_active_device(sys.argv[2], sys.argv[3])
print("counts", *built.spike_counts(graph.output.name))
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.parametrize(
    ("name", "kind"),
    [("max pooling", "unsigned"), ("max pooling", "signed"), ("residual block", "background"),
     ("residual block", "current"), ("residual block", "refractory, clamped"), ("residual block", "drawn delays")],
)  # fmt: skip
def test_compiled_standalone_agrees_with_the_engine(tmp_path, name, kind):
    graph, images, _ = counts_on_the_active_device(name, kind)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), name, kind]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    counts = np.array(result.stdout.rpartition("counts")[2].split(), int)
    expected = simulate(graph, images, replace(PLAIN, **SETTINGS[kind])).spike_counts[graph.output.name]
    np.testing.assert_array_equal(counts.reshape(2, -1)[:, neuron_order(expected.shape[1:])].ravel(), expected.ravel())
    assert np.any(counts)
    assert brian2.get_device().__class__.__name__ == "RuntimeDevice"

"""Other simulators that read NIR: of the same input spikes, counts that are ours, or differ for a reason that is shown.

None of them comes with the project; `pip install spikingjelly norse sinabs nirtorch` and PyTorch bring them. What was
found of spikingjelly 2.0.0, Norse 1.1.0, sinabs 3.1.3, snnTorch 1.0.0 and Rockpool 3.1.0, with spikes "step":

- IF: spikingjelly and Norse spike as ours do, neuron by neuron. sinabs reads it as a neuron whose reset is by
  subtraction, that spikes several times a step and is never below minus its threshold, and skips a Linear without a
  word. snnTorch wants r = 1 and makes it a leaky one. Rockpool has none. Files of sinabs say nothing of its reset, and
  spikingjelly begins at v_reset.
- LIF and CubaLIF: spikingjelly spikes as ours do with Euler's leak and the input before the leak, and so does Norse for
  a CubaLIF without v_leak. Norse and sinabs ignore r, and sinabs takes seconds for steps. Rockpool asks a LIF for
  tau_mem, and of a CubaLIF guesses dt = tau / (1 + r).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms, second

from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import SpikeTrains
from models.graph import INPUT, LINEAR, RELU, AvgPool2d, Conv2d, Dense, Flatten, Graph, sequential
from models.neurons import exponential_current, integrate_and_fire, leaky_integrate_and_fire
from tests.conversion.networks import add, pool

pytest.importorskip("nir", reason="the package nir is not installed")

from conversion.nir import from_nir, load_nir, save_nir, to_nir

pytestmark = pytest.mark.filterwarnings("ignore")  # of packages that are not ours
STEPS, IMAGES, DT = 60, 4, 1e-3
IF = integrate_and_fire(reset="zero")


def peer(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("torch", reason="PyTorch is not installed")
        return pytest.importorskip(name, reason=f"{name.split('.')[0]} is not installed", exc_type=ImportError)


def drawn(*shape):
    """Weights that no sum of brings exactly to a threshold, where one says >= and another >."""
    return np.random.default_rng(list(shape)).normal(0.1, 1 / math.sqrt(np.prod(shape[1:])), shape).astype(np.float32)


def fc(name, *shape, **fields):
    return Dense(name=name, inputs=(INPUT,), weight=drawn(*shape), **fields)


def conv(name, source, *shape, **fields):
    return Conv2d(name=name, inputs=(source,), weight=drawn(*shape), **fields)


def dense_network(bias):
    biases = [drawn(n, 1)[:, 0] * 0.2 if bias else None for n in (30, 20, 8)]
    shapes = ((30, 20), (20, 30), (8, 20))
    layers = (fc(f"fc{i}", *s, bias=b) for i, (s, b) in enumerate(zip(shapes, biases, strict=True)))
    return sequential((20,), *layers)


def conv_network():
    return sequential(
        (2, 12, 12),
        conv("conv1", "", 6, 2, 3, 3, padding=(1, 1, 1, 1), bias=drawn(6, 1)[:, 0] * 0.1),
        pool(AvgPool2d, "pool1", "", (2, 2), (2, 2)),
        conv("conv2", "", 8, 6, 3, 3, stride=(2, 2)),
        Flatten(name="flat", inputs=("",)),
        fc("fc", 5, 32),
    )


def residual_network():
    layers = (
        conv("conv1", INPUT, 4, 2, 3, 3, padding=(1, 1, 1, 1)),
        conv("conv2", "conv1", 4, 4, 3, 3, padding=(1, 1, 1, 1)),
        conv("conv3", "conv2", 4, 4, 3, 3, padding=(1, 1, 1, 1), activation=LINEAR),
        add("add", "conv3", "conv1", gain=0.75, activation=RELU),
    )
    return Graph((2, 6, 6), layers)


def input_spikes(graph):
    return np.random.default_rng(7).random((STEPS, IMAGES, *graph.input_shape)) < 0.3


def told(spikes, neuron):
    return Simulation(neuron=neuron, encoder=SpikeTrains(spikes, 400 * Hz), duration=STEPS * ms)


def ours(graph, spikes, neuron):
    return simulate(graph, np.zeros(spikes.shape[1:], np.float32), told(spikes, neuron)).spike_counts


def file_of(graph, neuron, folder):
    save_nir(to_nir(graph, told(input_spikes(graph), neuron)), folder / "network.nir")
    return folder / "network.nir"


def stepwise(module, spikes):
    """Counts of every node of neurons, of a module that hands over its state; the output's as "output"."""
    import torch

    counts, state = {}, None
    for name, part in module.named_modules():
        if name.endswith("_neurons"):
            part.register_forward_hook(lambda _, __, out, name=name: _count(counts, name, out[0]))
    for step in spikes:
        with torch.no_grad():
            out, state = module(torch.from_numpy(step.astype(np.float32)), state)
        _count(counts, "output", out)
    return counts


def _count(counts, name, out):
    counts[name] = counts.get(name, 0) + out.detach().numpy()


NETWORKS = {"dense": lambda: dense_network(True), "conv": conv_network, "residual": residual_network}


@pytest.mark.parametrize("name", NETWORKS)
def test_spikingjelly_spikes_as_ours_in_every_layer(name, tmp_path):
    exchange = peer("spikingjelly.activation_based.nir_exchange")
    graph = NETWORKS[name]()
    spikes = input_spikes(graph)
    theirs = stepwise(exchange.import_from_nir(file_of(graph, IF, tmp_path), dt=DT), spikes)
    for layer, counts in ours(graph, spikes, IF).items():
        if layer != INPUT:
            np.testing.assert_array_equal(theirs[f"{layer}_neurons"], counts, err_msg=layer)
            assert counts.sum() > 0


def test_norse_spikes_as_ours(tmp_path):
    norse = peer("norse.torch")
    graph = dense_network(True)
    spikes = input_spikes(graph)
    module = norse.from_nir(load_nir(file_of(graph, IF, tmp_path)), dt=DT, ignore_warnings=True)
    counts = ours(graph, spikes, IF)["fc2"]
    np.testing.assert_array_equal(stepwise(module, spikes)["output"], counts)
    assert counts.sum() > 0


def eulers(tau):
    """The time constant whose exact leak is Euler's of tau."""
    return -DT / math.log(1 - DT / tau) * second


def by_euler(kind):
    """A neuron, and the one of ours that does what simulators make of it that add input, leak by Euler and compare.

    They compare v before our leak, and so with a threshold that our leak would lower; through a synapse they bring
    tau_mem over its Euler's of what ours brings.
    """
    tau_m, tau_s = 20e-3, 5e-3
    plain = leaky_integrate_and_fire(tau_m * second, reset="zero")
    if kind == "lif":
        return plain, leaky_integrate_and_fire(eulers(tau_m), v_th=1 - DT / tau_m, reset="zero")
    euler = leaky_integrate_and_fire(eulers(tau_m), v_th=float(eulers(tau_m)) / tau_m, reset="zero")
    return exponential_current(plain, tau_s * second), exponential_current(euler, eulers(tau_s))


@pytest.mark.parametrize("kind", ["lif", "cuba"])
def test_leaky_neurons_of_spikingjelly_differ_by_eulers_rule_alone(kind, tmp_path):
    exchange = peer("spikingjelly.activation_based.nir_exchange")
    graph, (neuron, euler) = dense_network(False), by_euler(kind)
    spikes = input_spikes(graph)
    theirs = stepwise(exchange.import_from_nir(file_of(graph, neuron, tmp_path), dt=DT), spikes)["output"]
    plain = ours(graph, spikes, neuron)["fc2"]
    assert np.any(theirs != plain)
    np.testing.assert_allclose(theirs.sum(), plain.sum(), rtol=0.2)
    np.testing.assert_array_equal(theirs, ours(graph, spikes, euler)["fc2"])


def test_norse_differs_in_a_current_based_neuron_by_eulers_rule_alone(tmp_path):
    norse = peer("norse.torch")
    graph, (neuron, euler) = dense_network(False), by_euler("cuba")
    spikes = input_spikes(graph)
    module = norse.from_nir(load_nir(file_of(graph, neuron, tmp_path)), dt=DT, ignore_warnings=True)
    np.testing.assert_array_equal(stepwise(module, spikes)["output"], ours(graph, spikes, euler)["fc2"])


def test_sinabs_reads_another_neuron(tmp_path):
    """Subtraction, several spikes a step, a clamp at minus the threshold: with those rules its counts come out."""
    sinabs = peer("sinabs.nir")
    import torch

    graph = dense_network(True)
    spikes = input_spikes(graph)
    module = sinabs.from_nir(load_nir(file_of(graph, IF, tmp_path)), batch_size=IMAGES)
    rows = np.moveaxis(spikes, 0, 1).reshape(IMAGES * STEPS, -1).astype(np.float32)
    with torch.no_grad():
        theirs = module(torch.from_numpy(rows))[0].numpy().reshape(IMAGES, STEPS, -1).sum(axis=1)
    np.testing.assert_array_equal(theirs, as_sinabs(graph, spikes))
    assert theirs.sum() > 1.5 * ours(graph, spikes, IF)["fc2"].sum()


def as_sinabs(graph, spikes):
    v, counts = [0.0] * 3, 0.0
    for step in spikes.astype(float):
        x = step
        for i, layer in enumerate(graph):
            v[i] = v[i] + x @ layer.weight.T + layer.bias * 0.4
            x = np.floor(np.maximum(v[i], 0))
            v[i] = np.maximum(v[i] - x, -1.0)
        counts = counts + x
    return counts


@pytest.mark.parametrize("v_reset", [0.0, -0.1])
def test_files_of_spikingjelly_spike_as_they_do_there(v_reset, tmp_path):
    """They begin at their reset, of which NIR says nothing."""
    exchange = peer("spikingjelly.activation_based.nir_exchange")
    import torch
    from spikingjelly.activation_based import functional, layer, neuron

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        layer.Conv2d(2, 4, 3, stride=2, padding=1), neuron.IFNode(v_threshold=0.3, v_reset=v_reset),
        layer.AvgPool2d(2, 2), layer.Flatten(), layer.Linear(36, 5, bias=False),
        neuron.IFNode(v_threshold=0.3, v_reset=v_reset),
    )  # fmt: skip
    exchange.export_to_nir(net, torch.zeros(IMAGES, 2, 12, 12), save_path=str(tmp_path / "theirs.nir"), dt=DT)
    functional.reset_net(net)
    spikes = np.random.default_rng(3).random((STEPS, IMAGES, 2, 12, 12)) < 0.4
    with torch.no_grad():
        theirs = sum(net(torch.from_numpy(step.astype(np.float32))) for step in spikes).numpy()
    found = from_nir(load_nir(tmp_path / "theirs.nir"), spike="step", dt=DT * second)
    begin = replace(found.neuron, initial={**found.neuron.initial, "v": "v_reset" if v_reset else "0"})
    simulation = replace(found.simulation(SpikeTrains(spikes, found.max_rate), STEPS * DT * second), neuron=begin)
    counts = simulate(found.graph, np.zeros(spikes.shape[1:], np.float32), simulation).spike_counts
    np.testing.assert_array_equal(counts[found.graph.output.name], theirs)
    assert theirs.sum() > 0


def test_files_of_sinabs_spike_as_they_do_there_once_their_reset_is_known(tmp_path):
    """Its file says IF, and not that the reset is by subtraction, which is said again here."""
    sinabs = peer("sinabs.nir")
    import nir
    import sinabs.layers as sl
    import torch
    from sinabs.activation import SingleSpike

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(20, 12, bias=False), sl.IAFSqueeze(batch_size=IMAGES, spike_fn=SingleSpike),
        torch.nn.Linear(12, 5, bias=False), sl.IAFSqueeze(batch_size=IMAGES, spike_fn=SingleSpike),
    )  # fmt: skip
    for part in (net[0], net[2]):
        part.weight.data += 0.15
    spikes = np.random.default_rng(3).random((STEPS, IMAGES, 20)) < 0.3
    rows = torch.from_numpy(np.moveaxis(spikes, 0, 1).reshape(IMAGES * STEPS, -1).astype(np.float32))
    with torch.no_grad():
        theirs = net(rows).numpy().reshape(IMAGES, STEPS, -1).sum(axis=1)
        nir.write(tmp_path / "theirs.nir", sinabs.to_nir(net, rows))
    found = from_nir(load_nir(tmp_path / "theirs.nir"), spike="dirac", dt=DT * second)
    counts = ours(found.graph, spikes, integrate_and_fire())
    np.testing.assert_array_equal(counts[found.graph.output.name], theirs)
    assert theirs.sum() > 0

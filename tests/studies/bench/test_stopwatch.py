"""What the measurements count, and that each has a process of its own; never how long something takes."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz

from models.encoders import ConstantCurrent
from models.graph import LINEAR, Conv2d, Flatten, MaxPool2d, sequential
from models.graph import Dense as DenseLayer
from models.neurons import signed_integrate_and_fire
from studies.bench.stopwatch import Timing, in_own_process, peak_memory_gb, show, spiking

SETTLING = 20
SIGNED = replace(
    spiking(SETTLING + 5, signed_integrate_and_fire()), encoder=ConstantCurrent(1000 * Hz), output="accumulating"
)


def network():
    """Every weight and every input is 1: from the second step of its window on, each neuron spikes in every step."""
    return sequential(
        (1, 4, 4),
        Conv2d(name="conv", inputs=("",), weight=np.ones((2, 1, 1, 1), np.float32)),
        MaxPool2d(name="pool", inputs=("",), kernel=(2, 2), stride=(2, 2)),
        Flatten(name="flat", inputs=("",)),
        DenseLayer(name="fc", inputs=("",), weight=np.ones((3, 8), np.float32), activation=LINEAR),
    )


def signed_network():
    """The same, but that half of the convolution's neurons and of the regions send a negative spike in every step."""
    conv, *others = network()
    weight = np.array([1, -1], np.float32).reshape(2, 1, 1, 1)
    return sequential((1, 4, 4), replace(conv, weight=weight, activation=LINEAR), *others)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_spikes_and_synaptic_operations_of_a_step(connectivity):
    images = np.ones((2, 1, 4, 4), np.float32)
    simulation = replace(spiking(SETTLING + 5), connectivity=connectivity)
    timing = show(network(), images, simulation, n_batches=2, settling=SETTLING)
    assert timing.ends.shape == (2, SETTLING + 5 + 3)
    assert (np.diff(timing.ends.ravel()) > 0).all()
    spikes, synops = timing.per_step.T
    np.testing.assert_array_equal(spikes, [2 * 16, 2 * 32, 2 * 8, 2 * 3])
    np.testing.assert_array_equal(synops, [2 * 16 * 2, 2 * 32, 2 * 8 * 3, 0])


def test_constant_currents_have_no_input_neurons_and_an_output_that_accumulates_no_spikes():
    timing = show(signed_network(), np.ones((2, 1, 4, 4), np.float32), SIGNED, settling=SETTLING)
    assert [population.name for population in timing.populations] == ["conv", "pool", "fc"]
    spikes, synops = timing.per_step.T
    np.testing.assert_array_equal(spikes, [2 * 32, 2 * 8, 0])
    np.testing.assert_array_equal(synops, [2 * 32, 2 * 8 * 3, 0])


def test_settled_steps_are_profiled_and_spike_as_ever():
    images = np.ones((2, 1, 4, 4), np.float32)
    timing = show(network(), images, spiking(12), settling=7)
    np.testing.assert_array_equal(timing.per_step[:, 0], [2 * 16, 2 * 32, 2 * 8, 2 * 3])
    assert len(timing.step_seconds) == 12 + 3 - 7 - 1
    active = {"input_to_conv", "conv_to_pool", "pool_to_fc", "neurons_loop", "counter", "stopwatch"}
    assert active <= timing.profile.keys()
    ends = timing.ends[0]
    assert 0 < sum(timing.profile.values()) * (12 + 3 - 7) <= ends[-1] - ends[6]


def test_first_batch_is_not_timed_and_settled_steps_are():
    """Two batches of three steps, of which one does not count."""
    ends = np.array([[0.0, 50.0, 100.0], [100.5, 101.0, 103.0]])
    timing = Timing(network=None, ends=ends, totals=None, settling=1, profile={})
    assert timing.batch_seconds == pytest.approx([3.0])
    assert timing.step_seconds == pytest.approx([2.0])


def test_each_measurement_has_a_process_of_its_own():
    first, second = in_own_process(os.getpid), in_own_process(os.getpid)
    assert len({first, second, os.getpid()}) == 3


def peak_after_an_array(size):
    np.ones(size, np.int8)
    return peak_memory_gb()


def test_peak_memory_stays_after_the_array_is_gone():
    assert 0.6 < in_own_process(peak_after_an_array, 600_000_000) < 6

"""The same spikes, whatever the number of threads; that they do work at once, and what ends one ends the step."""

from __future__ import annotations

import signal
import sys
import threading
import time
from functools import partial
from itertools import chain
from types import SimpleNamespace

import brian2
import numba
import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.brian import network as brian_network
from conversion.compiled import loop
from conversion.plan import make_plan
from conversion.settings import Simulation
from conversion.simulate import simulate
from conversion.threads import Together, at_most, n_threads
from models.encoders import Poisson
from models.neurons import integrate_and_fire, signed_integrate_and_fire
from tests.conversion.networks import leaky, networks

NETWORKS = networks()
CHOOSE = Together._how_many


@pytest.fixture(autouse=True)
def three_threads_for_the_smallest(monkeypatch: pytest.MonkeyPatch):
    """Also on one core, with parts of a few neurons, and whatever time it takes."""
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)
    monkeypatch.setattr(brian_network, "LARGE", 1)
    monkeypatch.setattr(loop, "PART", 8)
    monkeypatch.setattr(Together, "_how_many", lambda together: min(n_threads(), len(together.tasks)))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def recorded(graph, n: int, neuron, n_images: int = 3):
    x = np.random.default_rng(0).random((n_images, *graph.input_shape), np.float32)
    simulation = Simulation(neuron=neuron, encoder=Poisson(700 * Hz), duration=25 * ms, output="spiking")
    with at_most(n):
        return simulate(graph, x, simulation)


def require_equal(graph, neuron, n_images: int = 3) -> None:
    one, several = recorded(graph, 1, neuron, n_images), recorded(graph, 3, neuron, n_images)
    assert sum(counts.sum() for counts in one.spike_counts.values()) > 0
    for name, counts in one.spike_counts.items():
        np.testing.assert_array_equal(counts, several.spike_counts[name], err_msg=name)
    np.testing.assert_array_equal(one.output_potentials, several.output_potentials)


@pytest.mark.parametrize("n_images", [1, 3])
@pytest.mark.parametrize("graph", NETWORKS.values(), ids=NETWORKS)
def test_spikes_are_the_same(graph, n_images: int) -> None:
    require_equal(graph, integrate_and_fire(v_init="uniform", refractory=2 * ms), n_images)


@pytest.mark.parametrize("name", ["max pooling", "junction of spiking paths"])
def test_signed_spikes_are_the_same(name: str) -> None:
    require_equal(leaky(NETWORKS[name], 0.25), signed_integrate_and_fire())


def built(name: str):
    """A network that is built but not run."""
    simulation = Simulation(neuron=integrate_and_fire(), encoder=Poisson(700 * Hz), duration=5 * ms)
    return brian_network.build(make_plan(NETWORKS[name]), simulation, batch_size=1)


def test_what_reaches_one_target_is_one_task_in_its_order() -> None:
    network = built("junction of spiking paths")
    (deliveries,) = (o for o in network.network.objects if o.name == "deliveries")
    together = [[o.name for o in task.args[0]] for task in deliveries.tasks]
    assert ["conv2_to_add", "shortcut_to_add"] in together
    assert sorted(chain(*together)) == sorted(projection.name for projection, _ in network.projections)
    assert len(together) == len({projection.target for projection, _ in network.projections})


def test_one_thread_is_brian2s_way() -> None:
    with at_most(1):
        network = built("max pooling")
    assert not any(isinstance(o, Together) for o in network.network.objects)
    assert all(o.active for _, o in network.projections)


def together(*tasks) -> Together:
    member = SimpleNamespace(clock=brian2.Clock(1 * ms), when="synapses", order=0)
    return Together("together", [member], tasks)


def test_tasks_are_done_at_once_each_of_them_once() -> None:
    """A barrier lets nobody through who is alone."""
    barrier, done = threading.Barrier(3, timeout=60), []
    met = [lambda n=n: (barrier.wait(), done.append(n)) for n in range(6)]
    together(*met).run()
    assert sorted(done) == list(range(6))


def test_what_takes_long_is_done_first(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    several = together(*(partial(done.append, n) for n in range(3)))
    several.seconds = [0.1, 0.3, 0.2]
    with at_most(1):
        several.run()
    assert done == [1, 2, 0]


@pytest.mark.parametrize("who", ["this thread", "another"])
def test_an_error_of_any_thread_ends_the_step(who: str) -> None:
    barrier = threading.Barrier(2, timeout=60)

    def task() -> None:
        barrier.wait()
        if (threading.current_thread() is threading.main_thread()) == (who == "this thread"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        together(task, task).run()


def test_an_interrupt_ends_the_step() -> None:
    """It comes while both threads are at work."""
    barrier = threading.Barrier(2, timeout=60)

    def task() -> None:
        barrier.wait()
        if threading.current_thread() is not threading.main_thread():
            signal.raise_signal(signal.SIGINT)
        else:
            for _ in range(6000):
                time.sleep(0.01)

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        together(task, task).run()
    assert time.monotonic() - start < 30


def how_many(took_alone: float, took_at_once: float, steps: int) -> list[int]:
    """What is chosen when steps by one thread and by three take this long."""
    several, chosen = together(*[int] * 3), []
    several.seconds = [took_alone / 3] * 3
    for _ in range(steps):
        chosen.append(CHOOSE(several))
        several.took[chosen[-1]] = took_alone if chosen[-1] == 1 else took_at_once
    return chosen


def test_as_many_threads_as_are_fast() -> None:
    """Both are tried, and the slower one again in the sixteenth step."""
    assert how_many(0.01, 0.004, 30) == [3, 1] + [3] * 13 + [1] + [3] * 14
    assert how_many(0.01, 0.020, 30) == [3, 1] + [1] * 13 + [3] + [1] * 14


def test_little_is_done_by_one_thread() -> None:
    assert how_many(1e-4, 1e-5, 30) == [1] * 30

"""Batches one after another: each as if it were alone, and every population over its own window."""

from __future__ import annotations

import signal
import tracemalloc
from dataclasses import replace

import brian2
import numpy as np
import pytest
from brian2 import Hz, ms, second

from conversion import simulate as engine
from conversion.brian.network import build
from conversion.brian.presentation import Batch, run
from conversion.plan.populations import ConversionError, make_plan
from conversion.recording import Probe
from conversion.settings import Simulation
from conversion.simulate import bytes_per_image, simulate
from models.encoders import ConstantCurrent, Poisson, SpikeTrains
from models.graph import Dense, Graph, sequential
from models.neurons import Neuron, integrate_and_fire, leaky_integrate_and_fire
from tests.conversion.networks import networks
from tests.conversion.zero_delay_loop import zero_delay_loop

DEPTH = 6


def chain(bias: float | None = None) -> Graph:
    """Two neurons per layer that only pass on what comes; the last layer may have a bias."""
    biases = [None] * (DEPTH - 1) + [None if bias is None else np.array([bias, 0], np.float32)]
    one_to_one = np.eye(2, dtype=np.float32)
    return sequential(
        (2,), *(Dense(name=f"fc{n}", inputs=(), weight=one_to_one, bias=b) for n, b in enumerate(biases, 1))
    )


def shown(graph: Graph, spikes: np.ndarray, progress: bool = False, **settings):
    images = np.zeros(spikes.shape[1:], np.float32)
    settings = {"neuron": integrate_and_fire(), "duration": len(spikes) * ms} | settings
    return simulate(graph, images, Simulation(encoder=SpikeTrains(spikes), **settings), progress=progress)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
def test_a_deep_network_is_read_over_its_own_window(connectivity: str) -> None:
    """Spikes in the first and the last step reach the sixth layer in its own first and last step."""
    spikes = np.zeros((5, 2, 2), bool)
    spikes[[0, 4], 0, 0] = spikes[2, 1, 1] = True
    every = Probe(rasters=tuple(f"fc{n}" for n in range(1, DEPTH + 1)))
    recording = shown(chain(), spikes, connectivity=connectivity, probe=every)
    for name in every.rasters:
        rows = recording.rasters[name][["image", "neuron", "time_ms"]].sort_values(["image", "time_ms"]).to_numpy()
        np.testing.assert_allclose(rows, [[0, 0, 1], [0, 0, 5], [1, 1, 3]], err_msg=name)
    np.testing.assert_array_equal(recording.output_counts[:, 0, 0], [1, 1, 1, 1, 2])
    np.testing.assert_allclose(recording.spikes, np.outer([1, 1, 2, 2, 3], np.ones(DEPTH + 1)) / 2)


@pytest.mark.parametrize("connectivity", ["shared", "synapses"])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_bias_does_not_act_before_the_window_of_its_layer(connectivity: str, batch: int) -> None:
    """After k steps of its window the last layer has k times its bias, although it is six steps deep; in any batch."""
    graph, steps, bias = chain(bias=0.0625), 20, 0.0625
    recording = shown(
        graph, np.zeros((steps, 3, 2), bool), connectivity=connectivity, probe=Probe(traces={"fc6": (0, 1)}),
        memory_limit=batch * bytes_per_image(make_plan(graph), connectivity),
    )  # fmt: skip
    so_far = bias * np.arange(1, steps + 1)
    spiked = so_far >= 1
    np.testing.assert_allclose(recording.traces["fc6"][:, :, 0], np.repeat((so_far - spiked)[:, None], 3, axis=1))
    np.testing.assert_array_equal(recording.output_counts[:, :, 0], np.repeat(spiked[:, None], 3, axis=1))
    assert not recording.traces["fc6"][:, :, 1].any()


@pytest.mark.parametrize("steps", [1, 3])
def test_a_window_shorter_than_the_network_is_deep(steps: int) -> None:
    spikes = np.zeros((steps, 1, 2), bool)
    spikes[-1, 0, 1] = True
    assert shown(chain(), spikes).output_counts[-1].tolist() == [[0, 1]]


def test_a_group_of_one_neuron_leaves_the_clock_alone() -> None:
    """The clock has one time as the group has one potential; restoring it too would repeat steps of deeper networks."""
    layers = (Dense(name=name, inputs=(), weight=np.ones((1, 1), np.float32)) for name in ("fc1", "fc2", "fc3"))
    recording = shown(sequential((1,), *layers), np.ones((9, 1, 1), bool), output="accumulating")
    np.testing.assert_array_equal(recording.output_potentials[:, 0, 0], np.arange(1, 10))


@pytest.mark.parametrize("name", ["dense with biases", "max pooling", "junction of spiking paths"])
def test_a_batch_that_is_not_full_answers_like_any_other(name: str) -> None:
    """Five images in batches of up to three are three and two."""
    graph = networks()[name]
    spikes = np.random.default_rng(0).random((12, 5, *graph.input_shape)) < 0.4
    recording = shown(graph, spikes, memory_limit=3 * bytes_per_image(make_plan(graph), "shared"))
    for layer, counts in zero_delay_loop(graph, spikes).items():
        np.testing.assert_array_equal(recording.spike_counts[layer], counts, err_msg=layer)


def test_refractoriness_ends_with_the_batch() -> None:
    """A neuron that spikes in the last step of one batch can spike in the first of the next."""
    graph = sequential((1,), Dense(name="fc", inputs=(), weight=np.ones((1, 1), np.float32)))
    spikes = np.zeros((3, 2, 1), bool)
    spikes[2, 0] = spikes[0, 1] = True
    recording = shown(graph, spikes, neuron=integrate_and_fire(refractory=50 * ms), memory_limit=1)
    np.testing.assert_array_equal(recording.output_counts[-1], [[1], [1]])


def test_batches_get_random_numbers_of_their_own() -> None:
    graph = networks()["dense"]
    images = np.full((6, 7), 0.5, np.float32)
    counts = simulate(
        graph,
        images,
        Simulation(
            neuron=integrate_and_fire(),
            encoder=Poisson(1000 * Hz),
            duration=60 * ms,
            memory_limit=2 * bytes_per_image(make_plan(graph), "shared"),
        ),
    ).spike_counts["input"]
    assert len({row.tobytes() for row in counts}) == 6


NOISY = replace(
    integrate_and_fire(),
    equations="dv/dt = drive + sigma * xi * second**-0.5 : 1\ndrive : Hz (constant)\nv_th : 1 (constant)",
    parameters={"sigma": 2.0, "second": second},
)


@pytest.mark.parametrize("neuron", [integrate_and_fire(), NOISY], ids=["if", "noisy"])
def test_an_image_has_the_same_random_numbers_in_any_batch(neuron: Neuron) -> None:
    """Input spikes and membrane noise alike, also in a last batch that is not full."""
    graph = networks()["dense" if neuron is NOISY else "max pooling"]
    images = np.random.default_rng(0).random((5, *graph.input_shape)).astype(np.float32)
    size = bytes_per_image(make_plan(graph), "shared")
    found = [
        simulate(
            graph, images, Simulation(neuron=neuron, encoder=Poisson(), duration=40 * ms, memory_limit=n * size)
        ).spike_counts
        for n in (1, 2, 5)
    ]
    for name, counts in found[0].items():
        assert counts.any(), name
        for other in found[1:]:
            np.testing.assert_array_equal(counts, other[name], err_msg=name)


def test_what_fills_the_last_batch_is_not_counted() -> None:
    """Three images in batches of two; with a constant current the place of a fourth would spike as well."""
    graph, images = networks()["dense with biases"], np.random.default_rng(0).random((3, 5)).astype(np.float32)
    settings = {"neuron": integrate_and_fire(), "encoder": ConstantCurrent(1000 * Hz), "duration": 30 * ms}
    whole = simulate(graph, images, Simulation(**settings))
    split = simulate(
        graph, images, Simulation(memory_limit=2 * bytes_per_image(make_plan(graph), "shared"), **settings)
    )
    assert whole.spikes[-1].min() > 0
    np.testing.assert_allclose(split.spikes, whole.spikes)
    np.testing.assert_allclose(split.synops, whole.synops)
    assert split.output_counts.shape == (30, 3, 3)


# How many images at once


@pytest.fixture
def batch_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch size of every network that is built."""
    sizes: list[int] = []

    def build(plan, simulation, batch_size: int, original=engine.build):
        sizes.append(batch_size)
        return original(plan, simulation, batch_size)

    monkeypatch.setattr(engine, "build", build)
    return sizes


@pytest.mark.parametrize(
    ("n_images", "fitting", "expected"),
    [(10, 100, 10), (10, 10, 10), (10, 9.9, 5), (10, 4, 4), (10, 3, 3), (7, 6, 4), (10, 1, 1), (10, 0.1, 1)],
)
def test_batches_are_as_equal_and_as_few_as_the_memory_allows(batch_sizes, n_images, fitting, expected) -> None:
    """10 images of which 4 fit need three batches, of 4, 4 and 2; never more at once than fit, but one at least."""
    graph = networks()["dense"]
    limit = fitting * bytes_per_image(make_plan(graph), "shared")
    shown(graph, np.zeros((2, n_images, 7), bool), memory_limit=limit)
    assert batch_sizes == [expected]


def test_a_batch_is_never_larger_than_pays_off(batch_sizes) -> None:
    shown(networks()["dense"], np.zeros((2, 501, 7), bool))
    assert batch_sizes == [167]


@pytest.mark.parametrize(
    ("connectivity", "batches", "leaky"),
    [("shared", (5, 25), False), ("shared", (5, 25), True), ("synapses", (1, 3), 0)],
)
def test_an_image_takes_about_the_memory_that_is_predicted(connectivity: str, batches, leaky) -> None:
    """What NumPy allocates at the peak grows with every image by the prediction, within a factor of 1.5."""
    graph = networks()["strides, oblong kernels, borders"]
    graph = Graph((3, 45, 40), graph.layers)
    neuron = leaky_integrate_and_fire(20 * ms, refractory=2 * ms) if leaky else integrate_and_fire()
    peaks = []
    for n_images in (batches[0], *batches):  # the first one loads and compiles
        images = np.full((n_images, *graph.input_shape), 0.3, np.float32)
        tracemalloc.start()
        simulate(
            graph,
            images,
            Simulation(neuron=neuron, encoder=Poisson(), duration=5 * ms, read_at=[5] * ms, connectivity=connectivity),
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    per_image = (peaks[2] - peaks[1]) / (batches[1] - batches[0])
    predicted = bytes_per_image(make_plan(graph), connectivity)
    assert predicted / 1.5 < per_image < predicted * 1.5


# What a recording holds


def held(recording) -> int:
    """Bytes of every array and table in a recording."""
    arrays = [recording.times, recording.output_counts, recording.output_potentials, recording.spikes, recording.synops]
    arrays += [*recording.spike_counts.values(), *recording.traces.values()]
    return sum(array.nbytes for array in arrays) + sum(int(t.memory_usage().sum()) for t in recording.rasters.values())


def test_a_recording_holds_all_spikes_only_when_asked() -> None:
    """The counts take the same memory however long the window is; a raster has a row for every spike."""
    graph = networks()["dense"]
    sizes, rows = {}, {}
    for steps in (50, 200):
        spikes = np.ones((steps, 2, 7), bool)
        end = {"read_at": [steps] * ms}
        sizes[steps] = held(shown(graph, spikes, **end))
        asked = shown(graph, spikes, probe=Probe(rasters=("fc1",)), **end)
        rows[steps] = len(asked.rasters["fc1"])
        assert rows[steps] == asked.spike_counts["fc1"].sum() > 0
        assert list(asked.rasters) == ["fc1"]
    assert sizes[50] == sizes[200]
    assert rows[200] == pytest.approx(4 * rows[50], rel=0.1)


@pytest.mark.parametrize("profiled", [0, 3])
def test_profiling_the_last_steps_changes_no_spike(profiled: int) -> None:
    """A neuron of the chain passes on every spike of its own window, over whichever runs of Brian2 it stretches."""
    graph, spikes = chain(), np.zeros((5, 2, 2), bool)
    spikes[[0, 4], 0, 0] = spikes[2, 1, 1] = True
    plan, encoder = make_plan(graph), SpikeTrains(spikes)
    simulation = Simulation(neuron=integrate_and_fire(), encoder=encoder, duration=5 * ms)
    network = build(plan, simulation, batch_size=2)

    def batch() -> Batch:
        return Batch(spikes, {}, rate=1000.0, seed=0)

    run(network, [batch, batch], [slice(0, 2), slice(2, 4)], progress=False, profiled=profiled)
    np.testing.assert_array_equal(network.counter.counts.output_counts[:, ::2, 0].T, [[1, 1, 1, 1, 2]] * 2)
    if profiled:
        assert {"counter", "fc1_to_fc2"} <= dict(network.network.profiling_info).keys()


def test_a_progress_bar_is_shown_when_asked(capsys: pytest.CaptureFixture) -> None:
    shown(chain(), np.zeros((3, 1, 2), bool))
    assert capsys.readouterr().err == ""
    shown(chain(), np.zeros((3, 1, 2), bool), progress=True)
    assert "steps" in capsys.readouterr().err


# What stops a simulation


class Interruption(brian2.BrianObject):
    """Does something in the given step of a run."""

    def __init__(self, act, clock: brian2.Clock, step: int) -> None:
        super().__init__(clock=clock, when="start", name="interruption")
        self.act, self.left = act, step

    def run(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


@pytest.mark.parametrize(
    ("act", "error"),
    [(lambda: signal.raise_signal(signal.SIGINT), KeyboardInterrupt), (brian2.stop, RuntimeError)],
    ids=["Ctrl-C", "brian2.stop"],
)
def test_a_simulation_that_does_not_reach_its_end_is_an_error(monkeypatch: pytest.MonkeyPatch, act, error) -> None:
    """Brian2 would end the run quietly, with the counts of half a window."""

    def build(plan, simulation, batch_size: int, original=engine.build):
        network = original(plan, simulation, batch_size)
        network.network.add(Interruption(act, network.clock, step=4))
        return network

    monkeypatch.setattr(engine, "build", build)
    before = brian2.prefs.core.stop_on_keyboard_interrupt
    with pytest.raises(error):
        shown(chain(), np.zeros((8, 1, 2), bool))
    assert brian2.prefs.core.stop_on_keyboard_interrupt == before


def test_a_delay_that_the_windows_do_not_know_is_refused() -> None:
    simulation = Simulation(neuron=integrate_and_fire(), encoder=Poisson(), duration=5 * ms, connectivity="synapses")
    network = build(make_plan(networks()["residual block"]), simulation, batch_size=1)
    batch = Batch(np.zeros((1, network.places["input"].stop)), {}, rate=1000.0, seed=0)
    run(network, [lambda: batch], [slice(0, 1)], progress=False)
    projection, synapses = network.projections[-1]
    synapses.delay = 3 * ms
    with pytest.raises(ConversionError, match=rf"'{projection.name}' has synapses with delays of up to 3 ms"):
        run(network, [lambda: batch], [slice(0, 1)], progress=False)

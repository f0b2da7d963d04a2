"""The deep networks of Sengupta 2019 as spikes: mean-subtracted images through all layers, against the papers' loop."""

from __future__ import annotations

import numpy as np
import pytest

from conversion.settings import Simulation

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[train]'")

from brian2 import Hz, ms  # noqa: E402

from conversion.normalize.schemes import normalize  # noqa: E402
from conversion.recording import Probe  # noqa: E402
from conversion.simulate import simulate  # noqa: E402
from models.encoders import OnOff  # noqa: E402
from models.graph import INPUT  # noqa: E402
from models.neurons import integrate_and_fire  # noqa: E402
from models.onnx_io.reading import load  # noqa: E402
from models.train.architectures import resnet, vgg  # noqa: E402
from models.train.loop import _export  # noqa: E402
from tests.conversion.zero_delay_loop import zero_delay_loop  # noqa: E402

STEPS = 12
SLOW = [pytest.param(vgg, 16, marks=pytest.mark.slow), pytest.param(resnet, 20, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("network", "depth"), [(vgg, 7), (resnet, 8), *SLOW])
def test_an_image_goes_through_as_in_the_loop(network, depth, tmp_path):
    torch.manual_seed(0)
    _export(network(depth), (3, 32, 32), tmp_path / "network.onnx")
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 3, 32, 32)).astype(np.float32)
    graph = normalize(load(tmp_path / "network.onnx"), x, "data")
    recording = simulate(
        graph,
        x,
        Simulation(
            neuron=integrate_and_fire(), encoder=OnOff(1000 * Hz), duration=STEPS * ms, probe=Probe(rasters=(INPUT,))
        ),
    )
    raster = recording.rasters[INPUT]
    spikes = np.zeros((STEPS, x.size), int)
    spikes[raster["time_ms"].round().astype(int) - 1, raster["neuron"]] = raster["sign"]
    expected = zero_delay_loop(graph, spikes.reshape(STEPS, *x.shape))
    for name in recording.populations[1:]:
        counts = recording.spike_counts[name]
        differing = np.mean(counts != expected[name])  # weights are no multiples of 2**-n, so ties may fall either way
        assert differing < 0.02, name
    assert expected[recording.populations[2]].sum() > 0

"""ReLUs that count in steps, against the formula, its gradients, and a neuron that does count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, ms

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[train]'")

from torch import nn  # noqa: E402

from conversion.normalize.schemes import normalize  # noqa: E402
from conversion.settings import Simulation  # noqa: E402
from conversion.simulate import simulate  # noqa: E402
from models.encoders import ConstantCurrent  # noqa: E402
from models.graph import Dense, sequential  # noqa: E402
from models.neurons import integrate_and_fire  # noqa: E402
from models.onnx_io.reading import load  # noqa: E402
from models.train.architectures import resnet, stack  # noqa: E402
from models.train.loop import to_file  # noqa: E402
from models.train.quantised import StepReLU, count_in_steps  # noqa: E402

X = np.array([-2.0, -0.01, 0.05, 0.15, 0.45, 0.62, 0.99, 1.2, 1.49, 1.51, 4.0])
THETA = 1.5


def step_relu(steps: int, theta: float = THETA) -> StepReLU:
    module = StepReLU(steps)
    module.theta.data.fill_(theta)
    return module


def formula(x: np.ndarray, steps: int) -> np.ndarray:
    return THETA / steps * np.floor(steps * np.clip(x / THETA, 0, 1) + 0.5)


@pytest.mark.parametrize("steps", [1, 4, 16])
def test_values_are_those_of_the_formula(steps: int) -> None:
    found = step_relu(steps)(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(found, formula(X, steps), atol=1e-6)


@pytest.mark.parametrize("steps", [1, 4, 16])
def test_gradients_are_those_of_the_formula_with_a_floor_of_slope_1(steps: int) -> None:
    for x in X:
        module, value = step_relu(steps), torch.tensor(x, requires_grad=True)
        module(value).backward()
        within = 0 < x < THETA
        assert value.grad.item() == pytest.approx(1.0 if within else 0.0)
        of_theta = (formula(np.array(x), steps) - x) / THETA if within else float(x >= THETA)
        assert module.theta.grad.item() == pytest.approx(of_theta, abs=1e-6)


def test_an_integrate_and_fire_neuron_from_half_its_threshold_counts_so() -> None:
    steps = 8
    x = np.random.default_rng(0).random((1, 50)).astype(np.float32)
    graph = sequential((50,), Dense(name="fc", inputs=("",), weight=1.5 * np.eye(50, dtype=np.float32)))
    settings = {"neuron": integrate_and_fire(v_init="half"), "encoder": ConstantCurrent(1000 * Hz)}
    counts = simulate(graph, x, Simulation(**settings, duration=steps * ms)).output_counts[-1, 0]
    found = step_relu(steps, theta=1.0)(torch.from_numpy(1.5 * x)).numpy(force=True)[0]
    np.testing.assert_allclose(found, counts / steps, atol=1e-6)


def test_every_relu_is_replaced_and_its_theta_lets_nearly_all_of_the_first_batch_through() -> None:
    network = count_in_steps(resnet(8), 4).train()
    images = torch.randn(8, 3, 32, 32)
    first = network[:1](images)
    network(images)
    relus = [module for module in network.modules() if isinstance(module, StepReLU)]
    assert not any(isinstance(module, nn.ReLU) for module in network.modules())
    assert len(relus) == 2 + 3 + 2 + 3  # of two that meet one; and of junctions
    assert float((first[first > 0] > relus[0].theta).float().mean()) == pytest.approx(0.001, abs=2e-4)
    assert all(0 < relu.theta.item() < np.inf for relu in relus)
    known = relus[0].theta.item()
    network(10 * images)
    assert relus[0].theta.item() == known


def test_the_thresholds_of_a_residual_network_are_its_ceilings(tmp_path: Path) -> None:
    """The converter refuses neurons that could be faster than a ceiling; here none is, and every scale is a theta."""
    torch.manual_seed(0)
    network = count_in_steps(resnet(8), 4).train()
    network(torch.rand(16, 3, 32, 32))
    to_file(network.eval(), (3, 32, 32), tmp_path / "x.onnx", spiking=True)
    graph, images = load(tmp_path / "x.onnx"), np.random.default_rng(0).random((8, 3, 32, 32), np.float32)
    normalised = normalize(graph, images, "percentile", 100.0, 10.0)
    for layer in normalised:
        if not layer.activation.is_linear:
            np.testing.assert_allclose(layer.activation.ceiling, 1, rtol=1e-5)
    settings = {"neuron": integrate_and_fire(reset="subtract"), "encoder": ConstantCurrent(1000 * Hz)}
    recording = simulate(normalised, images[:1], Simulation(**settings, duration=10 * ms))
    assert recording.spikes[-1].sum() > 0


def test_a_file_has_the_clip_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = stack(fc1=nn.Linear(5, 4), relu=step_relu(4), fc2=nn.Linear(4, 3))
    to_file(network, (5,), tmp_path / "x.onnx", spiking=True)
    activation = load(tmp_path / "x.onnx")["fc1"].activation
    assert np.min(activation.ceiling) == pytest.approx(THETA, rel=1e-3)

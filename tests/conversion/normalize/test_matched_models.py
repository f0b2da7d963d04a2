"""Every neuron that ships carries a trained network once its f-I curve is matched, and none does without."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import Hz, ms

from conversion.normalize import match_fi, normalize
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.datasets import load_dataset
from models.encoders import Poisson
from models.neurons import NEURONS
from models.onnx_io import load, predict
from models.paths import WEIGHTS

RATE, DT = 200.0, 0.5 * ms
SLOW = [name for name in NEURONS if name not in ("if", "lif", "signed", "balanced", "eif", "izhikevich_rs")]


@pytest.mark.parametrize("name", ["eif", "izhikevich_rs", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_a_matched_neuron_carries_a_network_of_digits(name: str) -> None:
    graph = load(WEIGHTS / "mnist_mlp.onnx")
    digits = load_dataset("digits").x
    images, calibration = digits[::50], digits[25::50]
    graph = normalize(graph, calibration, "percentile")
    ann = predict(graph, images).argmax(axis=1)

    def agreement(neuron) -> float:
        simulation = Simulation(neuron=neuron, encoder=Poisson(RATE * Hz), duration=200 * ms, dt=DT, read_at=200 * ms)
        answers = simulate(graph, images, simulation).output_counts[-1].argmax(axis=1)
        return float(np.mean(answers == ann))

    neuron = NEURONS[name]()
    assert agreement(neuron) < 0.5
    assert agreement(match_fi(neuron, RATE, DT)) >= 0.95

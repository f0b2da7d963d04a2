"""Whoever listens hears every step of every simulation, and nobody else is told."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import ms

from conversion.plan import make_plan
from conversion.progress import heard_by
from conversion.settings import Simulation
from conversion.simulate import bytes_per_image, simulate
from models.encoders import Poisson
from models.graph import Dense, sequential
from models.neurons import integrate_and_fire


def test_a_listener_hears_every_step_of_every_simulation(capsys: pytest.CaptureFixture) -> None:
    """A window of 5 steps and a step for each of two layers are 7; three images in batches of two take it twice."""
    one_to_one = np.eye(2, dtype=np.float32)
    graph = sequential((2,), *(Dense(name=name, inputs=(), weight=one_to_one) for name in ("fc1", "fc2")))
    simulation = Simulation(
        neuron=integrate_and_fire(), encoder=Poisson(), duration=5 * ms,
        memory_limit=2 * bytes_per_image(make_plan(graph), "shared"),
    )  # fmt: skip
    heard: list[tuple[int, int]] = []
    with heard_by(lambda step, steps: heard.append((step, steps))):
        for images in (3, 2):
            simulate(graph, np.zeros((images, 2), np.float32), simulation)
    assert heard == [(n, 14) for n in range(1, 15)] + [(n, 7) for n in range(1, 8)]
    simulate(graph, np.zeros((2, 2), np.float32), simulation)
    assert len(heard) == 14 + 7
    assert capsys.readouterr().err == ""

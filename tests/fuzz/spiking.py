"""Whether a network that was read spikes as it computes: with a constant current, rates stand for activations."""

from __future__ import annotations

import numpy as np
from brian2 import Hz, ms

from conversion.normalize import normalize
from conversion.plan import make_plan
from conversion.reduce import fold_average_pooling
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import ConstantCurrent
from models.graph import Graph
from models.neurons import signed_integrate_and_fire
from models.onnx_io import predict

STEPS = 400
LARGEST = 1500  # neurons


def spiking_error(graph: Graph) -> float | None:
    """The error of the output after `STEPS` steps, as a share of its range over images; None of what cannot spike.

    Signed neurons bear whatever a network holds. Average pooling is folded, so that an error in folding shows as well.
    The output accumulates, without its activation function.
    """
    images = np.random.default_rng(0).random((4, *graph.input_shape)).astype(np.float32)
    neuron = signed_integrate_and_fire(balanced=True)
    try:
        reduced = fold_average_pooling(graph)
        normalised = normalize(reduced, images, "data")
        plan = make_plan(normalised, signed=True)
        is_linear = graph[plan.populations[-1].name].activation.is_linear
        if not is_linear or sum(population.size for population in plan.populations) > LARGEST:
            return None
        simulation = Simulation(
            neuron=neuron, encoder=ConstantCurrent(1000 * Hz), duration=STEPS * ms, output="accumulating"
        )
        recording = simulate(normalised, images, simulation)
    except ValueError:  # the documented refusals are of this kind
        return None
    wanted = predict(normalised, images)
    got = recording.output_potentials[-1].reshape(wanted.shape) / STEPS
    scale = np.abs(wanted).max()
    return float(np.abs(got - wanted).mean() / scale) if scale > 0 else None

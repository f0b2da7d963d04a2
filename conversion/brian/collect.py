"""From what the counter holds to a recording, in ONNX's order of the neurons."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conversion.brian.network import SpikingNetwork
from conversion.recording import Recording


def make_recording(network: SpikingNetwork, max_rate: float) -> Recording:
    """The recording of all images that a network was shown; `max_rate` in Hz is the rate of the activation 1."""
    counter, simulation = network.counter, network.simulation
    counts, orders = counter.counts, counter.orders
    shapes = {w.population.name: w.population.shape for w in counter.windows}
    names, dt, after = tuple(shapes), float(simulation.dt), simulation.read_after
    totals = np.cumsum(counts.totals, axis=0)[after] / counts.output_counts.shape[1]

    def in_order(values: NDArray, name: str) -> NDArray:
        return values[..., orders[name]].reshape(*values.shape[:-1], *shapes[name])

    return Recording(
        dt=dt,
        duration=simulation.steps * dt,
        max_rate=max_rate,
        times=np.multiply(after + 1, dt, dtype=np.float64),
        output_counts=in_order(counts.output_counts, names[-1]),
        output_potentials=in_order(counts.output_potentials, names[-1]),
        populations=names,
        shapes=shapes,
        spikes=totals[..., 0],
        synops=totals[..., 1],
        spike_counts={name: in_order(c, name).astype(counter.weights.dtype) for name, c in counts.spikes.items()},
        largest_count=float(counter.weights.sum()),
        latency=network.plan.output.depth * dt,
        signed=tuple(w.population.name for w in counter.windows if w.place.signed),
        rasters={name: _raster(np.concatenate(rows), orders[name], dt) for name, rows in counts.rasters.items()},
        traces=counts.traces,
        output_spike_times={k: (in_order(s, names[-1]) + 1) * dt for k, s in counts.output_spike_steps.items()},
        negative_potential={name: in_order(is_so, name) for name, is_so in counts.negative_potential.items()},
    )


def _raster(rows: NDArray[np.int64], order: NDArray[np.int64], dt: float) -> pd.DataFrame:
    image, neuron, step, sign = rows.T
    element = np.argsort(order)[neuron]
    return pd.DataFrame({"image": image, "neuron": element, "time_ms": (step + 1) * dt * 1e3, "sign": sign})

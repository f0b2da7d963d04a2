"""From what the counter holds after each batch to the recording of all images, in ONNX's order of the neurons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from brian2 import Quantity
from numpy.typing import NDArray

from conversion.brian.monitors import Counter
from conversion.brian.network import SpikingNetwork
from conversion.recording import Recording


def results_of(counter: Counter, first_image: int) -> dict[str, Any]:
    """What the counter holds after a batch, with the images of the rasters numbered from the first of all."""
    rasters = {name: np.concatenate([np.empty((0, 4), np.int64), *rows]) for name, rows in counter.rasters.items()}
    for rows in rasters.values():
        rows[:, 0] += first_image
    sizes = {w.population.name: w.population.size for w in counter.windows}
    return {
        "totals": counter.totals,
        "spike_counts": {name: counts.reshape(-1, sizes[name]) for name, counts in counter.counts.items()},
        "output_counts": counter.output_counts,
        "output_potentials": counter.output_potentials,
        "output_spike_steps": {
            k: steps.reshape(counter.n_images, -1) for k, steps in counter.output_spike_steps.items()
        },
        "rasters": rasters,
        "traces": counter.traces,
        "negative_residual": counter.negative_residual,
    }


def make_recording(
    network: SpikingNetwork, batches: list[dict[str, Any]], readouts: NDArray[np.int64], dt: Quantity, max_rate: float
) -> Recording:
    """A recording of the results of all batches, read after the steps `readouts`."""
    windows = network.counter.windows
    names = tuple(w.population.name for w in windows)
    shapes = {w.population.name: w.population.shape for w in windows}
    orders = network.counter.orders
    n_images = sum(batch["output_counts"].shape[1] for batch in batches)
    totals = np.cumsum(sum(batch["totals"] for batch in batches), axis=0)[readouts] / n_images

    def output(key: str) -> NDArray:
        joined = np.concatenate([batch[key] for batch in batches], axis=1)[..., orders[names[-1]]]
        return joined.reshape(*joined.shape[:2], *shapes[names[-1]])

    def per_image(key: str, item: str | int, name: str) -> NDArray:
        joined = np.concatenate([batch[key][item] for batch in batches])[:, orders[name]]
        return joined.reshape(-1, *shapes[name])

    return Recording(
        dt=float(dt),
        duration=(int(readouts[-1]) + 1) * float(dt),
        max_rate=max_rate,
        times=np.multiply(readouts + 1, float(dt), dtype=np.float64),
        output_counts=output("output_counts"),
        output_potentials=output("output_potentials"),
        populations=names,
        shapes=shapes,
        spikes=totals[..., 0],
        synops=totals[..., 1],
        spike_counts={
            name: per_image("spike_counts", name, name).astype(network.counter.weights.dtype) for name in names
        },
        largest_count=float(network.counter.weights.sum()),
        signed=tuple(w.population.name for w in windows if w.place.signed),
        rasters={name: _raster(batches, name, orders[name], float(dt)) for name in network.counter.probe.rasters},
        traces={
            name: np.concatenate([batch["traces"][name] for batch in batches], axis=1)
            for name in network.counter.probe.traces
        },
        output_spike_times={
            k: (per_image("output_spike_steps", k, names[-1]) + 1) * float(dt)
            for k in network.counter.probe.output_spikes
        },
        negative_residual={
            name: per_image("negative_residual", name, name) for name in batches[0]["negative_residual"]
        },
    )


def _raster(batches: list[dict[str, Any]], name: str, order: NDArray[np.int64], dt: float) -> pd.DataFrame:
    image, neuron, step, sign = np.concatenate([batch["rasters"][name] for batch in batches]).T
    element = np.argsort(order)[neuron]
    return pd.DataFrame({"image": image, "neuron": element, "time_ms": (step + 1) * dt * 1e3, "sign": sign})

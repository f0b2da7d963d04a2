"""One network from the inside, and under every normalisation: the figures of `brianize look`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from conversion.options import Scheme
from conversion.plan import make_plan
from conversion.recording import Probe, Recording
from models.graph import INPUT, Array, Conv2d
from models.onnx_io import activations, predict
from studies.declare import Condition, StudyError, parse_study
from studies.draw import (
    SCHEMES,
    channel_shares,
    draw_accuracy_over_time,
    draw_channels,
    draw_confusions,
    draw_energy_and_accuracy,
    draw_membrane_traces,
    draw_pooling_errors,
    draw_raster,
    draw_rates,
    draw_spikes_per_layer,
    firing_rates,
    pooling_errors,
    save,
)
from studies.measure import ann_scores, answers, scores
from studies.run import (
    Job,
    Prepared,
    check_job,
    measure_recording,
    population_activations,
    prepare,
    say_accuracies,
    say_shot_noise,
    simulate_condition,
)

DEFAULTS: Mapping[str, Any] = {"dataset": "digits", "images": 100}
LOOKED_INTO = "data"


def look(
    settings: Mapping[str, Any], folder: Path, *, image: int = 0, here: Path | None = None, data_dir: Path | None = None
) -> list[Path]:
    """Say how noisy the layers of a network will be, simulate it and write the figures of what happens in it.

    Parameters
    ----------
    settings : mapping
        Keys of a `Condition`. Where it names no normalisation, "data" is looked into and all of them are compared.
    folder : Path
        Of the figures; made if it is not there.
    image : int
        The test image of the raster and the membrane traces.
    here : Path, optional
        Where relative paths of networks and datasets start; by default the working directory.

    Raises
    ------
    ValueError
        If a setting, the network or the dataset is not as it must be; before anything is simulated.
    """
    jobs = [Job(c, here or Path.cwd(), data_dir) for c in conditions(settings)]
    images = jobs[0].condition.images
    if not 0 <= image < images:
        raise StudyError(f"image is {image}; it must be a whole number from 0 to {images - 1}: images is {images}")
    for job in jobs:
        check_job(job)
    folder.mkdir(parents=True, exist_ok=True)
    say_accuracies(jobs)
    say_shot_noise(jobs[0])
    return [path for name, figure in _figures(jobs, image).items() for path in save(figure, folder, name)]


def conditions(settings: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The condition of some settings under each normalisation to compare, refused as those of a study are."""
    fixed = {**DEFAULTS, **settings}
    schemes = [fixed.pop("normalization")] if "normalization" in fixed else list(get_args(Scheme))
    content = {"title": "", "question": "", "fixed": fixed, "grid": {"normalization": schemes}}
    return parse_study(content, "look", Path()).conditions


def typical_neuron(activation: Array) -> int:
    """The element of median activation among those above 0; the largest where none is."""
    flat = activation.ravel()
    order = np.argsort(flat, kind="stable")
    active = order[flat[order] > 0]
    return int(active[len(active) // 2] if active.size else order[-1])


def probe_of(prepared: Prepared, c: Condition, image: int) -> Probe:
    """Every spike of every population that spikes, and the potential of a typical neuron of each with a threshold."""
    populations = make_plan(prepared.normalised, signed=True).populations
    silent = {INPUT} if c.encoder == "constant" else set()
    silent |= {populations[-1].name} if c.readout == "potential" else set()
    spiking = [p.name for p in populations if p.name not in silent]
    traced = [p.name for p in populations if p.name in spiking and p.role == "neuron"]
    values = activations(prepared.normalised, prepared.images[image : image + 1], traced)
    return Probe(tuple(spiking), {name: (typical_neuron(values[name]),) for name in traced})


def _figures(jobs: list[Job], image: int) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    tables: dict[str, list[pd.DataFrame]] = {"metrics": [], "layers": []}
    rates: dict[str, dict[str, NDArray[np.float64]]] = {}
    for job in jobs:
        prepared = prepare(job)
        recording = simulate_condition(prepared, prepared.images, job.condition)
        measured = measure_recording(prepared, recording, job.condition)
        for name, parts in tables.items():
            parts.append(measured[name].assign(normalization=job.condition.normalization))
        if len(jobs) == 1 or job.condition.normalization in SCHEMES:
            rates[job.condition.normalization] = _firing_rates(prepared, recording, job.condition)
        if len(jobs) == 1 or job.condition.normalization == LOOKED_INTO:
            figures |= _inside(prepared, recording, job.condition, image)
    shares = channel_shares(_of_convolutions(prepared))
    figures |= {} if shares.empty else {"channels": draw_channels(shares, rates)}
    metrics, layers = (pd.concat(parts, ignore_index=True) for parts in tables.values())
    return figures | {
        "accuracy": draw_accuracy_over_time(metrics),
        "spikes": draw_spikes_per_layer(layers),
        "energy": draw_energy_and_accuracy(metrics),
    }


def _of_convolutions(prepared: Prepared) -> dict[str, Array]:
    """The activations of the convolutions of the network as trained, for the images of the test."""
    names = [layer.name for layer in prepared.graph.layers if isinstance(layer, Conv2d)]
    return activations(prepared.graph, prepared.images, names)


def _firing_rates(prepared: Prepared, recording: Recording, c: Condition) -> dict[str, NDArray[np.float64]]:
    """Of all populations that spike."""
    rates = firing_rates(recording)
    silent = {prepared.graph.output.name} if c.readout == "potential" else set()
    return {name: values for name, values in rates.items() if name not in silent}


def _inside(prepared: Prepared, recording: Recording, c: Condition, image: int) -> dict[str, Figure]:
    """The views of one condition; one image is shown once more, since the spikes of all would not fit into memory."""
    probe = probe_of(prepared, c, image)
    closer = simulate_condition(prepared, prepared.images[image : image + 1], c, probe)
    every = dict(population_activations(prepared, probe.rasters))
    pooled = pooling_errors(prepared.converted, closer)
    figures = {
        "raster": draw_raster(closer),
        "membrane": draw_membrane_traces(closer, probe, 1.0 if c.v_th is None else c.v_th),
        "rates": draw_rates(recording, every),
    }
    figures |= {} if prepared.head else {"confusion": _confusion(prepared, recording, c)}
    return figures | ({} if pooled.empty else {"max_pooling": draw_pooling_errors(pooled)})


def _confusion(prepared: Prepared, recording: Recording, c: Condition) -> Figure:
    final = answers(scores(recording, c.readout, c.readout_k or 1)[-1])
    ann_answers = ann_scores(predict(prepared.graph, prepared.images)).argmax(axis=1)
    return draw_confusions(final, prepared.labels, ann_answers)

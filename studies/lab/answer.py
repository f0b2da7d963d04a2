"""What a spiking network makes of one image, or of the test images, under the settings of the lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from conversion.recording import Probe, Recording
from models.graph import Array
from studies.declare import Condition, StudyError
from studies.lab.settings import Settings, condition_of
from studies.lab.turns import in_turn
from studies.look import probe_of
from studies.measure import answers, scores, unanswered
from studies.run import (
    Job,
    Prepared,
    check_job,
    made_neuron,
    measure_recording,
    population_activations,
    prepare,
    simulate_condition,
)

MEASURED = ("accuracy", "ann_accuracy", "time_to_99_ms", "spikes_per_image", "energy_nj", "ann_energy_nj")


@dataclass(frozen=True, eq=False)
class Answer:
    """One image, what the spiking network does with it, and what the ANN says.

    Parameters
    ----------
    condition : Condition
    prepared : Prepared
        Its test images are this one alone; of one that was drawn there is no label.
    probe : Probe
        Every spike, and a typical neuron of each layer.
    recording : Recording
        With potentials in units of activation, above the rest.
    activations : mapping of str to array, shape (1, *shape)
        Of the normalised ANN, which rates stand for.
    """

    condition: Condition
    prepared: Prepared
    probe: Probe
    recording: Recording
    activations: Mapping[str, Array]

    @property
    def ann(self) -> Array:
        """What the ANN's outputs are in units of the largest rate, shape (classes,)."""
        return self.activations[self.prepared.graph.output.name][0].ravel()


@in_turn
def answer(settings: Settings, image: int | Array = 0) -> Answer:
    """Show one image to the network.

    Parameters
    ----------
    settings : mapping
        Keys of a study; see `studies.lab.settings_of`.
    image : int or array, shape input_shape
        A test image by its number, or another one.

    Raises
    ------
    ValueError
        What a study would say of the settings, or that the image does not fit.
    """
    job = job_of(settings)
    prepared, c = _prepared(job.condition, job.folder), job.condition
    labels = prepared.labels[image : image + 1] if isinstance(image, int) else prepared.labels[:0]
    shown = replace(prepared, images=_chosen(prepared, image), labels=labels)
    probe = probe_of(shown, c, 0)
    recording = simulate_condition(shown, shown.images, c, probe)
    names = recording.populations
    return Answer(c, shown, probe, _in_activations(recording, job), dict(population_activations(shown, names)))


@in_turn
def measure(settings: Settings) -> pd.DataFrame:
    """The table "metrics" that a study of the settings would write: one row per readout time, over its test images.

    Raises
    ------
    ValueError
        As of `answer`.
    """
    job = job_of(settings)
    prepared = _prepared(job.condition, job.folder)
    recording = simulate_condition(prepared, prepared.images, job.condition)
    return measure_recording(prepared, recording, job.condition)["metrics"]


def summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What is left of some tables at the end of the window: a row for each, in the columns `MEASURED`."""
    return pd.DataFrame({name: table.iloc[-1][list(MEASURED)] for name, table in tables.items()}).T


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A summary as texts, under names and units that are read aloud."""
    words = {
        "accuracy": ("accuracy", lambda value: f"{value:.1%}"),
        "ann_accuracy": ("ANN's accuracy", lambda value: f"{value:.1%}"),
        "time_to_99_ms": ("time to 99 % of it", lambda value: f"{value:g} ms" if value == value else "not reached"),
        "spikes_per_image": ("spikes per image", lambda value: f"{value:,.0f}"),
        "energy_nj": ("energy per image", lambda value: f"{value:,.0f} nJ"),
        "ann_energy_nj": ("ANN's energy", lambda value: f"{value:,.0f} nJ"),
    }
    return pd.DataFrame({name: table[column].map(form) for column, (name, form) in words.items()})


def verdict(found: Answer, until_ms: float | None = None) -> str:
    """What both networks say, in a line; the spiking one at a time, by default at the end of its window."""
    recording, c = found.recording, found.condition
    at = _readout(recording, until_ms)
    some, ann = scores(recording, c.readout, c.readout_k or 1)[at], int(found.ann.argmax())
    after = f"After {recording.times[at] * 1e3:g} ms and {recording.spikes[at].sum():,.0f} spikes"
    label = "".join(f" The label is {label}." for label in found.prepared.labels)
    if unanswered(some)[0]:
        hint = " yet" if at < len(recording.times) - 1 else "; a lower threshold, a longer window or matching may help"
        reason = "none speaks more than the others" if some.any() else f"no output neuron has spiked{hint}"
        return f"{after}: no answer, {reason}. The ANN says {ann}.{label}"
    said = " or ".join(map(str, np.flatnonzero(answers(some)[0])))
    return f"{after} the spiking network says {said}, the ANN {ann}.{label}"


def tried(function: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:
    """What a function makes of arguments and no words, or nothing and what it says is wrong, in one line."""
    try:
        return function(*arguments), ""
    except (ValueError, OSError) as error:
        return None, " ".join(str(error).split())
    except Exception as error:  # of a neuron or a network of one's own, whatever it is
        return None, f"{type(error).__name__}: {' '.join(str(error).split())}"


def job_of(settings: Settings) -> Job:
    """The job of settings, whose files lie where the lab was started."""
    return Job(condition_of(settings), Path.cwd())


@lru_cache(maxsize=16)
def _prepared(c: Condition, folder: Path) -> Prepared:
    job = Job(c, folder)
    check_job(job)
    prepared = prepare(job)
    if prepared.head is not None:
        raise StudyError(f"model is {c.model!r}, which finds boxes; the lab shows networks that name classes")
    return prepared


def _chosen(prepared: Prepared, image: int | Array) -> Array:
    if isinstance(image, int):
        if not 0 <= image < len(prepared.images):
            raise StudyError(f"image is {image}; it must be a whole number from 0 to {len(prepared.images) - 1}")
        return prepared.images[image : image + 1]
    shape = prepared.graph.input_shape
    if image.size != np.prod(shape):
        raise StudyError(f"the drawing has shape {image.shape}, but the network reads {shape}; show an image by number")
    return image.reshape(1, *shape)


def _in_activations(recording: Recording, job: Job) -> Recording:
    """The recording with potentials above the rest and in units of activation, whatever unit the equations have."""
    neuron = made_neuron(job)
    start = neuron.initial.get(neuron.potential or neuron.input_variable, "")
    rest, unit = float(neuron.parameters.get(start, 0.0)), float(neuron.input_unit)
    return replace(recording, traces={name: (trace - rest) / unit for name, trace in recording.traces.items()})


def _readout(recording: Recording, until_ms: float | None) -> int:
    """Which readout is the last one until then; the first, if none is."""
    if until_ms is None:
        return len(recording.times) - 1
    return max(0, int(np.searchsorted(recording.times * 1e3, until_ms + 1e-6)) - 1)

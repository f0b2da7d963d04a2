"""One condition, from its files to its rows: load, normalise, simulate, measure. What runs in a worker process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from brian2 import ms
from numpy.typing import NDArray

from conversion.calibrate import calibrate_biases
from conversion.encoding import check_encoder, check_values
from conversion.fold import fold_average_pooling
from conversion.network import Readout, members_of
from conversion.normalize import normalize
from conversion.plan import plan
from conversion.recording import Probe, Recording
from conversion.rescale import equivalent_thresholds, rescale
from conversion.residual import simulate_without_residual
from conversion.simulate import simulate
from conversion.spike_norm import spike_norm
from models.datasets import Dataset, content_hash, load_dataset
from models.encoders import Encoder
from models.graph import INPUT, Array, Graph, Shape
from models.onnx_import import load as load_onnx
from models.onnx_runtime import activations, predict
from studies import energy
from studies.conditions import Condition, StudyError, is_random, readout_steps, require_known
from studies.metrics import layers, metrics
from studies.settings import encoder_of, neuron_of, rheobase, simulation_settings

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "models" / "weights"
Rows = Mapping[str, Mapping[str, list[Any]]]


@dataclass(frozen=True)
class Job:
    """A condition with the places of its files. `folder` is the study's: paths in a study are relative to it."""

    condition: Condition
    folder: Path
    data_dir: Path | None = None


@dataclass(frozen=True, eq=False)
class Prepared:
    """The network of a job, and the test images as it reads them.

    Parameters
    ----------
    graph, normalised, converted : Graph
        The network as trained; as normalised, whose activations the rates stand for; and as it spikes, the same up to
        calibrated biases.
    """

    graph: Graph
    normalised: Graph
    converted: Graph
    images: Array
    labels: NDArray[np.int64]


def check(job: Job) -> None:
    """Raise, before anything is simulated, what is wrong with the files of a job or does not fit together.

    Raises
    ------
    ValueError
        Of the kind of its source: `StudyError`, `OnnxError`, `DatasetError`, `GraphError`, `ConversionError`.
    """
    graph = load_onnx(_model_path(job))
    c = job.condition
    neuron, encoder, (images, labels) = neuron_of(c), encoder_of(c), _test_images(job)
    structure = plan(_with_pooling(graph, c), signed=neuron.is_signed, signed_input=bool(np.any(images < 0)))
    check_encoder(encoder, neuron, structure, c.dt_ms * ms)
    members_of(structure, _engine_readout(c))
    for name, some in ((c.dataset, images), (c.calibration_dataset or c.dataset, _calibration_images(job))):
        fit(some[:1], graph.input_shape)
        _check_values(name, encoder, some)
    classes = int(np.prod(graph.shapes[graph.output.name]))
    if labels.max() >= classes:
        raise StudyError(
            f"dataset {job.condition.dataset!r} has a label {labels.max()}, but the network knows {classes} classes"
        )


def key(job: Job) -> str:
    """What identifies the rows of a job: its condition, the content of its files, and the code that makes them.

    Conditions that differ only by a seed that nothing reads have the same key, and are simulated once.
    """
    names = {name for name in (job.condition.dataset, job.condition.calibration_dataset) if name is not None}
    content = {
        "condition": asdict(job.condition) | ({} if is_random(job.condition) else {"seed": 0}),
        "model": hashlib.sha256(_model_path(job).read_bytes()).hexdigest(),
        "datasets": {name: content_hash(_dataset(job, name)) for name in sorted(names)},
        "code": code_hash(),
        "versions": versions(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=1)
def code_hash() -> str:
    """SHA-256 of the source that turns a condition into rows; a change of it makes earlier rows stale."""
    files = sorted(path for package in ("models", "conversion") for path in (ROOT / package).glob("*.py"))
    files += [ROOT / "studies" / f"{name}.py" for name in ("conditions", "energy", "experiment", "metrics", "settings")]
    return hashlib.sha256(b"".join(path.read_bytes().replace(b"\r\n", b"\n") for path in files)).hexdigest()


def versions() -> Mapping[str, str]:
    """The versions of the libraries that the rows depend on."""
    return {name: version(name) for name in ("brian2", "numpy", "onnxruntime")}


def rows(job: Job) -> Rows:
    """The rows of a condition, by table and column, as plain lists; without the columns that name the condition."""
    prepared = prepare(job)
    recording = simulated(prepared.converted, prepared.images, job.condition)
    tables = measured(prepared, recording, job.condition)
    return {name: table.to_dict("list") for name, table in tables.items()}


def prepare(job: Job) -> Prepared:
    """Load the files of a job, and normalise its network."""
    c = job.condition
    graph, (images, labels) = load_onnx(_model_path(job)), _test_images(job)
    images, calibration = fit(images, graph.input_shape), fit(_calibration_images(job), graph.input_shape)
    normalised = _normalised(_with_pooling(graph, c), calibration, c)
    converted = normalised
    if c.bias_calibration == "mean":
        converted = calibrate_biases(normalised, calibration, **simulation_settings(c))
    return Prepared(graph, normalised, converted, images, labels)


def _normalised(graph: Graph, calibration: Array, c: Condition) -> Graph:
    if c.normalization != "spike":
        return normalize(graph, calibration, c.normalization, c.percentile)
    percentile = 100.0 if c.percentile is None else c.percentile
    table = spike_norm(graph, calibration, percentile=percentile, **simulation_settings(c))
    return rescale(graph, table["scale"].to_dict())


def simulated(converted: Graph, images: Array, c: Condition, probe: Probe | None = None) -> Recording:
    """What a converted network does with images under a condition."""
    steps = np.arange(readout_steps(c), round(c.duration_ms / c.dt_ms) + 1, readout_steps(c))
    stages = {"first_stage": c.residual_ms * ms} if c.residual_ms else {}
    return (simulate_without_residual if stages else simulate)(
        converted,
        images,
        **stages,
        connectivity=c.connectivity,
        readout=_engine_readout(c),
        readout_times=steps * c.dt_ms * ms,
        probe=replace(probe or Probe(), output_spikes=_output_spikes(c)),
        **simulation_settings(c),
    )


def measured(prepared: Prepared, recording: Recording, c: Condition) -> Mapping[str, pd.DataFrame]:
    """The tables "metrics" and "layers" of a recording; without the columns that name the condition."""
    graph, images = prepared.graph, prepared.images
    return {
        "metrics": metrics(
            recording,
            prepared.labels,
            predict(graph, images),
            readout=c.readout,
            readout_k=c.readout_k or 1,
            ann_energy_nj=energy.ann_energy_nj(graph),
            input_energy_nj=energy.input_energy_nj(graph, c.encoder, np.rint(recording.times / recording.dt)),
        ),
        "layers": layers(
            recording,
            lambda name: activation(prepared.normalised, images, name),
            rheobase(c, recording.max_rate),
            _equivalent_thresholds(prepared, c),
        ),
    }


def _equivalent_thresholds(prepared: Prepared, c: Condition) -> Mapping[str, float]:
    trained = _with_pooling(prepared.graph, c)
    return {name: c.v_th * v_th for name, v_th in equivalent_thresholds(trained, prepared.normalised).items()}


def activation(graph: Graph, images: Array, name: str) -> Array:
    """The ANN's activations of a population, shape (N, *shape); those of the input are the images."""
    return images if name == INPUT else activations(graph, images, [name])[name]


def fit(images: Array, input_shape: Shape) -> Array:
    """The images as a network reads them; one that reads vectors gets them flattened, as ONNX's Flatten does.

    Raises
    ------
    StudyError
        If they do not fit.
    """
    if images.shape[1:] == input_shape:
        return images
    if len(input_shape) == 1 and int(np.prod(images.shape[1:])) == input_shape[0]:
        return images.reshape(-1, *input_shape)
    raise StudyError(f"the images have shape {images.shape[1:]}, but the network reads {input_shape}")


def _check_values(dataset: str, encoder: Encoder, images: Array) -> None:
    try:
        check_values(encoder, images)
    except ValueError as error:
        raise StudyError(f"dataset {dataset!r}: {error}") from None


def _with_pooling(graph: Graph, c: Condition) -> Graph:
    return fold_average_pooling(graph) if c.pooling == "folded" else graph


def _engine_readout(c: Condition) -> Readout:
    """The times of output spikes are read where the output counts them."""
    return "potential" if c.readout == "potential" else "count"


def _output_spikes(c: Condition) -> tuple[int, ...]:
    """Each k for which the answer depends on the time of the k-th output spike."""
    return (1,) if c.readout == "first_spike" else (c.readout_k,) if c.readout_k is not None else ()


def _model_path(job: Job) -> Path:
    name = job.condition.model
    if name.endswith(".onnx"):
        return job.folder / name
    require_known("model", name, sorted(path.stem for path in WEIGHTS.glob("*.onnx")))
    return WEIGHTS / f"{name}.onnx"


def _test_images(job: Job) -> tuple[Array, NDArray[np.int64]]:
    data, wanted = _dataset(job, job.condition.dataset), job.condition.images
    if wanted > len(data.x):
        raise StudyError(f"images is {wanted}, but dataset {job.condition.dataset!r} has {len(data.x)}")
    return data.x[:wanted], data.y[:wanted]


def _calibration_images(job: Job) -> Array:
    """The last images of the calibration dataset; those of the test only where nothing but their sign matters."""
    c, wanted = job.condition, job.condition.calibration
    if wanted is None:
        return _dataset(job, c.dataset).x[: c.images]
    name = c.calibration_dataset or c.dataset
    data = _dataset(job, name)
    free = len(data.x) - (c.images if name == c.dataset else 0)
    if wanted > free:
        raise StudyError(
            f"calibration is {wanted}, but dataset {name!r} has {free} images that are not tested; "
            "lower images or calibration, or name another calibration_dataset"
        )
    return data.x[-wanted:]


def _dataset(job: Job, name: str) -> Dataset:
    if not name.endswith(".npz"):
        return _loaded(name, job.data_dir, 0)
    path = job.folder / name
    return _loaded(str(path), job.data_dir, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=2)
def _loaded(name: str, data_dir: Path | None, changed: int) -> Dataset:
    """A dataset, kept for the next condition of the same process until its file changes."""
    return load_dataset(name, data_dir)

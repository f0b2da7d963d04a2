"""The files of a job: its network, its test images and those it is calibrated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.datasets import Dataset, flat, load_dataset
from models.graph import Array, Graph, Shape
from models.onnx_io import content_hash as network_hash
from models.onnx_io import input_shape
from models.onnx_io import load as load_onnx
from models.paths import WEIGHTS
from models.standardisation import Standardisation
from studies.declare import Condition, StudyError, require_known


@dataclass(frozen=True)
class Job:
    """A condition with the places of its files. `folder` is the study's: paths in a study are relative to it.

    On a machine that does not have that folder, `places` says where each file lies that the condition names.
    `predictions` asks for a row per image too.
    """

    condition: Condition
    folder: Path
    data_dir: Path | None = None
    places: Mapping[str, Path] = field(default_factory=dict)
    predictions: bool = False

    def path(self, name: str) -> Path:
        """Where a file lies that the condition names."""
        return self.places.get(name, self.folder / name)


def named_files(job: Job) -> Mapping[str, Path]:
    """The files of a job that do not come with the project or a dataset's name, by what the condition calls them."""
    c = job.condition
    networks = [c.model] if c.model.endswith(".onnx") else []
    datasets = [name for name in (c.dataset, c.calibration_dataset) if name and name.endswith(".npz")]
    named = {name: job.path(name) for name in (*networks, *datasets)}
    path = neuron_file(job)
    return named if path is None else named | {_file_of_place(c.neuron): path}


def neuron_file(job: Job) -> Path | None:
    """The file that makes a job's neurons, where that is one beside the study."""
    name = job.condition.neuron
    return job.path(_file_of_place(name)) if ":" in name else None


def _file_of_place(place: str) -> str:
    return place.rpartition(":")[0]


def has_boxes(job: Job) -> bool:
    """Whether the images of a job show objects in boxes, instead of one class each."""
    return dataset(job, job.condition.dataset).has_boxes


def fit(images: Array, input_shape: Shape) -> Array:
    """The images as a network reads them; one that reads features gets those of one channel flattened.

    Raises
    ------
    StudyError, DatasetError
        If they do not fit.
    """
    if images.shape[1:] == input_shape:
        return images
    if len(input_shape) == 1 and int(np.prod(images.shape[1:])) == input_shape[0]:
        return flat("the dataset", images, input_shape)
    raise StudyError(f"the images have shape {images.shape[1:]}, but the network reads {input_shape}")


def model_path(job: Job) -> Path:
    """The ONNX file of a job's network."""
    name = job.condition.model
    if name.endswith(".onnx"):
        return job.path(name)
    require_known("model", name, sorted(path.stem for path in WEIGHTS.glob("*.onnx")))
    return WEIGHTS / f"{name}.onnx"


def test_images(job: Job) -> tuple[Array, NDArray[Any]]:
    """The images that are tested and what they show."""
    data, wanted = dataset(job, job.condition.dataset), job.condition.images
    if wanted > len(data.x):
        raise StudyError(f"images is {wanted}, but dataset {job.condition.dataset!r} has {len(data.x)}")
    return data.x[:wanted], data.y[:wanted]


def calibration_images(job: Job) -> Array:
    """The last images of the calibration dataset; those of the test only where nothing but their sign matters."""
    c, wanted = job.condition, job.condition.calibration
    if wanted is None:
        return dataset(job, c.dataset).x[: c.images]
    name = c.calibration_dataset or c.dataset
    data = dataset(job, name)
    free = len(data.x) - (c.images if name == c.dataset else 0)
    if wanted > free:
        raise StudyError(
            f"calibration is {wanted}, but dataset {name!r} has {free} images that are not tested; "
            "lower images or calibration, or name another calibration_dataset"
        )
    return data.x[-wanted:]


def network(job: Job) -> Graph:
    """The network of a job, made to read pixels, kept for the next condition of the same process."""
    path = model_path(job)
    return _network(path, network_hash(path), dataset(job, job.condition.dataset).standardisation)


@lru_cache(maxsize=2)
def _network(path: Path, content: str, said: Standardisation) -> Graph:
    return load_onnx(path, standardisation=said)


def dataset(job: Job, name: str) -> Dataset:
    """A dataset by name, or from an npz file beside the study, and what the network reads in the place of its pixels.

    Raises
    ------
    StudyError
        If the calibration dataset says something else of the network than that of the test.
    """
    c, shape = job.condition, input_shape(model_path(job))
    own = Standardisation(c.scale, c.mean, c.std)
    said = own if name == c.dataset else dataset(job, c.dataset).standardisation
    said.affine(shape)
    path = job.path(name) if name.endswith(".npz") else None
    changed = path.stat().st_mtime_ns if path is not None and path.exists() else 0
    data = _loaded(name if path is None else str(path), job.data_dir, changed, shape, said)
    if name != c.dataset and data.standardisation != said:
        raise StudyError(
            f"dataset {name!r} says scale, mean or std of the network, and dataset {c.dataset!r} does not; "
            "say the same in the study"
        )
    return data


@lru_cache(maxsize=2)
def _loaded(name: str, data_dir: Path | None, changed: int, shape: Shape, said: Standardisation) -> Dataset:
    """A dataset, kept for the next condition of the same process until its file changes."""
    data = load_dataset(name, data_dir, shape, said)
    data.standardisation.affine(shape)
    return data

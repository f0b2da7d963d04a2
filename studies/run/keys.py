"""What the rows of a condition come from, and the hash of it that they are stored under."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from models.onnx_io import content_hash as network_hash
from studies.run.code import code_hash
from studies.run.files import Job, dataset, model_path, neuron_file
from studies.run.settings import draws_a_network, is_random

LIBRARIES = ("brian2", "numpy", "onnxruntime", "pycocotools")  # those that the rows depend on


def key_of(job: Job) -> str:
    """What identifies the rows of a job: a hash of all that they come from.

    Conditions that differ only by a seed that nothing reads have the same key, and are simulated once.
    """
    return hashlib.sha256(json.dumps(sources_of(job), sort_keys=True).encode()).hexdigest()


def sources_of(job: Job) -> Mapping[str, Any]:
    """All that the rows of a job come from: its condition, the code, the libraries, and the content of its files."""
    c = job.condition
    path = neuron_file(job)
    names = sorted({name for name in (c.dataset, c.calibration_dataset) if name is not None})
    return {
        "condition": asdict(c) | _without_effect(job),
        "code": code_hash(),
        **{f"version of {name}": version(name) for name in LIBRARIES},
        f"model {c.model!r}": network_hash(model_path(job)),
        **{f"dataset {name!r}": dataset(job, name).content_hash for name in names},
        **({} if path is None else {f"neuron {c.neuron!r}": hashlib.sha256(path.read_bytes()).hexdigest()}),
    }


def _without_effect(job: Job) -> dict[str, Any]:
    """The seeds that nothing reads, as if they were the same."""
    return ({} if is_random(job) else {"seed": 0}) | ({} if draws_a_network(job) else {"network_seed": None})

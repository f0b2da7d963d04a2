"""The files that a study brings along, as bytes for a machine that does not have them; their hashes name them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from models.atomic import write_atomically
from models.onnx_io import files_of
from studies.run.files import Job, named_files

Contents = Mapping[Path, bytes]  # by places relative to a scratch folder


def pack(groups: Iterable[Iterable[Job]]) -> tuple[list[list[Job]], Contents]:
    """The same jobs with their files in a scratch folder, and what has to lie there.

    Returns
    -------
    list of list of Job, mapping of Path to bytes
        The places of the jobs are relative to the scratch folder (see `located`).
    """
    groups = [list(group) for group in groups]
    paths = {path for group in groups for job in group for path in named_files(job).values()}
    parcels = {path: _parcel(path) for path in paths}

    def packed(job: Job) -> Job:
        places = {name: parcels[path][0] for name, path in named_files(job).items()}
        return replace(job, folder=Path(), data_dir=None, places=places)

    contents = {place: content for _, parcel in parcels.values() for place, content in parcel.items()}
    return [[packed(job) for job in group] for group in groups], contents


def unpack(contents: Contents, scratch: Path) -> None:
    """Write what a scratch folder does not have yet."""
    for place, content in contents.items():
        path = scratch / place
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)


def located(job: Job, scratch: Path) -> Job:
    """A packed job with the places of its files in a scratch folder."""
    return replace(job, places={name: scratch / place for name, place in job.places.items()})


def _parcel(path: Path) -> tuple[Path, Contents]:
    """Where a file lies in a scratch folder, and its content and that of the files that it refers to."""
    beside = files_of(path)[1:] if path.suffix == ".onnx" else ()
    files = {file.relative_to(path.parent): file.read_bytes() for file in (path, *beside)}
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name.as_posix()}\0{len(content)}\0".encode() + content)
    folder = Path(digest.hexdigest())
    return folder / path.name, {folder / name: content for name, content in files.items()}

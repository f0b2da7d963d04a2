"""What files hold: the arrays of npz, the IDX format of MNIST, and the records of CIFAR-10's binary version.

Nothing is ever unpickled, and no memory taken for what a file only claims to hold.
"""

from __future__ import annotations

import gzip
import io
import math
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.format import MAGIC_PREFIX, read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray
from PIL import Image

from models.datasets.meaning import DatasetError, Labels, as_labels, of_bytes
from models.graph import Array

CIFAR_RECORD = 1 + 3 * 32 * 32
LARGEST = 4 * 10**9  # bytes of all arrays of a file together
HEADERS = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}


def read_idx(images: Path, labels: Path) -> tuple[Array, Labels]:
    """Images and labels from two IDX files, plain or compressed (.gz)."""
    pixels = _idx(images)
    if pixels.ndim != 3:
        raise DatasetError(f"{images}: x has shape {pixels.shape}; known are images (N, H, W)")
    x = of_bytes(str(images), pixels)
    return x, as_labels(str(labels), _idx(labels), len(x))


def read_cifar(files: Sequence[Path]) -> tuple[Array, Labels]:
    """Records of one byte for the label and 3 x 32 x 32 for the pixels, from files read one after the other."""
    data = b"".join(file.read_bytes() for file in files)
    if not data or len(data) % CIFAR_RECORD:
        raise DatasetError(f"{', '.join(map(str, files))}: {len(data)} bytes are not records of {CIFAR_RECORD}")
    records = np.frombuffer(data, np.uint8).reshape(-1, CIFAR_RECORD)
    return of_bytes(str(files[0]), records[:, 1:].reshape(-1, 3, 32, 32)), records[:, 0].astype(np.int64)


def npz_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file, without pickles and of `LARGEST` bytes at most; raises `DatasetError`."""
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise DatasetError(f"{path} cannot be read as npz without pickles: it is a folder, a pipe or a device, no file")
    try:
        with path.open("rb") as stream:  # opened here, because NumPy leaves a broken zip open
            magic = stream.read(len(MAGIC_PREFIX))
            if magic == MAGIC_PREFIX:
                raise DatasetError(f"{path} is a single array, not an npz file with x and y")
            if magic.startswith(b"PK"):
                _require_sizes(path, stream)
            stream.seek(0)
            file = np.load(stream, allow_pickle=False)
            members = {key: file[key] for key in file.files}
    except DatasetError:
        raise
    except Exception as error:  # a damaged file may raise whatever zip, its compressions and NumPy's headers raise
        raise DatasetError(f"{path} cannot be read as npz without pickles: {_one_line(error)}") from None
    return {key: member for key, member in members.items() if isinstance(member, np.ndarray)}  # others come as bytes


def _one_line(error: Exception) -> str:
    """What an error says, or its type where it says nothing, without line breaks and what is not printable."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _require_sizes(path: Path, stream: BinaryIO) -> None:
    """Raise a `DatasetError` of arrays that no memory holds, a ValueError of one that is larger than its file."""
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if (claimed := sum(member.file_size for member in members)) > LARGEST:
            raise DatasetError(
                f"{path} holds arrays of {claimed} bytes; {LARGEST} is the most possible: save fewer images, or uint8"
            )
        for member in members:
            with archive.open(member) as file:
                is_array = file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX  # others come as bytes
                file.seek(0)
                read_header = HEADERS.get(read_magic(file)) if is_array else None
                shape, _, dtype = read_header(file) if read_header else ((0,), False, np.dtype(np.uint8))
            if not dtype.hasobject and math.prod(shape) * dtype.itemsize > member.file_size:
                raise ValueError(f"{member.filename} says {shape}, but holds {member.file_size} bytes")


def decode_images(path: Path, arrays: Mapping[str, NDArray[Any]]) -> list[Image.Image]:
    """The images of JPEG or PNG bytes `blob` that are cut at `offset`, decoded; raises `DatasetError`."""
    if "offset" not in arrays:
        raise DatasetError(f"{path} has no offset, the places where each image of blob begins and the last one ends")
    try:
        data, offset = arrays["blob"].tobytes(), arrays["offset"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of images so large that they may be meant to fill the memory
            images: list[Image.Image] = [Image.open(io.BytesIO(data[start:stop])) for start, stop in pairwise(offset)]
            for image in images:
                image.load()
    except Exception as error:  # damaged images may raise whatever their formats raise
        raise DatasetError(f"{path}: blob does not hold images: {_one_line(error)}") from None
    if not images:
        raise DatasetError(f"{path}: blob does not hold images: offset {offset.tolist()} cuts out none")
    return images


def stack(path: Path, images: list[Image.Image]) -> NDArray[np.uint8]:
    try:
        return np.stack([np.asarray(image) for image in images])
    except ValueError as error:
        raise DatasetError(
            f"{path}: blob does not hold images of one size: {error}; resize them as those that trained the network"
        ) from None


def _idx(path: Path) -> NDArray[np.uint8]:
    """Two zeros, type 8 (bytes), the number of axes, big-endian sizes, the data."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = stream.read(LARGEST)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None
    start = 4 + 4 * content[3] if len(content) > 3 else 4
    if len(content) < start or content[:3] != b"\x00\x00\x08":
        raise DatasetError(f"{path} is not an IDX file of bytes")
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    if len(content) - start != math.prod(shape):
        raise DatasetError(f"{path} holds {len(content) - start} bytes, but its header says {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)

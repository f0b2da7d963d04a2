"""Files of images, written here byte by byte, and what is said about those that are not sound."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from models.datasets.files import CIFAR_RECORD, read_cifar, read_idx
from models.datasets.meaning import DatasetError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 5, 6), dtype=np.uint8)
COLOURED = np.random.default_rng(1).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
Y = np.array([0, 2, 1, 1])


def idx(array: np.ndarray) -> bytes:
    """Two zeros, 8 for bytes, the number of axes, their sizes as big-endian 32-bit numbers, the bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def refused(read, *words: str) -> None:
    """One line that holds all the words."""
    with pytest.raises(DatasetError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == [], message


# IDX


@pytest.mark.parametrize("compressed", [False, True])
def test_idx(tmp_path: Path, compressed: bool) -> None:
    paths = [tmp_path / f"{name}{'.gz' if compressed else ''}" for name in ("images", "labels")]
    for path, array in zip(paths, (PIXELS, Y.astype(np.uint8)), strict=True):
        path.write_bytes(gzip.compress(idx(array)) if compressed else idx(array))
    x, y = read_idx(*paths)
    np.testing.assert_array_equal(np.rint(x * 255), PIXELS[:, None])
    np.testing.assert_array_equal(y, Y)


SOUND = idx(PIXELS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not an IDX file of bytes"),
        (b"\0\0", "is not an IDX file of bytes"),
        (SOUND[:9], "is not an IDX file of bytes"),
        (b"\0\0\x0d" + SOUND[3:], "is not an IDX file of bytes"),
        (b"\x01" + SOUND[1:], "is not an IDX file of bytes"),
        (SOUND[:-1], "holds 119 bytes, but its header says (4, 5, 6)"),
        (SOUND + b"\0", "holds 121 bytes, but its header says (4, 5, 6)"),
        (SOUND[:4] + struct.pack(">3i", -4, -5, 6) + SOUND[16:], "but its header says (4294967292, 4294967291, 6)"),
        (idx(PIXELS[0]), "x has shape (5, 6)"),
        (idx(PIXELS[:0]), "x has shape (0, 5, 6)"),
    ],
)
def test_idx_that_is_not_sound(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "images").write_bytes(content)
    (tmp_path / "labels").write_bytes(idx(Y.astype(np.uint8)))
    refused(lambda: read_idx(tmp_path / "images", tmp_path / "labels"), str(tmp_path / "images"), words)


@pytest.mark.parametrize(
    "content",
    [SOUND, b"", gzip.compress(SOUND)[:-9], gzip.compress(SOUND)[:40] + b"\xff" * 60],
    ids=["not compressed", "empty", "cut off", "damaged"],  # not its bytes: gzip writes the time of day into them
)
def test_compressed_idx_that_is_not_sound(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    refused(lambda: read_idx(path, path), str(path))


def test_labels_of_another_number_of_images(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(SOUND)
    (tmp_path / "labels").write_bytes(idx(np.zeros(3, np.uint8)))
    refused(lambda: read_idx(tmp_path / "images", tmp_path / "labels"), str(tmp_path / "labels"), "4 images need")
    refused(lambda: read_idx(tmp_path / "images", tmp_path / "none"), str(tmp_path / "none"), "cannot be read")


# CIFAR-10


def test_cifar_records_are_a_label_and_three_planes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels, planes = rng.integers(0, 10, 5, dtype=np.uint8), rng.integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    records = [bytes([label]) + image.tobytes() for label, image in zip(labels, planes, strict=True)]
    files = tmp_path / "data_batch_1.bin", tmp_path / "data_batch_2.bin"
    files[0].write_bytes(b"".join(records[:3]))
    files[1].write_bytes(b"".join(records[3:]))
    x, y = read_cifar(files)
    np.testing.assert_array_equal(np.rint(x * 255), planes)
    np.testing.assert_array_equal(y, labels)


@pytest.mark.parametrize("content", [b"", bytes(CIFAR_RECORD - 1), bytes(CIFAR_RECORD + 1)])
def test_cifar_files_that_are_not_sound(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "test_batch.bin"
    path.write_bytes(content)
    refused(lambda: read_cifar([path]), str(path), f"{len(content)} bytes are not records of 3073")


def test_no_cifar_files_at_all() -> None:
    refused(lambda: read_cifar([]), "0 bytes are not records of 3073")

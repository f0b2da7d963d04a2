"""Files of images, written here byte by byte, and what is said about those that are not sound."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.datasets.files import CIFAR_RECORD, DatasetError, as_images, as_labels, read_cifar, read_idx, read_npz

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 5, 6), dtype=np.uint8)
COLOURED = np.random.default_rng(1).integers(0, 256, (4, 5, 6, 3), dtype=np.uint8)
Y = np.array([0, 2, 1, 1])


def idx(array: np.ndarray) -> bytes:
    """Two zeros, 8 for bytes, the number of axes, their sizes as big-endian 32-bit numbers, the bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def npz(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def refused(read, *words: str) -> None:
    """One line that holds all the words."""
    with pytest.raises(DatasetError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == [], message


# npz


@pytest.mark.parametrize("suffix", [".npz", ".other"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_gives_images_and_labels(tmp_path: Path, save, suffix: str) -> None:
    path = tmp_path / f"images{suffix}"
    with path.open("wb") as file:
        save(file, x=PIXELS, y=Y)
    x, y = read_npz(path)
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_allclose(x, PIXELS[:, None] / 255, rtol=1e-6)


@pytest.mark.parametrize("value", [PIXELS / 255, (PIXELS / 255).astype(np.float16), (PIXELS > 99).astype(np.float32)])
def test_floats_are_taken_as_they_are(tmp_path: Path, value: np.ndarray) -> None:
    x, _ = read_npz(npz(tmp_path / "x.npz", x=value, y=Y))
    np.testing.assert_array_equal(x, value[:, None].astype(np.float32))


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (PIXELS, PIXELS[:, None]),
        (PIXELS[:, None], PIXELS[:, None]),
        (PIXELS[..., None], PIXELS[:, None]),
        (COLOURED, COLOURED.transpose(0, 3, 1, 2)),
        (COLOURED.transpose(0, 3, 1, 2), COLOURED.transpose(0, 3, 1, 2)),
    ],
    ids=["NHW", "N1HW", "NHW1", "NHW3", "N3HW"],
)
def test_layouts(given_: np.ndarray, expected: np.ndarray) -> None:
    x = as_images("some", given_)
    assert x.flags.c_contiguous
    np.testing.assert_array_equal(np.rint(x * 255), expected)


@pytest.mark.parametrize(
    "shape", [(4,), (4, 30), (4, 2, 5, 6), (4, 3, 5, 3), (4, 1, 6, 1), (0, 5, 6), (4, 3, 0, 6), ()]
)
def test_layouts_that_cannot_be_told(shape: tuple[int, ...]) -> None:
    known = "known are (N, H, W), (N, H, W, C) and (N, C, H, W)"
    refused(lambda: as_images("some", np.zeros(shape, np.uint8)), f"some: x has shape {shape}; {known}")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "pixels lie between nan and nan; they must be finite and in [-1, 1]"),
        (np.inf, "between 0.0 and inf"),
        (-np.inf, "between -inf and 0.0"),
        (1.001, "between 0.0 and 1.001"),
        (-1.001, "between -1.001 and 0.0"),
        (255.0, "between 0.0 and 255.0"),
    ],
)
def test_pixels_out_of_range(tmp_path: Path, value: float, words: str) -> None:
    x = np.zeros((4, 5, 6))
    x[2, 3, 4] = value
    refused(lambda: read_npz(npz(tmp_path / "x.npz", x=x, y=Y)), str(tmp_path / "x.npz"), words)


def test_mean_subtracted_pixels_keep_their_sign(tmp_path: Path) -> None:
    x = np.linspace(-1, 1, 4 * 5 * 6).reshape(4, 5, 6)
    read, _ = read_npz(npz(tmp_path / "x.npz", x=x, y=Y))
    np.testing.assert_array_equal(read, x[:, None].astype(np.float32))


@pytest.mark.parametrize("kind", [np.int64, np.uint16, bool, np.complex64])
def test_pixels_of_another_type(kind: type) -> None:
    refused(lambda: as_images("some", PIXELS.astype(kind)), f"some: x has type {np.dtype(kind)}; known are uint8, and")


@pytest.mark.parametrize(
    "y", [Y[:3], Y[:, None], Y.astype(float), Y - 1, Y.astype(str), np.array(3)],
    ids=["too few", "a column", "floats", "from -1", "words", "a number"],
)  # fmt: skip
def test_labels_that_are_no_classes(y: np.ndarray) -> None:
    refused(lambda: as_labels("some", y, 4), f"some: y is {y.dtype} of shape {y.shape}; 4 images need as many classes")


def test_unsigned_labels(tmp_path: Path) -> None:
    _, y = read_npz(npz(tmp_path / "x.npz", x=PIXELS, y=Y.astype(np.uint8)))
    assert y.dtype == np.int64


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": PIXELS}, "has no y; it holds x"),
        ({"images": PIXELS, "y": Y}, "has no x; it holds images, y"),
        ({"a": Y, "b": Y}, "has no x and no y; it holds a, b"),
        ({"blob": np.zeros(9, np.uint8), "y": Y}, "has no x; it holds blob, y"),
    ],
)
def test_npz_with_other_arrays(tmp_path: Path, arrays: dict, words: str) -> None:
    refused(lambda: read_npz(npz(tmp_path / "x.npz", **arrays)), str(tmp_path / "x.npz"), words)


class Trap:
    """Would leave a file behind if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_are_refused_and_never_run(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    trap = np.array([Trap(sprung)], dtype=object)
    inside = npz(tmp_path / "inside.npz", x=trap, y=Y)
    whole = tmp_path / "whole.npz"
    whole.write_bytes(pickle.dumps(trap))
    np.save(tmp_path / "array.npy", trap)
    for path in (inside, whole, tmp_path / "array.npy"):
        refused(lambda path=path: read_npz(path), str(path), "cannot be read as npz without pickles")
    assert not sprung.exists()


def test_a_single_array_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PIXELS)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    refused(lambda: read_npz(tmp_path / "x.npz"), "x.npz is a single array, not an npz file with x and y")


def test_no_such_file(tmp_path: Path) -> None:
    refused(lambda: read_npz(tmp_path / "none.npz"), "none.npz", "No such file")
    refused(lambda: read_npz(tmp_path), str(tmp_path), "cannot be read")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "x.npz"
    np.savez_compressed(path, x=PIXELS, y=Y)
    return path.read_bytes()


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_npz_is_refused_or_reads_the_same(tmp_path_factory, sound: bytes, data) -> None:
    """Cut anywhere, or with any byte changed: never another error, and never other images."""
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    place = data.draw(st.integers(0, len(sound) - 1))
    rest = data.draw(st.sampled_from([b"", bytes([data.draw(st.integers(0, 255))]) + sound[place + 1 :]]))
    path.write_bytes(sound[:place] + rest)
    outcome = images_or_message(path)
    if isinstance(outcome, str):
        assert str(path) in outcome
        assert "\n" not in outcome
    else:
        np.testing.assert_array_equal(np.rint(outcome[0][:, 0] * 255), PIXELS)
        np.testing.assert_array_equal(outcome[1], Y)


def images_or_message(path: Path):
    try:
        return read_npz(path)
    except DatasetError as error:
        return str(error)


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.replace(b"(4,", b"((4,", 1),
        lambda content: content.replace(b"(4,)", b"(x4,)", 1),
        lambda content: content.replace(b"(4,)", b"(9999999999999,)", 1),
        lambda content: content.replace(b"descr", b"d\x1b[2J", 1),
        lambda content: content[:-3],
    ],
    ids=["open", "no number", "no memory holds it", "a command of terminals", "cut short"],
)
def test_headers_that_lie(tmp_path: Path, damage) -> None:
    members = {"x.npy": npy(PIXELS), "y.npy": damage(npy(Y))}
    path = zipped(tmp_path / "x.npz", members)
    assert members["y.npy"] != npy(Y)
    refused(lambda: read_npz(path), f"{path} cannot be read as npz without pickles: ")


def test_a_compression_that_is_damaged(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.npz", {"x.npy": npy(PIXELS), "y.npy": npy(Y)}, zipfile.ZIP_LZMA)
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes(40) + content[100:])
    refused(lambda: read_npz(path), str(path), "cannot be read as npz without pickles")


@pytest.mark.parametrize("name", ["x", "y", "blob"])
def test_members_that_are_no_arrays(tmp_path: Path, name: str) -> None:
    """NumPy hands them over as bytes."""
    arrays = {"x": PIXELS, "y": Y} | ({"offset": Y, "blob": Y} if name == "blob" else {})
    members = {f"{key}.npy": npy(array) for key, array in arrays.items() if key != name}
    path = zipped(tmp_path / "x.npz", {**members, name: b"text"})
    if name == "blob":
        np.testing.assert_array_equal(read_npz(path)[1], Y)
    else:
        refused(lambda: read_npz(path), f"{path} has no {name}; it holds {'y' if name == 'x' else 'x'}")


def png(side: int) -> bytes:
    """A picture in grey that says it is that wide and high."""
    header, body = b"IHDR" + struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0), b"IDAT" + zlib.compress(bytes(99))
    parts = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, body, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("side", [10_000, 60_000, 2**31 - 1])
def test_pictures_that_would_fill_the_memory(tmp_path: Path, side: int) -> None:
    """Pillow warns of some and refuses the others."""
    blob = np.frombuffer(png(side), np.uint8)
    path = npz(tmp_path / "x.npz", blob=blob, offset=np.array([0, blob.size]), y=Y[:1])
    refused(lambda: read_npz(path), f"{path}: blob does not hold images: ", "pixels" if side < 2**31 - 1 else "")


@pytest.mark.parametrize("offset", [np.zeros(0, int), np.zeros(1, int)])
def test_no_pictures_at_all(tmp_path: Path, offset: np.ndarray) -> None:
    path = npz(tmp_path / "x.npz", blob=np.zeros(9, np.uint8), offset=offset, y=Y)
    refused(lambda: read_npz(path), f"{path}: blob does not hold images: offset {offset.tolist()} cuts out none")


# JPEG and PNG bytes in npz


def encoded(images, kind: str) -> dict[str, np.ndarray]:
    """The bytes of all images, one behind the other, and where each begins; the end of the last at the end."""
    parts = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, kind)
        parts.append(buffer.getvalue())
    offset = np.cumsum([0, *map(len, parts)])
    return {"blob": np.frombuffer(b"".join(parts), np.uint8), "offset": offset, "y": Y}


@pytest.mark.parametrize("images", [PIXELS, COLOURED], ids=["grey", "coloured"])
def test_png_bytes_are_the_images(tmp_path: Path, images: np.ndarray) -> None:
    x, y = read_npz(npz(tmp_path / "x.npz", **encoded(images, "PNG")))
    np.testing.assert_array_equal(x, as_images("some", images))
    np.testing.assert_array_equal(y, Y)


def test_jpeg_bytes_are_nearly_the_images(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 4 * 16 * 16 * 3).reshape(4, 16, 16, 3).astype(np.uint8)
    x, _ = read_npz(npz(tmp_path / "x.npz", **encoded(smooth, "JPEG")))
    assert x.shape == (4, 3, 16, 16)
    np.testing.assert_allclose(x, as_images("some", smooth), atol=0.05)


@pytest.mark.parametrize(
    "damage",
    [
        lambda a: a | {"blob": np.zeros_like(a["blob"])},
        lambda a: a | {"blob": a["blob"][:-30]},
        lambda a: a | {"offset": a["offset"] + 7},
        lambda a: a | {"offset": a["offset"][:1]},
        lambda a: a | {"offset": a["offset"].astype(float)},
        lambda a: a | {"offset": a["offset"][:, None]},
        lambda a: encoded([*COLOURED[:3], COLOURED[3, :4]], "PNG"),
    ],
    ids=["zeros", "cut", "shifted", "no image", "floats", "a column", "two sizes"],
)
def test_bytes_that_are_no_images(tmp_path: Path, damage) -> None:
    path = npz(tmp_path / "x.npz", **damage(encoded(COLOURED, "PNG")))
    refused(lambda: read_npz(path), str(path), "blob does not hold images")


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

"""Images and labels out of npz files, by the names and in the forms that people give them."""

from __future__ import annotations

import io
import os
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

from models.datasets.files import LARGEST
from models.datasets.meaning import DatasetError, as_images
from models.datasets.npz import read_npz
from models.standardisation import Standardisation
from tests.models.datasets.test_files import COLOURED, PIXELS, Y, refused


def npz(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".other"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_gives_images_and_labels(tmp_path: Path, save, suffix: str) -> None:
    path = tmp_path / f"images{suffix}"
    with path.open("wb") as file:
        save(file, x=PIXELS, y=Y)
    x, y, _ = read_npz(path)
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_allclose(x, PIXELS[:, None] / 255, rtol=1e-6)


@pytest.mark.parametrize("value", [PIXELS / 255, (PIXELS / 255).astype(np.float16), (PIXELS > 99).astype(np.float32)])
def test_floats_are_taken_as_they_are(tmp_path: Path, value: np.ndarray) -> None:
    x, _, _ = read_npz(npz(tmp_path / "x.npz", x=value, y=Y))
    np.testing.assert_array_equal(x, value[:, None].astype(np.float32))


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
    read, _, _ = read_npz(npz(tmp_path / "x.npz", x=x, y=Y))
    np.testing.assert_array_equal(read, x[:, None].astype(np.float32))


def test_unsigned_labels(tmp_path: Path) -> None:
    _, y, _ = read_npz(npz(tmp_path / "x.npz", x=PIXELS, y=Y.astype(np.uint8)))
    assert y.dtype == np.int64


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": PIXELS}, "has no y; it holds x"),
        ({"pictures": PIXELS, "y": Y}, "has no x; it holds pictures, y: name images x, labels y"),
        ({"a": Y, "b": Y}, "has no x and no y; it holds a, b"),
        ({"blob": np.zeros(9, np.uint8), "y": Y}, "has no offset, the places where each image of blob begins"),
        ({"arr_0": PIXELS, "arr_1": Y}, "has no x and no y; it holds arr_0, arr_1: name images x, labels y"),
        ({"x": PIXELS, "images": PIXELS, "y": Y}, "holds images and x, which may all be the images; keep one of them"),
        ({"x": PIXELS, "y": Y, "y_test": Y}, "holds y and y_test, which may all be the labels; keep one of them"),
    ],
)
def test_npz_with_other_arrays(tmp_path: Path, arrays: dict, words: str) -> None:
    refused(lambda: read_npz(npz(tmp_path / "x.npz", **arrays)), str(tmp_path / "x.npz"), words)


@pytest.mark.parametrize(
    ("images", "labels"),
    [("x", "y"), ("X", "Y"), ("images", "labels"), ("data", "target"), ("data", "targets"), ("x_test", "y_test"),
     ("test_images", "test_labels"), ("features", "label")],
)  # fmt: skip
def test_names_that_people_use(tmp_path: Path, images: str, labels: str) -> None:
    """Beside those of training images, which are no test."""
    others = {"x_train": PIXELS[:2], "y_train": Y[:2], "train_images": PIXELS[:1], "train_labels": Y[:1]}
    x, y, _ = read_npz(npz(tmp_path / "x.npz", **{images: PIXELS, labels: Y}, **others))
    np.testing.assert_array_equal(x, as_images("some", PIXELS))
    np.testing.assert_array_equal(y, Y)


# What the network reads


def test_a_file_says_what_the_network_reads(tmp_path: Path) -> None:
    standardised = (PIXELS / 255 - 0.1307) / 0.3081
    for stored in (PIXELS, PIXELS / 255, standardised):
        x, _, said = read_npz(npz(tmp_path / "x.npz", x=stored, y=Y, mean=0.1307, std=np.array([0.3081])))
        np.testing.assert_allclose(x[:, 0], PIXELS / 255, atol=1e-6)
        assert said == Standardisation(mean=0.1307, std=0.3081)


def test_a_file_and_others_say_the_same(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", x=PIXELS, y=Y, mean=0.1307)
    assert read_npz(path, None, Standardisation(std=0.3))[2] == Standardisation(mean=0.1307, std=0.3)
    words = "mean is 0.5 in one place and 0.1307 in another; keep one"
    refused(lambda: read_npz(path, None, Standardisation(mean=0.5)), str(path), words)
    refused(lambda: read_npz(npz(path, x=PIXELS, y=Y, std=0)), str(path), "std is 0.0; it must be")
    refused(lambda: read_npz(npz(path, x=PIXELS, y=Y, std="wide")), str(path), "neither a number nor a list")


def test_features_that_the_network_reads_as_they_are(tmp_path: Path) -> None:
    """Of reach 2, of reach 10 around 0, and one that never changes: their pixels, and how the network has them back."""
    features = np.array([[1.0, -5.0, 7.0], [3.0, 5.0, 7.0], [2.0, 0.0, 7.0], [2.5, 2.5, 7.0]])
    ends = {"minimum": features.min(0), "maximum": features.max(0)}
    x, _, said = read_npz(npz(tmp_path / "x.npz", x=features, y=Y, **ends), (3,))
    np.testing.assert_allclose(x, [[0, 0, 0], [1, 1, 0], [0.5, 0.5, 0], [0.75, 0.75, 0]], atol=1e-6)
    factor, offset = said.affine((3,))
    np.testing.assert_allclose(x * factor + offset, features, rtol=1e-6)
    some = read_npz(npz(tmp_path / "x.npz", x=features[:, :2] / 10, y=Y, minimum=-1, maximum=1), (2,))[0]
    np.testing.assert_allclose(some, features[:, :2] / 20 + 0.5, rtol=1e-6)
    words = "minimum and maximum go together, and without scale, mean and std"
    wrong = npz(tmp_path / "x.npz", x=features, y=Y, minimum=[0, 1], maximum=[1, 2, 3])
    refused(lambda: read_npz(wrong), str(wrong), "(3,)")
    for more in ({"minimum": 0}, {"minimum": 0, "maximum": 1, "scale": 2}):
        refused(lambda more=more: read_npz(npz(tmp_path / "x.npz", x=features, y=Y, **more)), words)
    low = {"minimum": 0, "maximum": 10}
    refused(
        lambda: read_npz(npz(tmp_path / "x.npz", x=features, y=Y, **low)), "x reaches from -5 to 7", "not in [0, 1]"
    )


# Files that are none


def test_a_bomb_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    """A header that claims terabytes, in an archive that is small."""
    path, header = tmp_path / "x.npz", io.BytesIO()
    claims = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(header, claims)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(99))
    refused(lambda: read_npz(path), str(path), "x.npy says (1000000, 1000000), but holds")


def test_arrays_that_no_memory_holds(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", x=PIXELS, y=Y)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("x.npy").file_size
    directory = content.index(b"PK\x01\x02")
    assert int.from_bytes(content[directory + 24 : directory + 28], "little") == size
    content[directory + 24 : directory + 28] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(content)
    refused(lambda: read_npz(path), str(path), f"{LARGEST} is the most possible: save fewer images, or uint8")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are of Unix")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npz")
    for path in (tmp_path / "x.npz", Path("/dev/zero"), tmp_path):
        refused(lambda path=path: read_npz(path), str(path), "it is a folder, a pipe or a device, no file")


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
    for path in (inside, whole):
        refused(lambda path=path: read_npz(path), str(path), "cannot be read as npz without pickles")
    assert not sprung.exists()


@pytest.mark.parametrize("array", [PIXELS, np.array([Path()], dtype=object)])
def test_a_single_array_is_no_npz(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", array)
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
    x, y, _ = read_npz(npz(tmp_path / "x.npz", **encoded(images, "PNG")))
    np.testing.assert_array_equal(x, as_images("some", images))
    np.testing.assert_array_equal(y, Y)


def test_jpeg_bytes_are_nearly_the_images(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 4 * 16 * 16 * 3).reshape(4, 16, 16, 3).astype(np.uint8)
    x, _, _ = read_npz(npz(tmp_path / "x.npz", **encoded(smooth, "JPEG")))
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


# Photographs with boxes


BOXES = np.array([[[n, 0.1, 0.2, 0.3 + n / 9, 0.4, 0], [-1, 0, 0, 0, 0, 0]] for n in range(4)])


def halves(height: int, width: int) -> np.ndarray:
    """White on the left, black on the right."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = 255
    return image


@pytest.mark.parametrize("shape", [(3, 16, 20), (1, 8, 8)])
def test_photographs_with_boxes_have_the_size_of_the_network(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pictures = [halves(height, width) for height, width in ((30, 60), (448, 300), (16, 20), (9, 10))]
    photographs = encoded(pictures, "PNG") | {"y": BOXES}
    same_size = {"x": np.stack([halves(40, 50)] * 4), "y": BOXES}
    for arrays in (photographs, same_size):
        x, y, _ = read_npz(npz(tmp_path / "x.npz", **arrays), shape)
        assert x.shape == (4, *shape)
        assert np.all(x[..., : shape[2] // 2 - 2] == 1)
        assert np.all(x[..., shape[2] // 2 + 2 :] == 0)
        np.testing.assert_array_equal(y, BOXES.astype(np.float32))


def test_bytes_of_pictures_are_pixels_whatever_the_network_reads(tmp_path: Path) -> None:
    pictures = encoded([halves(8, 8)] * 4, "PNG")
    x, _, said = read_npz(npz(tmp_path / "x.npz", **pictures, minimum=0, maximum=255))
    assert (x.min(), x.max(), said) == (0, 1, Standardisation(scale=255.0, mean=-0.0))


def test_dark_numbers_of_another_size_are_no_bytes_either(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", x=np.stack([halves(40, 50) // 17] * 4), y=BOXES)
    refused(lambda: read_npz(path, (3, 8, 8)), "reaches from 0 to 15", "cannot be told which number is white")


def test_photographs_of_one_class_each_are_not_stretched(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", **encoded([halves(n, 9) for n in (5, 6, 7, 8)], "PNG"))
    refused(lambda: read_npz(path, (3, 8, 8)), "blob does not hold images of one size", "resize them as those that tra")


def test_boxes_of_each_photograph_behind_each_other(tmp_path: Path) -> None:
    arrays = encoded([halves(n, 9) for n in (5, 6, 7, 8)], "PNG") | {"gt_offset": np.arange(5)}
    del arrays["y"]
    _, y, _ = read_npz(npz(tmp_path / "x.npz", **arrays, gt=BOXES[:, 0]))
    np.testing.assert_array_equal(y[:, 0], BOXES[:, 0].astype(np.float32))
    words = "holds gt and y, which may all be the labels"
    refused(lambda: read_npz(npz(tmp_path / "x.npz", **arrays, gt=BOXES[:, 0], y=Y)), words)
    del arrays["gt_offset"]
    refused(lambda: read_npz(npz(tmp_path / "x.npz", **arrays, gt=BOXES[:, 0])), "has no gt_offset, whole numbers")

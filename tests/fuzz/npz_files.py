"""Fuzzing of images in npz files: refused in one line, or the images and labels that NumPy reads from the file."""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.datasets import DatasetError, load_dataset
from models.datasets.npz import IMAGES, LABELS
from models.onnx_io import save
from tests.fuzz import studies
from tests.fuzz.outcome import Outcome, Wrong, outcome_of, pick
from tests.studies.conftest import tiny_network

Rng = np.random.Generator
NAME = "images.npz"
PHOTOGRAPHS = "photos.npz"
RUN_ONE_OF = 12
DTYPES = ("uint8", "int8", "int64", "uint64", "bool", "float16", "float32", "float64", "longdouble", "complex64",
"U3", "S2",
          "object", "M8[s]", ">f4", ">i8", "V3", "i4,f4")  # fmt: skip
NUMBERS = (0, 1, -1, 2, 255, 0.5, 1.0000001, 1e30, 5e-324, float("nan"), float("inf"), -0.0, 2**63 - 1)
STUDY = """title = "Images"\nquestion = "Do they run?"
fixed = {model = "tiny.onnx", dataset = "images.npz", images = 3, calibration = 2, duration_ms = 10,
normalization = "data",
encoder = "constant"}\n""".replace(",\n", ", ")


def make(rng: Rng, folder: Path) -> None:
    """Images in one of the forms that can be read, changed in up to three ways, as a zip that may be damaged."""
    arrays: dict[str, Any] = _jpegs(rng) if rng.random() < 0.3 else _pixels(rng)
    name = NAME
    if "blob" in arrays and rng.random() < 0.5:
        name = PHOTOGRAPHS
        arrays |= {
            "gt": rng.random((4, 6)).astype(np.float32),
            "gt_offset": np.linspace(0, 4, len(arrays["offset"])).astype(int),
        }
    for _ in range(int(pick(rng, [0, 0, 1, 1, 2, 3]))):
        with contextlib.suppress(Exception):  # whatever cannot be done to this array
            pick(rng, MUTATIONS)(arrays, rng)
    content = _zipped(arrays, rng)
    (folder / name).write_bytes(_damaged(content, rng) if rng.random() < 0.2 else content)
    save(tiny_network(), folder / "tiny.onnx")
    (folder / studies.NAME).write_text(STUDY)


def judge(folder: Path) -> Outcome:
    if (folder / PHOTOGRAPHS).exists():
        return outcome_of(_photographs, folder, (DatasetError,), str(folder / PHOTOGRAPHS))
    read = outcome_of(_images, folder, (DatasetError,), str(folder / NAME))
    chosen = zlib.crc32((folder / NAME).read_bytes()) % RUN_ONE_OF == 0
    return outcome_of(studies.runs, folder, (), "") if read.kind == "equal" and chosen else read


def _images(folder: Path) -> str:
    data = load_dataset(str(folder / NAME))
    _require_images(data.x, data.y)
    with np.load(folder / NAME, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    x, y = (next(arrays[name] for name in arrays if name.lower() in known) for known in (IMAGES, LABELS))
    if data.has_boxes:
        return _equal(data.y, y.astype(np.float32))
    if data.y.shape != (len(data.x),) or data.y.dtype != np.int64 or data.y.min() < 0:
        raise Wrong(f"labels {data.y.dtype} {data.y.shape}")
    _equal(data.y, np.argmax(y, 1) if y.ndim == 2 and y.shape[1] > 1 else y.ravel())
    if "blob" in arrays or data.standardisation.said:
        return "equal"
    return _equal(np.sort(data.x.ravel()), np.sort(x.astype(float).ravel()) / (255 if x.dtype.kind in "iu" else 1))


def _equal(read: np.ndarray, wanted: np.ndarray) -> str:
    if read.shape != wanted.shape or not np.allclose(read, wanted, atol=1e-6):
        raise Wrong("other images or labels than in the file")
    return "equal"


def _photographs(folder: Path) -> str:
    data = load_dataset("photos", folder)
    _require_images(data.x, data.y)
    if data.y.ndim != 3 or data.y.shape[2] != 6 or len(data.y) != len(data.x):
        raise Wrong(f"boxes {data.y.shape} of {len(data.x)} photographs")
    if not np.all(np.isfinite(data.y)):
        raise Wrong("boxes that are not finite")
    return "equal"


def _require_images(x: np.ndarray, y: np.ndarray) -> None:
    if x.dtype != np.float32 or len(x) != len(y) or x.ndim not in (2, 4) or not x.size:
        raise Wrong(f"images {x.dtype} {x.shape}")
    if not np.isfinite(x).all() or np.abs(x).max() > 1:
        raise Wrong("pixels out of [-1, 1]")


def _pixels(rng: Rng) -> dict[str, Any]:
    count = int(rng.integers(5, 9))
    shape = pick(rng, [(8, 8), (1, 8, 8), (8, 8, 1), (8, 8), (3, 8, 8), (8, 8, 3), (5, 4)])
    x = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    scaled = pick(rng, [x, x, (x / 255).astype(np.float32), x / 127.5 - 1, (x / 255).astype(np.float16)])
    return {"x": scaled, "y": rng.integers(0, 10, count)}


def _jpegs(rng: Rng) -> dict[str, Any]:
    parts = []
    for _ in range(3):
        pixels = rng.integers(0, 256, pick(rng, [(8, 8), (8, 8, 3), (16, 12, 3)]), dtype=np.uint8)
        mode = pick(rng, ["", "", "", "1", "P", "RGBA", "CMYK", "I;16", "LA"])
        image = Image.fromarray(pixels)
        with contextlib.suppress(Exception):  # of modes that do not go together
            image = image.convert(mode) if mode else image
        buffer = io.BytesIO()
        with contextlib.suppress(Exception):
            image.save(buffer, pick(rng, ["JPEG", "PNG", "PNG", "GIF", "BMP", "TIFF"]))
        parts.append(buffer.getvalue())
    if rng.random() < 0.3:
        parts = parts[:1] * 3
    if rng.random() < 0.1:
        parts[0] = _bomb(int(pick(rng, [20_000, 60_000, 2**31 - 1])))
    offset = np.cumsum([0, *map(len, parts)])
    return {"blob": np.frombuffer(b"".join(parts), np.uint8), "offset": offset, "y": np.array([0, 1, 2])}


def _bomb(side: int) -> bytes:
    """A PNG that says it is that wide and high."""
    header = b"IHDR" + struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0)
    body = b"IDAT" + zlib.compress(bytes(100))
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, body, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _key(arrays: dict[str, Any], rng: Rng) -> None:
    key = pick(rng, list(arrays))
    arrays[pick(rng, ["X", "images", "", "x.npy", "a/b", "ä", "../x", "y", "x", "blob", "offset", "gt", "labels"])] = (
        arrays.pop(key)
    )


def _without(arrays: dict[str, Any], rng: Rng) -> None:
    arrays.pop(pick(rng, list(arrays)))


def _shape(arrays: dict[str, Any], rng: Rng) -> None:
    key = pick(rng, list(arrays))
    shapes = [
        (),
        (0,),
        (1,),
        (5,),
        (5, 1),
        (0, 8, 8),
        (5, 0, 8),
        (5, 64),
        (5, 3, 8, 3),
        (5, 1, 8, 8),
        (5, 2, 2, 2, 2),
        (1, 8, 8),
    ]
    arrays[key] = np.resize(arrays[key], pick(rng, shapes))


def _fewer(arrays: dict[str, Any], rng: Rng) -> None:
    key = pick(rng, list(arrays))
    arrays[key] = pick(
        rng, [arrays[key][:-1], arrays[key][::-1], arrays[key][..., None], arrays[key].T, arrays[key][:0]]
    )


def _dtype(arrays: dict[str, Any], rng: Rng) -> None:
    key = pick(rng, list(arrays))
    with np.errstate(all="ignore"):
        arrays[key] = arrays[key].astype(pick(rng, DTYPES))


def _scale(arrays: dict[str, Any], rng: Rng) -> None:
    key = pick(rng, [key for key in arrays if key in ("x", "y", "offset", "gt", "gt_offset")])
    with np.errstate(all="ignore"):
        arrays[key] = arrays[key] * pick(rng, [255, 2, 1 / 255, -1, 0, 1e30, 1.5, np.float16(1)])


def _number(arrays: dict[str, Any], rng: Rng) -> None:
    key = pick(rng, list(arrays))
    values = arrays[key].copy()
    values.reshape(-1)[int(rng.integers(values.size))] = pick(rng, NUMBERS)
    arrays[key] = values


def _objects(arrays: dict[str, Any], rng: Rng) -> None:
    arrays[pick(rng, [*arrays, "z"])] = np.array(pick(rng, [[None, 1], [{}], ["a", [1]], [print]]), dtype=object)


def _said(arrays: dict[str, Any], rng: Rng) -> None:
    """What the network reads, which may not be what the images are."""
    name = pick(rng, ["scale", "mean", "std", "minimum", "maximum"])
    arrays[name] = np.array(pick(rng, [*NUMBERS, (0.1, 0.2, 0.3), (), "word"]))


def _one_hot(arrays: dict[str, Any], rng: Rng) -> None:
    arrays["y"] = pick(rng, [np.eye(10)[arrays["y"]], arrays["y"][:, None], arrays["y"] * 1.0])


MUTATIONS = (
    _said,
    _one_hot,
    _key,
    _without,
    _shape,
    _shape,
    _fewer,
    _fewer,
    _dtype,
    _dtype,
    _scale,
    _number,
    _number,
    _objects,
)


def _zipped(arrays: dict[str, Any], rng: Rng) -> bytes:
    """As `numpy.savez` does, with headers that may lie, and members that may be of another kind or there twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", pick(rng, [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])) as file:
        for key, values in arrays.items():
            member = io.BytesIO()
            np.save(member, values, allow_pickle=True)
            content = member.getvalue()
            if rng.random() < 0.05:
                content = content.replace(b"(", pick(rng, [b"(99999999999, ", b"(-1, ", b"((", b"(0, ", b"(1e3, "]), 1)
            file.writestr(f"{key}.npy", pick(rng, [*30 * [content], content[:-7], b"", b"text", content + b"more"]))
            if rng.random() < 0.02:
                file.writestr(pick(rng, ["notes.txt", "x", "folder/", "y"]), pick(rng, [b"text", b"", content]))
    return buffer.getvalue()


def _damaged(content: bytes, rng: Rng) -> bytes:
    how, place = rng.random(), int(rng.integers(len(content) + 1))
    if how < 0.3:
        return content[:place]
    if how < 0.8:
        changed = bytearray(content)
        for at in rng.integers(len(content), size=int(rng.integers(1, 6))):
            changed[int(at)] = int(rng.integers(256))
        return bytes(changed)
    return pick(
        rng,
        [b"", b"PK\x05\x06" + bytes(18), content[place:], b"\x93NUMPY\x01\x00", rng.bytes(100), content[:place] * 2],
    )

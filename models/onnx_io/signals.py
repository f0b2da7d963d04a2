"""A signal on its way from one layer to the next, and the error that says which file and which node stops it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.onnx_io.places import Places

Padding = tuple[int, int, int, int]  # top, left, bottom, right
UNPADDED: Padding = (0, 0, 0, 0)
LARGEST = 10**9  # numbers in one array


class OnnxError(ValueError):
    """An ONNX file that cannot become a graph; the message is one line that names the file and the problem."""


@dataclass(frozen=True, eq=False)
class Signal:
    """pad(scale * layer + offset); scale and offset have as many axes as the layer's output, padding is zeros.

    Instead of a padding it may have `places` (`models.onnx_io.places`): the tensor then holds these of its values.
    """

    layer: str
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    padding: Padding = UNPADDED
    places: Places | None = None

    @property
    def is_plain(self) -> bool:
        waits = any(self.padding) or self.places is not None or np.any(self.offset)
        return not waits and bool(np.all(self.scale == 1.0))


def add_paddings(first: Padding, second: Padding) -> Padding:
    """Two paddings, one around the other."""
    return first[0] + second[0], first[1] + second[1], first[2] + second[2], first[3] + second[3]


def require_size(shape: Sequence[int]) -> None:
    """Raise an `OnnxError` about a shape that no memory holds."""
    if math.prod(shape) > LARGEST:
        raise OnnxError(f"shape {tuple(shape)} has {math.prod(shape)} values; {LARGEST} is the most possible")


@contextmanager
def naming(thing: object, *known: type[Exception]) -> Iterator[None]:
    """Make of any exception an `OnnxError` that begins with the name of a thing, a file or a node.

    Those of `known` types say what is wrong by themselves; of others the type is told. Each stays as the `__cause__`.
    """
    try:
        yield
    except Exception as error:  # a file may hold anything, and no list of what its parts raise is complete
        told = "" if isinstance(error, (OnnxError, *known)) else f"cannot be read, {type(error).__name__}: "
        raise OnnxError(f"{thing}: {told}{one_line(error)}") from (error.__cause__ or error)


def one_line(error: Exception) -> str:
    """The text of an error without its line breaks, and with what a terminal would take as a command written out."""
    text = " ".join(str(error).split())
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

"""NIR files, which are HDF5."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import nir

from conversion.plan import ConversionError
from models.atomic import write_atomically

SUFFIX = ".nir"


def save_nir(network: nir.NIRGraph, path: str | Path) -> None:
    """Write a file; it appears whole or not at all."""
    content = BytesIO()
    nir.write(content, network)
    write_atomically(Path(path), content.getvalue())


def load_nir(path: str | Path) -> nir.NIRGraph:
    """Read a file. Shapes are checked later, by `from_nir`: nir 1.0 refuses groups and kernels that are no squares.

    Raises
    ------
    ConversionError
        If it is no NIR file.
    """
    if not Path(path).is_file():
        raise ConversionError(f"there is no file {path}")
    try:
        return nir.read(path, type_check=False)
    except Exception as error:  # whatever HDF5 and nir say of a file that is something else
        raise ConversionError(f"{path} is no NIR file: {type(error).__name__}: {error}") from error

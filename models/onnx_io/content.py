"""Which files hold a network, and what all of them hold together: weights may lie in files beside the ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from models.onnx_io.signals import OnnxError, naming

CHUNK = 1 << 20
LARGEST_FILE = 2**31 - 1  # of Protocol Buffers


def content_hash(path: str | Path) -> str:
    """SHA-256 of everything that `load` reads: the bytes of the file, then those of its external data files.

    Raises
    ------
    OnnxError
        As of `files_of`.
    """
    digest = hashlib.sha256()
    for file in files_of(path):
        with file.open("rb") as content:
            while chunk := content.read(CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def files_of(path: str | Path) -> tuple[Path, ...]:
    """An ONNX file, and in the order of their names the files that its tensors lie in.

    Raises
    ------
    OnnxError
        If the file is missing or no ONNX file, or a file that it names is missing or not in its folder or below.
    """
    path = Path(path)
    with naming(path):
        require_file(path)
        try:
            model = onnx.load_model(path, load_external_data=False)
        except DecodeError:
            raise OnnxError("not an ONNX file, or one that is cut short") from None
        names = sorted({ExternalDataInfo(tensor).location for tensor in _tensors(model) if uses_external_data(tensor)})
        for name in names:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise OnnxError(f"its data lie in {name!r}, outside of its folder; save it with the data beside it")
            if not (path.parent / name).is_file():
                raise OnnxError(f"its data lie in {name!r}, which is no file there; put this file beside it")
        return path, *(path.parent / name for name in names)


def require_file(path: Path) -> None:
    """Raise an `OnnxError` unless there is a file, no pipe that would be waited for, of a size that can be read."""
    if not path.is_file():
        raise OnnxError("this is a folder, a pipe or a device, no file" if path.exists() else "no such file")
    size = path.stat().st_size
    if not size:
        raise OnnxError("the file is empty")
    if size > LARGEST_FILE:
        raise OnnxError(f"the file has {size} bytes; {LARGEST_FILE} is the most possible: save its weights beside it")


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All tensors of a model, those of nodes, graphs within nodes, and functions too."""
    graphs, nodes = [model.graph], [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            yield from (part for sparse in graph.sparse_initializer for part in (sparse.values, sparse.indices))
            nodes += graph.node
        else:
            for attribute in nodes.pop().attribute:
                yield from (attribute.t, *attribute.tensors)
                graphs += [attribute.g, *attribute.graphs]

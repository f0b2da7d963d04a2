"""Which files hold a network, what all of them hold together, and what no file may hold.

Weights may lie in files beside the ONNX file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from models.onnx_io.node import label_of, with_subgraphs
from models.onnx_io.signals import OnnxError, naming

CHUNK = 1 << 20
LARGEST_FILE = 2**31 - 1  # of Protocol Buffers
OLDEST_OPSET = 7  # before it, Add and Mul spread their operands by other rules


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


def require_unique_names(graph: onnx.GraphProto) -> None:
    """Raise an `OnnxError` if two nodes or two tensors are called the same; the checker lets some pass."""
    nodes = Counter(node.name for node in graph.node if node.name)
    tensors = Counter(name for node in graph.node for name in node.output if name)
    tensors.update(tensor.name for tensor in graph.initializer)
    tensors.update({value.name for value in graph.input} - {tensor.name for tensor in graph.initializer})
    for kind, names in (("nodes", nodes), ("tensors", tensors)):
        if twice := [name for name, count in names.items() if count > 1]:
            raise OnnxError(f"two {kind} are called {twice[0]!r}; give each a name of its own, or export again")


def require_parts(model: onnx.ModelProto) -> None:
    """Raise an `OnnxError` about nodes of which ONNX and onnxruntime end the process.

    These are an input left out that has to be there, and a Split of other than as many outputs as parts, all named.
    """
    for part, nodes in ((model, model.graph.node), *((function, function.node) for function in model.functions)):
        for node in with_subgraphs(nodes):
            _require_optional(node, opset_of(part))
            if node.op_type == "Split":
                _require_outputs(node)


def _require_outputs(node: onnx.NodeProto) -> None:
    if not all(node.output):
        raise OnnxError(f"{label_of(node)}: an output has no name; give it one, or export again")
    parts = next((attribute.i for attribute in node.attribute if attribute.name == "num_outputs"), len(node.output))
    if parts != len(node.output):
        raise OnnxError(f"{label_of(node)}: num_outputs is {parts}, but it has {len(node.output)} outputs")


def _require_optional(node: onnx.NodeProto, opset: int) -> None:
    """An `OnnxError` unless each input that a node leaves out is optional; nothing is known of foreign operators."""
    if all(node.input) or not onnx.defs.has(node.op_type, opset, node.domain):
        return
    places = onnx.defs.get_schema(node.op_type, opset, node.domain).inputs
    for place, name in enumerate(node.input):
        known = places[min(place, len(places) - 1)] if places else None
        if not name and known and known.option != onnx.defs.OpSchema.FormalParameterOption.Optional:
            raise OnnxError(f"{label_of(node)}: input {place + 1} is missing")


def opset_of(model: onnx.ModelProto | onnx.FunctionProto) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OLDEST_OPSET)


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

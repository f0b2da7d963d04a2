"""The forward pass of any graph, original or normalised: onnxruntime runs what `models.onnx_io.writing` writes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto

from models.graph import INPUT, Array, Graph, GraphError
from models.onnx_io.signals import OnnxError, one_line
from models.onnx_io.writing import to_onnx

BATCH = 500  # images that onnxruntime gets at once


def predict(graph: Graph, x: Array) -> Array:
    """What the last layer puts out, (N, *shape), for images x (N, *input shape)."""
    return activations(graph, x, [graph.output.name])[graph.output.name]


def activations(graph: Graph, x: Array, layers: Sequence[str] | None = None) -> dict[str, Array]:
    """The activations of layers for all images.

    Parameters
    ----------
    graph : Graph
    x : array (N, *input shape)
    layers : sequence of str, optional
        All layers without it.

    Returns
    -------
    dict of str to array (N, *shape)

    Raises
    ------
    ValueError
        If the images do not have the shape of the network's input.
    KeyError
        If no layer has one of these names.
    """
    if x.shape[1:] != graph.input_shape:
        raise GraphError(f"images of shape {x.shape[1:]} do not fit the network's input {graph.input_shape}")
    names = [layer.name for layer in graph] if layers is None else list(dict.fromkeys(layers))
    result = {name: np.empty((len(x), *graph.shapes[graph[name].name]), np.float32) for name in names}
    session = open_session(to_onnx(graph, names))
    for start in range(0, len(x) if names else 0, BATCH):
        images = np.ascontiguousarray(x[start : start + BATCH], np.float32)
        for name, values in zip(names, session.run(names, {INPUT: images}), strict=True):
            result[name][start : start + BATCH] = values
    return result


def activations_in_turn(
    graph: Graph, x: Array, layers: Sequence[str], memory: float = 5e8
) -> Iterator[tuple[str, Array]]:
    """The activations of one layer after another, in the order of the names, with few passes and little memory.

    One forward pass serves as many layers as fit into `memory` bytes together, at least one.
    """
    names = list(layers)
    while names:
        ends = np.cumsum([4 * len(x) * math.prod(graph.shapes[graph[name].name]) for name in names])
        fitting = max(1, int(np.searchsorted(ends, memory, side="right")))
        together, names = names[:fitting], names[fitting:]
        yield from activations(graph, x, together).items()


def open_session(model: onnx.ModelProto | bytes | str | Path, optimised: bool = True) -> onnxruntime.InferenceSession:
    """A model or a file in onnxruntime, on one thread; without optimising where it only has to be sound."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # studies run points in parallel: the processes share the cores
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised, and that a constant of an unread layer is unused is no news
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def require_runnable(model: onnx.ModelProto | str | Path) -> None:
    """Raise an `OnnxError` if onnxruntime refuses a model or a file, as it does types of tensors that do not fit.

    Some of what it refuses, such as shapes and padding, it finds only when it runs; a single black image shows it.
    """
    try:
        session = open_session(model, optimised=False)
        session.run(None, {given.name: _black(given.type, given.shape) for given in session.get_inputs()})
    except Exception as error:  # its exceptions share no base class
        raise OnnxError(f"onnxruntime refuses the file: {one_line(error)}; export the network again") from error


def _black(kind: str, shape: list[int | str | None]) -> NDArray[Any] | onnxruntime.OrtValue:
    """One black image, or as many as the batch is fixed to, of a type such as "tensor(float)"."""
    name, sizes = kind[len("tensor(") : -1], [size if isinstance(size, int) else 1 for size in shape]
    if name == "bfloat16":  # which NumPy has not
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(np.zeros(sizes, np.uint16), TensorProto.BFLOAT16)
    return np.zeros(sizes, {"float": "float32", "double": "float64"}.get(name, name))

"""The forward pass of any graph, original or normalised: onnxruntime runs what `models.onnx_io.writing` writes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import onnx
import onnxruntime

from models.graph import INPUT, Array, Graph, GraphError
from models.onnx_io.writing import pre_activation, to_onnx

BATCH = 500
THREADS = 1


def predict(graph: Graph, x: Array) -> Array:
    """What the last layer puts out, (N, *shape), for images x (N, *input shape)."""
    return activations(graph, x, [graph.output.name])[graph.output.name]


def activations(
    graph: Graph, x: Array, layers: Sequence[str] | None = None, batch_size: int = BATCH
) -> dict[str, Array]:
    """The activations of layers for all images.

    Parameters
    ----------
    graph : Graph
    x : array (N, *input shape)
    layers : sequence of str, optional
        All layers without it.
    batch_size : int
        Images that onnxruntime gets at once; the result does not depend on it.

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
    names = [layer.name for layer in graph] if layers is None else list(layers)
    return _gather(graph, x, {name: name for name in names}, batch_size)


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


def pre_activations(graph: Graph, x: Array, names: Sequence[str]) -> dict[str, Array]:
    """The values of layers before their activation function: weights times inputs, plus the bias."""
    return _gather(graph, x, {name: pre_activation(graph[name]) for name in names}, BATCH)


def iter_activations(
    graph: Graph, x: Array, layers: Sequence[str], batch_size: int = BATCH
) -> Iterator[dict[str, Array]]:
    """The activations of layers, one batch of images after the other: for results too large for memory."""
    yield from _batches(graph, x, {name: name for name in layers}, batch_size)


def _gather(graph: Graph, x: Array, tensors: dict[str, str], batch_size: int) -> dict[str, Array]:
    result = {name: np.empty((len(x), *graph.shapes[graph[name].name]), np.float32) for name in tensors}
    start = 0
    for batch in _batches(graph, x, tensors, batch_size):
        for name, values in batch.items():
            result[name][start : start + len(values)] = values
        start += len(next(iter(batch.values()), ()))
    return result


def _batches(graph: Graph, x: Array, tensors: dict[str, str], batch_size: int) -> Iterator[dict[str, Array]]:
    """Runs the network batch by batch; `tensors` maps the names in the result to the tensors of the ONNX model."""
    if x.shape[1:] != graph.input_shape:
        raise GraphError(f"images of shape {x.shape[1:]} do not fit the network's input {graph.input_shape}")
    if not tensors:
        return
    session = _session(to_onnx(graph, list(dict.fromkeys(tensors.values()))))
    for start in range(0, len(x), batch_size):
        images = np.ascontiguousarray(x[start : start + batch_size], np.float32)
        values = session.run(list(tensors.values()), {INPUT: images})
        yield dict(zip(tensors, values, strict=True))


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS  # studies run points in parallel: the processes share the cores
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: that a constant of an unread layer is unused is no news
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

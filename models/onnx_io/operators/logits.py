"""What stands behind the logits and leaves the answer as it is: softmax, sigmoid, argmax, labels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from models.graph import Dense
from models.onnx_io.fold import bias_or_none, fold_after
from models.onnx_io.names import free_name
from models.onnx_io.node import BehindLogits, Missing, Node, Rounded, Value
from models.onnx_io.signals import OnnxError, Signal
from models.onnx_io.trace import Trace

DEFAULT_AXES = {"ArgMax": 0, "LogSoftmax": -1, "Softmax": -1}
RESHAPING = ("ArgMax", "ArrayFeatureExtractor", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "ZipMap")
FOLLOWERS = (
    "ArgMax", "ArrayFeatureExtractor", "Cast", "Flatten", "Identity", "Normalizer", "Reshape", "Squeeze", "Unsqueeze",
    "ZipMap",
)  # fmt: skip


def stand_behind_logits(trace: Trace, node: Node) -> Value:
    _require_classes(trace, node, node.signal())
    return BehindLogits(node.signal(), node.operator)


def follow_logits(trace: Trace, node: Node) -> BehindLogits:
    """What a node makes of labels or probabilities.

    Raises
    ------
    OnnxError
        If it does not leave the answer as it is; the largest of labels, or of reshaped probabilities, is none.
    """
    behind = next(value for value in node.inputs if isinstance(value, BehindLogits))
    if node.operator in DEFAULT_AXES and behind.operator in RESHAPING:
        raise OnnxError(
            f"reads what {behind.operator} made, not logits or probabilities; export the network without it"
        )
    if node.operator in FOLLOWERS:
        _require_classes(trace, node, behind.signal)
        _require_numbered(trace, node, behind.signal)
        return replace(behind, operator=node.operator) if node.operator in RESHAPING else behind
    made = _of_sigmoids(trace, node) if behind.operator == "Sigmoid" else None
    if made is None:
        raise OnnxError(f"reads what {behind.operator} made, and {behind.obstacle}")
    return BehindLogits(made, behind.operator)


def _of_sigmoids(trace: Trace, node: Node) -> Signal | None:
    """The logits of 1 - sigmoid(x) = sigmoid(-x), and of several sigmoids side by side."""
    signals = [value.signal for value in node.inputs if isinstance(value, BehindLogits)]
    if node.operator == "Sub" and isinstance(node.inputs[0], np.ndarray) and np.all(node.inputs[0] == 1):
        return replace(signals[0], scale=-signals[0].scale, offset=-signals[0].offset)
    if node.operator != "Concat" or len(signals) != len(node.inputs):
        return None
    rows = [_as_one_layer(trace, signal) for signal in signals]
    whole = [row for row in rows if row is not None and row.inputs == getattr(rows[0], "inputs", None)]
    if len(whole) != len(rows):
        return None
    weight = np.concatenate([row.weight for row in whole])
    bias = np.concatenate([np.zeros(len(row.weight)) if row.bias is None else row.bias for row in whole])
    name = free_name(f"{signals[-1].layer}_classes", trace.shapes)
    return trace.add(replace(whole[0], name=name, weight=weight, bias=bias_or_none(bias)))


def _as_one_layer(trace: Trace, signal: Signal) -> Dense | None:
    """The linear, fully connected layer that computes a signal by itself, if one does."""
    layer = trace.layers.get(signal.layer)
    if not isinstance(layer, Dense) or not layer.activation.is_linear or signal.places is not None:
        return None
    folded = fold_after(layer, signal.scale, signal.offset)
    return folded if isinstance(folded, Dense) else None


def _require_numbered(trace: Trace, node: Node, logits: Signal) -> None:
    """Raise an `OnnxError` where a class bears another number than its logit; it may bear a name."""
    if node.operator not in ("ArrayFeatureExtractor", "ZipMap"):
        return
    classes = node.inputs[0] if node.operator == "ArrayFeatureExtractor" else node.attributes.get("classlabels_int64s")
    if isinstance(classes, BehindLogits | Signal | Rounded | Missing):
        raise OnnxError("picks some of the probabilities; export the network without it")
    labels, count = np.ravel(np.asarray([] if classes is None else classes)), math.prod(trace.shape(logits))
    if labels.dtype.kind in "iuf" and labels.size and not np.array_equal(labels, np.arange(count)):
        shown = ", ".join(f"{label:g}" for label in labels[:12])
        raise OnnxError(
            f"calls the {count} classes {shown}; train with classes 0 to {count - 1}, as the labels of images will be"
        )


def _require_classes(trace: Trace, node: Node, logits: Signal) -> None:
    """Raise an `OnnxError` if a softmax or argmax does not go over the classes, axis 1: features, or the channels."""
    if node.operator not in DEFAULT_AXES:
        return
    shape, older = trace.shape(logits), node.operator != "ArgMax" and node.opset < 13
    if logits.places is not None and math.prod(shape[1:]) > 1:
        raise OnnxError(
            f"reads values of shape {shape} in another order than the layer's; export the network without it"
        )
    axis = node.attributes.get("axis", 1 if older else DEFAULT_AXES[node.operator])
    whole = older and math.prod(shape[1:]) > 1  # it flattens the maps, so that all their values are classes
    if axis % (len(shape) + 1) != 1 or whole:
        more = " and those behind it" * whole
        raise OnnxError(
            f"goes over axis {axis}{more} of {len(shape) + 1}, not only over the classes, axis 1; export the network "
            "without it"
        )

"""ONNX files in and out: read as a graph, written from one, run by onnxruntime.

Most need `load`, `save`, `predict` and `activations`; the rest is for the tailor, which follows a file node by node.
"""

from models.onnx_io.content import content_hash, files_of, opset_of
from models.onnx_io.editing import cut, to_bytes, to_half, without_unread
from models.onnx_io.names import free_name
from models.onnx_io.node import BehindLogits, Missing, Node, Rounded, Value, attributes_of, operator_of
from models.onnx_io.operators import FOLLOWERS, NORMS, QUANTISED, SMOOTH, UNBOUNDED
from models.onnx_io.reading import evaluate, finish, follow, input_shape, load, read
from models.onnx_io.running import activations, activations_in_turn, open_session, predict, require_runnable
from models.onnx_io.signals import OnnxError, Signal, naming, one_line
from models.onnx_io.trace import Trace
from models.onnx_io.writing import save, to_onnx

__all__ = [
    "FOLLOWERS",
    "NORMS",
    "QUANTISED",
    "SMOOTH",
    "UNBOUNDED",
    "BehindLogits",
    "Missing",
    "Node",
    "OnnxError",
    "Rounded",
    "Signal",
    "Trace",
    "Value",
    "activations",
    "activations_in_turn",
    "attributes_of",
    "content_hash",
    "cut",
    "evaluate",
    "files_of",
    "finish",
    "follow",
    "free_name",
    "input_shape",
    "load",
    "naming",
    "one_line",
    "open_session",
    "operator_of",
    "opset_of",
    "predict",
    "read",
    "require_runnable",
    "save",
    "to_bytes",
    "to_half",
    "to_onnx",
    "without_unread",
]

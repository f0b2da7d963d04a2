"""The operators of ONNX: what each does to the layers so far, and advice on those that cannot become spikes."""

from models.onnx_io.operators.activations import UNBOUNDED
from models.onnx_io.operators.constants import evaluate_constants, require_real
from models.onnx_io.operators.shapes import follow_logits
from models.onnx_io.operators.table import ADVICE, LOGITS_FOLLOWERS, NORMS, OPERATORS, QUANTISED, SMOOTH

__all__ = [
    "ADVICE",
    "LOGITS_FOLLOWERS",
    "NORMS",
    "OPERATORS",
    "QUANTISED",
    "SMOOTH",
    "UNBOUNDED",
    "evaluate_constants",
    "follow_logits",
    "require_real",
]

"""The operators of ONNX: what each does to the layers so far, and advice on those that cannot become spikes."""

from models.onnx_io.operators.activations import ROUNDS, UNBOUNDED, clip_rounded
from models.onnx_io.operators.constants import evaluate_constants, require_real
from models.onnx_io.operators.logits import FOLLOWERS, follow_logits
from models.onnx_io.operators.table import ADVICE, NORMS, OPERATORS, QUANTISED, SMOOTH

__all__ = [
    "ADVICE",
    "FOLLOWERS",
    "NORMS",
    "OPERATORS",
    "QUANTISED",
    "ROUNDS",
    "SMOOTH",
    "UNBOUNDED",
    "clip_rounded",
    "evaluate_constants",
    "follow_logits",
    "require_real",
]

"""Which ONNX operator is read by which function, and what to do about those that cannot become spikes."""

from models.onnx_io.operators.activations import UNBOUNDED
from models.onnx_io.operators.table import ADVICE, LOGITS_FOLLOWERS, NORMS, OPERATORS, QUANTISED, SMOOTH

__all__ = ["ADVICE", "LOGITS_FOLLOWERS", "NORMS", "OPERATORS", "QUANTISED", "SMOOTH", "UNBOUNDED"]

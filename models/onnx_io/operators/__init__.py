"""Which ONNX operator is read by which function, and what to do about those that cannot become spikes."""

from models.onnx_io.operators.activations import UNBOUNDED
from models.onnx_io.operators.table import ADVICE, NORMS, OPERATORS, QUANTISED, READOUT_FOLLOWERS, SMOOTH

__all__ = ["ADVICE", "NORMS", "OPERATORS", "QUANTISED", "READOUT_FOLLOWERS", "SMOOTH", "UNBOUNDED"]

"""The tailoring of Cao 2015 as a tool: what in an ONNX file stands in the way of spikes, and exact rewrites."""

from models.tailor.report import report, tailor

__all__ = ["report", "tailor"]

"""The tailoring of Cao 2015 as a tool: what in an ONNX file stands in the way of spikes, and exact rewrites."""

from models.tailor.report import tailor

__all__ = ["tailor"]

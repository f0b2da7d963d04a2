"""Rescale a network so that its activations fit the range of firing rates; shift its biases. Graph -> Graph."""

from conversion.normalize.bias_calibration import calibrate_biases
from conversion.normalize.rescale import balance, equivalent_thresholds, rescale
from conversion.normalize.schemes import normalize
from conversion.normalize.spike_norm import spike_norm

__all__ = ["balance", "calibrate_biases", "equivalent_thresholds", "normalize", "rescale", "spike_norm"]

"""Rescale a network so that its activations fit the range of firing rates; shift its biases. Graph -> Graph."""

from conversion.normalize.bias_calibration import calibrate_biases
from conversion.normalize.fi_matching import FICurve, fi_curve, match_fi
from conversion.normalize.rate_matching import calibrate_matching
from conversion.normalize.scales import equivalent_thresholds, rescale
from conversion.normalize.schemes import normalize
from conversion.normalize.spike_norm import balance_thresholds, lower_thresholds

__all__ = [
    "FICurve",
    "balance_thresholds",
    "calibrate_biases",
    "calibrate_matching",
    "equivalent_thresholds",
    "fi_curve",
    "lower_thresholds",
    "match_fi",
    "normalize",
    "rescale",
]

"""What makes the neurons and synapses of one network differ: diversity, damage and failure."""

from conversion.variability.neurons import factors, vary
from conversion.variability.settings import Variability
from conversion.variability.synapses import unreliable
from conversion.variability.weights import weight_bits, weight_noise

__all__ = ["Variability", "factors", "unreliable", "vary", "weight_bits", "weight_noise"]

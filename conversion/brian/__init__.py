"""Everything that is a Brian2 object: groups, input, projections, monitors, and the network they make."""

from conversion.brian.by_hand import NetworkInHand
from conversion.brian.code_generation import can_compile, heap_frozen
from conversion.brian.collect import make_recording
from conversion.brian.encoding import check_encoder, max_rate
from conversion.brian.network import SpikingNetwork, build, members_of
from conversion.brian.presentation import Batch, run
from conversion.brian.rates import measure_rates
from conversion.brian.standalone import device_network

__all__ = [
    "Batch",
    "NetworkInHand",
    "SpikingNetwork",
    "build",
    "can_compile",
    "check_encoder",
    "device_network",
    "heap_frozen",
    "make_recording",
    "max_rate",
    "measure_rates",
    "members_of",
    "run",
]

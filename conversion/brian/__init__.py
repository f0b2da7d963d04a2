"""Everything that is a Brian2 object: groups, input, projections, monitors, and the network they make."""

from conversion.brian.code_generation import can_compile, choose_target
from conversion.brian.collect import make_recording, results_of
from conversion.brian.encoding import check_encoder, check_values, max_rate
from conversion.brian.monitors import Counter
from conversion.brian.network import Readout, SpikingNetwork, build, members_of
from conversion.brian.presentation import Batch, run
from conversion.brian.standalone import device_network

__all__ = [
    "Batch",
    "Counter",
    "Readout",
    "SpikingNetwork",
    "build",
    "can_compile",
    "check_encoder",
    "check_values",
    "choose_target",
    "device_network",
    "make_recording",
    "max_rate",
    "members_of",
    "results_of",
    "run",
]

"""Spikes between the groups: who sends one in a step, which are on their way, and which pass their synapse."""

from conversion.brian.spikes.chance import Chance, released
from conversion.brian.spikes.events import Cutter, Events
from conversion.brian.spikes.in_flight import InFlight, InputJitter

__all__ = ["Chance", "Cutter", "Events", "InFlight", "InputJitter", "released"]

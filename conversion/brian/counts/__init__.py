"""What is counted of a running network over the window of each population."""

from conversion.brian.counts.counting import Tally
from conversion.brian.counts.monitors import Conductor, Counter, Window, WindowOpener

__all__ = ["Conductor", "Counter", "Tally", "Window", "WindowOpener"]

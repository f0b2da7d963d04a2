"""How fast the engine is: engines side by side, large networks, where a step goes."""

from studies.bench.bench import large_networks, main

__all__ = ["large_networks", "main"]

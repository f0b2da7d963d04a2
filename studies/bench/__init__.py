"""How fast the engine is: engines side by side, large networks, where a step goes."""

from studies.bench.bench import measure_all, measure_large_networks

__all__ = ["measure_all", "measure_large_networks"]

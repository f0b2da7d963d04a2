"""What is done to a network: reduce, normalise, plan, build in Brian2, simulate. Imports `models` only."""

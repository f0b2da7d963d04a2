"""The equations of a Brian2 group as one loop, compiled by numba. Knows Brian2 and numba, and nothing of networks."""

from conversion.compiled.functions import hash_of, randn
from conversion.compiled.loop import GroupLoop

__all__ = ["GroupLoop", "hash_of", "randn"]

"""A built network in the user's hands: one image, step by step, with monitors and edits in between."""

from conversion.brian.by_hand.network import NetworkInHand

__all__ = ["NetworkInHand"]

"""What max pooling and concatenation are made of: neurons that pass spikes on and integrate nothing."""

from __future__ import annotations

from models.neurons import Neuron

RELAY = """
v : 1
wins : 1
"""
SIGNED_RELAY = """
v : 1
wins : 1
above : 1
level : 1
"""


def relay() -> Neuron:
    """Passes a spike on, one step later; what max pooling and concatenation are made of.

    `wins` counts its own spikes, which is what the units of a max-pooling window have to beat.
    """
    return Neuron(
        equations=RELAY, threshold="v > 0.5", reset="v = 0\nwins += 1", source="", initial={"v": "0", "wins": "0"}
    )


def signed_relay() -> Neuron:
    """Passes on positive and negative spikes, each as what it is, one step later.

    Max pooling with shared weights adds to `v` by how much the largest signed count in the window has changed, and
    so does concatenation with every spike that it relays. Max pooling as plain `Synapses` writes `above` and `level`
    instead: how many units of the window have a larger count than `wins`, the largest one so far, and how many have at
    least that. With none left at that level the largest count has fallen.
    """
    return Neuron(
        equations=SIGNED_RELAY,
        threshold="v > 0.5 or above > 0.5",
        reset="v = 0\nwins += 1",
        negative_threshold="v < -0.5 or level < 0.5",
        negative_reset="v = 0\nwins -= 1",
        source="",
        initial={"v": "0", "wins": "0", "above": "0", "level": "1"},
    )

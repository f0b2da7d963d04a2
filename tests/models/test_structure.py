"""Where a network can be negative, worked out by hand for each kind of layer."""

from __future__ import annotations

import numpy as np
import pytest

from models.graph import (
    INPUT,
    LINEAR,
    RELU,
    Activation,
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    Flatten,
    Graph,
    Layer,
    MaxPool2d,
)
from models.structure import negative_senders, possibly_negative
from tests.conversion.networks import conv, pool

SAME = {"padding": (1, 1, 1, 1)}
EVERY_SECOND = np.eye(2, dtype=np.float32)[:, :, None, None]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (conv("x", INPUT, 2, 2, 3, 3, **SAME), True),
        (conv("x", INPUT, 2, 2, 3, 3, activation=LINEAR, **SAME), False),
        (conv("x", INPUT, 2, 2, 3, 3, activation=Activation(0.1), **SAME), False),
        (Conv2d(name="x", inputs=(INPUT,), weight=EVERY_SECOND, activation=LINEAR), True),
        (Conv2d(name="x", inputs=("signed",), weight=EVERY_SECOND, activation=LINEAR), False),
        (Conv2d(name="x", inputs=(INPUT,), weight=EVERY_SECOND, bias=-np.eye(2)[0], activation=LINEAR), False),
        (pool(AvgPool2d, "x", INPUT, (3, 3), (1, 1), **SAME), True),
        (pool(MaxPool2d, "x", "signed", (3, 3), (1, 1), **SAME), False),
        (Add(name="x", inputs=(INPUT, "signed")), False),
        (Add(name="x", inputs=(INPUT, "signed"), activation=RELU), True),
        (Concat(name="x", inputs=(INPUT, "signed")), False),
        (Concat(name="x", inputs=(INPUT, INPUT)), True),
        (Flatten(name="x", inputs=("signed",)), False),
    ],
)
def test_what_can_be_negative(layer: Layer, expected: bool) -> None:
    signed = conv("signed", INPUT, 2, 2, 3, 3, activation=LINEAR, **SAME)
    used = Flatten(name="both", inputs=("x",))
    layers = (signed, layer, used) if "signed" in layer.inputs else (layer, used)
    assert ("x" not in possibly_negative(Graph((2, 4, 4), layers))) is expected


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (conv("x", INPUT, 2, 2, 3, 3, **SAME), True),
        (Conv2d(name="x", inputs=(INPUT,), weight=EVERY_SECOND, activation=LINEAR), False),
        (pool(AvgPool2d, "x", INPUT, (3, 3), (1, 1), **SAME), False),
        (Concat(name="x", inputs=(INPUT, INPUT)), False),
        (Add(name="x", inputs=(INPUT, INPUT), activation=RELU), True),
    ],
)
def test_what_can_be_negative_behind_a_signed_input(layer: Layer, expected: bool) -> None:
    graph = Graph((2, 4, 4), (layer, Flatten(name="both", inputs=("x",))))
    assert ("x" not in possibly_negative(graph, signed_input=True)) is expected


def test_who_sends_negative_values_and_who_reads_them_first():
    """The linear end of a residual path has no neurons, so that only the leaky layer sends anything negative."""
    leaky = conv("leaky", INPUT, 2, 2, 3, 3, activation=Activation(0.1), **SAME)
    linear = conv("linear", "leaky", 2, 2, 3, 3, activation=LINEAR, **SAME)
    output = Add(name="output", inputs=("linear", INPUT))
    found = negative_senders(Graph((2, 4, 4), (leaky, linear, output)))
    assert [(sender.name, reader.name) for sender, reader in found] == [("leaky", "linear")]

"""A neuron model as text: whole Brian2 equations with units, and the paper that it comes from.

A potential of 1 is the activation 1 of the (normalised) network. The engine writes three variables where the
equations declare them: `drive`, the constant current of a bias or of constant-current input, `v_th`, the threshold, and
`alpha`, the slope of the activation function below zero. Write your own `Neuron` the same way; nothing here is special.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from brian2 import Quantity, ms

from models.neurons.check import check, names_in

RANDOM = re.compile(r"\b(randn?|xi\w*|poisson|binomial)\b")  # Brian2's own functions and its noise


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """A spiking neuron in Brian2's language.

    Parameters
    ----------
    equations, threshold, reset : str
        As `brian2.NeuronGroup` takes them.
    input_variable : str
        The variable that a presynaptic spike raises by the synaptic weight.
    input_unit : Quantity or float
        What a weight of 1 adds to it.
    inhibitory_variable : str
        The variable that a negative weight raises instead, by its absolute value; by default the same one falls.
    drive_unit : Quantity or float, optional
        What an activation of 1 adds to `drive` in a second; by default as much as to the input variable.
    background : float
        A constant current on top of the `drive` of every neuron that spikes, in base units of `drive`.
    potential : str
        The variable that is read as the membrane potential; by default the input variable.
    initial : mapping of str to str
        Variables at the start of each image, as Brian2 expressions, evaluated in this order: all but those that the
        engine writes.
    parameters : mapping of str to Quantity
        The constants that the equations name.
    refractory : Quantity
        How long a neuron stays silent after a spike; flag its equations `(unless refractory)`.
    update : str
        Statements that run in every step before the threshold is tested, for what no differential equation says.
    every_step : str
        Statements that run in every step after the resets, such as a lower clamp.
    negative_threshold, negative_reset : str
        When a neuron sends a negative spike, and what that does to it; by default it never does. Both apply to every
        layer, so they have to name `alpha`, which is 0 in layers that are never negative. A refractory period does not
        hold negative spikes back.
    method : str
        Brian2's integration method.
    accumulator : Neuron, optional
        What an output that only accumulates is, if its input comes through other synapses than those of
        `models.neurons.accumulator`.
    source : str
        The paper.

    Raises
    ------
    ValueError
        If its parts do not fit each other; see `models.neurons.check`.
    """

    equations: str
    threshold: str
    reset: str
    source: str
    input_variable: str = "v"
    input_unit: Quantity | float = 1.0
    inhibitory_variable: str = ""
    drive_unit: Quantity | float | None = None
    background: float = 0.0
    potential: str = ""
    initial: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Quantity | float] = field(default_factory=dict)
    refractory: Quantity = field(default_factory=lambda: 0 * ms)
    update: str = ""
    every_step: str = ""
    negative_threshold: str = ""
    negative_reset: str = ""
    method: str = "euler"
    accumulator: Neuron | None = None

    def __post_init__(self) -> None:
        check(self)

    @property
    def current_unit(self) -> Quantity | float:
        """What an activation of 1 adds to `drive` in a second."""
        return self.input_unit if self.drive_unit is None else self.drive_unit

    def without(self, *fields: str) -> Neuron:
        """The neuron without some of its statements, and without the parameters that only those name."""
        names = names_in(self, without=fields)
        changes: dict[str, Any] = dict.fromkeys(fields, "")
        return replace(self, parameters={n: value for n, value in self.parameters.items() if n in names}, **changes)

    @property
    def is_signed(self) -> bool:
        """Whether it can send negative spikes."""
        return bool(self.negative_threshold)

    @property
    def is_random(self) -> bool:
        """Whether its equations or its initial state draw random numbers."""
        texts = (
            self.equations, self.threshold, self.reset, self.update, self.every_step, self.negative_threshold,
            self.negative_reset, *self.initial.values(),
        )  # fmt: skip
        return any(RANDOM.search(text) for text in texts)

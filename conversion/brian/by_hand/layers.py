"""A layer of a network in hand: its neurons and variables in ONNX's shape, and the weights that it receives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from brian2 import Group, Quantity, SpikeGeneratorGroup, Synapses
from brian2.core.variables import ArrayVariable
from brian2.units.fundamentalunits import DIMENSIONLESS, fail_for_dimension_mismatch
from numpy.typing import NDArray

from conversion.brian.code_generation import numpy_for_the_rest
from conversion.brian.projections import Place, SharedProjection, carry
from conversion.plan import ConversionError, Population, Projection, connect, neuron_order
from models.graph import Conv2d, Dense, Shape


class Incoming:
    """The synapses that a layer receives from another.

    Attributes
    ----------
    name, source : str
        Its own name, and that of the layer whose spikes it delivers.
    weights : array or None
        A copy of the layer's weights in ONNX's shape, (out, in) or (out, in / groups, rows, columns); None of pooling
        and the like. What is written into it counts from the next run on.
    synapses : SharedProjection or Synapses
        What runs. The `w` of plain `Synapses` can be edited one by one, and stay so until `weights` are.
    """

    def __init__(
        self, projection: Projection, synapses: SharedProjection | Synapses, source_shape: Shape, target_shape: Shape,
        input_unit: float,
    ) -> None:  # fmt: skip
        self.name, self.source, self.synapses = projection.name, projection.source, synapses
        self._projection, self._shapes, self._input_unit = projection, (source_shape, target_shape), input_unit
        layer = projection.layer
        self.weights = np.array(layer.weight, np.float32) if isinstance(layer, Dense | Conv2d) else None
        self._carried = self.weights if self.weights is None else self.weights.copy()

    def update(self) -> None:
        """Carry the weights, if they were edited."""
        if self.weights is None or self._carried is None or np.array_equal(self.weights, self._carried):
            return
        if self.weights.shape != self._carried.shape or not np.isfinite(self.weights).all():
            needed = f"they must be finite, of shape {self._carried.shape}"
            raise ValueError(f"the weights of {self.name!r} have shape {self.weights.shape}; {needed}")
        self._carried = np.array(self.weights, np.float32)
        layer = replace(self._projection.layer, weight=self._carried)  # type: ignore[call-arg]
        carry(self.synapses, connect(layer, *self._shapes), self._input_unit)


class Layer:
    """A layer of a network in hand. Its variables are its attributes, as arrays of ONNX's shape.

    `layer.v` are the potentials themselves, with their unit: what is written into them, or assigned to `layer.v`, is
    so at once. A text is Brian2's: `layer.v = "rand() * v_th"`.

    Attributes
    ----------
    name : str
    neurons : brian2.Group
        To be recorded from and connected to; their order is that of `coordinates`.
    coordinates : DataFrame
        A row per neuron: its channel, row and column, or its unit.
    projections : mapping of str to Incoming
    counts : array
        Spikes since the layer's window opened, negative ones taken away; under phase coding their weights.
    latency : Quantity
        How long after the image its window opens.
    """

    def __init__(
        self, population: Population, place: Place, projections: Mapping[str, Incoming], counts: NDArray
    ) -> None:
        vars(self).update(
            name=population.name,
            neurons=_neurons(place),
            coordinates=_coordinates(population.shape),
            projections=projections,
            counts=_in_shape(counts, population.shape),
            latency=population.depth * place.group.clock.dt,
            _shape=population.shape,
            _place=place,
        )

    @property
    def weights(self) -> NDArray[np.float32]:
        """Those of its only projection that has some; see `Incoming`."""
        weighted = [p.weights for p in self.projections.values() if p.weights is not None]
        if len(weighted) != 1:
            names = ", ".join(self.projections) or "none; what a constant current brings is its `drive`"
            raise ConversionError(f"{self.name!r} has {len(weighted)} projections with weights; all of them: {names}")
        return weighted[0]

    @property
    def parameters(self) -> dict[str, Any]:
        """The constants that its equations name, shared by all layers of such neurons; edit them between runs."""
        return self._place.group.namespace

    def __getattr__(self, name: str) -> Any:
        variable = self._variable(name)
        values = _in_shape(variable.get_value()[self._place.start : self._place.stop], self._shape)
        return values if variable.dim is DIMENSIONLESS else Quantity(values, dim=variable.dim, copy=False)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "weights":
            self.weights[...] = value
        elif isinstance(value, str):
            with numpy_for_the_rest():
                setattr(self.neurons, self._variable(name).name, value)
        else:
            variable = self._variable(name)
            fail_for_dimension_mismatch(variable, value, f"{self.name}.{name} is {{value}}", value=value)
            getattr(self, name)[...] = Quantity(value, dim=variable.dim)

    def _variable(self, name: str) -> ArrayVariable:
        group = vars(self)["_place"].group
        known = {n: v for n, v in group.variables.items() if isinstance(v, ArrayVariable) and v.size == len(group)}
        known = {n: v for n, v in known.items() if not (n.startswith("_") or v.read_only)}
        if name not in known:
            raise AttributeError(f"{vars(self)['name']!r} has no variable {name!r}; it has {', '.join(sorted(known))}")
        return known[name]


def _neurons(place: Place) -> Group:
    whole = isinstance(place.group, SpikeGeneratorGroup)  # which Brian2 does not slice; it is the input alone
    return place.group if whole else place.group[place.start : place.stop]


def _coordinates(shape: Shape) -> pd.DataFrame:
    elements = np.argsort(neuron_order(shape))  # ONNX's, in the engine's order
    names = ("channel", "row", "column") if len(shape) == 3 else ("unit",)
    return pd.DataFrame(dict(zip(names, np.unravel_index(elements, shape), strict=True)))


def _in_shape(values: NDArray, shape: Shape) -> NDArray:
    """Values in the engine's order as a view in ONNX's shape."""
    if len(shape) == 1:
        return values
    channels, height, width = shape
    return values.reshape(height, width, channels).transpose(2, 0, 1)

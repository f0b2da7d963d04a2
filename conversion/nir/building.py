"""Layers from chains of nodes: one layer where a single chain ends in neurons, and else a junction of all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import nir
import numpy as np
from numpy.typing import NDArray

from conversion.nir.chains import Chain
from conversion.nir.layers import Synapses, as_weights, synapses_of
from conversion.nir.parameters import CLOSE, Parameters
from conversion.plan import ConversionError
from models.graph import INPUT, LINEAR, RELU, Activation, Add, AvgPool2d, Conv2d, Dense, Flatten, Layer, Shape
from models.onnx_io import free_name
from models.structure import per_channel


@dataclass(frozen=True)
class Draft:
    """Layers so far. `names` says which layer each node of neurons is, `lates` how late spikes come, in seconds."""

    area: float
    rate: float
    shapes: dict[str, Shape]
    names: dict[str, str]
    layers: list[Layer] = field(default_factory=list)
    thresholds: dict[str, float] = field(default_factory=dict)
    lates: list[tuple[str, str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, layer: Layer) -> str:
        """Add a layer under its name, or if that is taken or begins with a number, as PyTorch's do, one like it."""
        name = re.sub(r"\W", "_", layer.name)
        name = name if name[:1].isalpha() else f"{type(layer).__name__.lower()}_{name}"
        layer = replace(layer, name=free_name(name, self.shapes))
        self.shapes[layer.name] = layer.output_shape(*(self.shapes[name] for name in layer.inputs))
        self.layers.append(layer)
        return layer.name


def add_neurons(draft: Draft, network: nir.NIRGraph, chains: Sequence[Chain], found: Parameters, v_th: float) -> None:
    """Add the layers that end in a node of neurons whose threshold is to be `v_th`.

    Raises
    ------
    ConversionError
        If a chain is no layer, or a current goes where no bias can be.
    """
    target = chains[0].target
    node = network.nodes[target]
    spikes = bool(np.isfinite(found.v_th).all())
    unit = v_th / found.v_th if spikes else np.ones(1)
    factor = found.gain * unit
    constant = found.current / draft.rate * per_channel(unit, max(1, found.current.ndim)).astype(np.float64)
    activation = RELU if spikes and node.metadata.get("activation") != "linear" else LINEAR
    name = str(node.metadata.get("layer", target))
    ways = [_way(draft, network, chain, found) for chain in chains]
    if len(ways) == 1:
        source, synapses = ways[0]
        last = _only(draft, name, source, synapses, factor, constant, activation, spikes)
    else:
        last = _junction(draft, name, ways, factor, constant, activation)
    draft.names[target] = last
    draft.lates.extend((draft.names[c.source], last, way[1].late) for c, way in zip(chains, ways, strict=True))


def _way(draft: Draft, network: nir.NIRGraph, chain: Chain, found: Parameters) -> tuple[str, Synapses]:
    """The layer that a chain reads, and what the chain does."""
    source = draft.names[chain.source]
    synapses = synapses_of([(name, network.nodes[name]) for name in chain.between], draft.shapes[source])
    if found.tau_s and synapses.bias is not None and np.any(synapses.bias):
        draft.notes.append(f"the bias before {chain.target!r} comes at once, not through its synapse")
    if synapses.flatten is None:
        return source, synapses
    flat = [x.name for x in draft.layers if isinstance(x, Flatten) and x.inputs == (source,)]
    return (flat or [draft.add(Flatten(name=synapses.flatten, inputs=(source,)))])[0], synapses


def _only(
    draft: Draft, name: str, source: str, synapses: Synapses, factor: NDArray, constant: NDArray,
    activation: Activation, spikes: bool,
) -> str:  # fmt: skip
    """The layer of neurons that one chain alone leads to."""
    layer, gain = synapses.layer, factor * synapses.factor
    if isinstance(layer, Conv2d | Dense):
        weighted = _weighted(draft, layer, source, gain, _bias(draft, synapses, factor), constant)
        return draft.add(replace(weighted, activation=activation))
    if np.any(constant):
        raise ConversionError(f"{name!r} has a constant current (v_leak) and no weights before it, so no bias for it")
    if isinstance(layer, AvgPool2d):
        last = draft.add(replace(layer, inputs=(source,)))
        if not np.allclose(gain, 1, rtol=CLOSE):
            draft.thresholds[last] = _threshold(name, gain, spikes)
        return last
    scale = np.asarray(1.0 if layer is None else layer.gain) * gain
    whole = float(scale.flat[0]) if np.ptp(scale) == 0 else scale.astype(np.float32)
    return draft.add(Add(name=name, inputs=(source,), gain=whole, activation=activation))


def _threshold(name: str, gain: NDArray, spikes: bool) -> float:
    if not spikes or np.ptp(gain) > CLOSE * gain.max():
        raise ConversionError(f"the pooling before {name!r} is scaled by {gain.min():g} to {gain.max():g}; give it "
                              "weights, such as a convolution's")  # fmt: skip
    return float(1 / gain[0])


def _junction(
    draft: Draft, name: str, ways: Sequence[tuple[str, Synapses]], factor: NDArray, constant: NDArray,
    activation: Activation,
) -> str:  # fmt: skip
    """The sum of several chains; what brings a constant current is the bias of the first that can have one."""
    inputs = []
    for source, synapses in ways:
        layer, gain = synapses.layer, factor * synapses.factor
        if layer is None and np.all(gain == 1):
            inputs.append(source)
            continue
        if not isinstance(layer, Conv2d | Dense):
            layer = as_weights(layer or Add(name=f"{name}_from_{source}", inputs=()), draft.shapes[source])
        inputs.append(draft.add(_weighted(draft, layer, source, gain, _bias(draft, synapses, factor), constant)))
        constant = 0 * constant
    if np.any(constant):
        raise ConversionError(f"{name!r} has a constant current (v_leak) and no weights before it, so no bias for it")
    return draft.add(Add(name=name, inputs=tuple(inputs), activation=activation))


def _bias(draft: Draft, synapses: Synapses, factor: NDArray) -> NDArray[np.float64]:
    if synapses.bias is None:
        return np.zeros(1)
    return np.asarray(synapses.bias, np.float64) / (draft.area * draft.rate) * factor


def _weighted(
    draft: Draft, layer: Conv2d | Dense, source: str, gain: NDArray, bias: NDArray, constant: NDArray
) -> Conv2d | Dense:
    """The layer with its weights times `gain`, and both currents as its bias, in units of activation."""
    layer = replace(layer, inputs=(source,))
    if not np.all(gain == 1):
        layer = replace(layer, weight=(layer.weight * per_channel(gain, layer.weight.ndim)).astype(np.float32))
    shape = layer.output_shape(draft.shapes[source])
    total = np.broadcast_to(bias.reshape(-1, *(1,) * (len(shape) - 1)) + constant, shape)
    by_channel = total.reshape(shape[0], -1)
    if np.all(by_channel == by_channel[:, :1]):
        total = by_channel[:, 0]
    return replace(layer, bias=total.astype(np.float32) if total.any() else None)


def input_draft(area: float, rate: float, entrance: str, shape: Shape) -> Draft:
    """Nothing but the input, under the name of its node."""
    return Draft(area, rate, {INPUT: shape}, {entrance: INPUT})

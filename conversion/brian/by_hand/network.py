"""The network in hand: the objects that `conversion.simulate.simulate` runs, without those that know its window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from brian2 import BrianObject, Quantity

from conversion.brian.by_hand.layers import Incoming, Layer
from conversion.brian.by_hand.presentation import Presentation
from conversion.brian.code_generation import heap_frozen, interrupts_raise, numpy_for_the_rest
from conversion.brian.network import SpikingNetwork
from conversion.brian.presentation import Batch, begin, set_spikes
from conversion.plan import Population
from conversion.refusals import refused
from conversion.settings import whole_steps
from models.encoders import SpikeTrains
from models.graph import Array


class NetworkInHand:
    """One image at a time on the Brian2 network of a graph; made by `conversion.simulate.to_brian2`.

    Layers have the names of the graph: `network["fc1"]` is a `Layer`, and so is `network["input"]`, the input neurons.
    A population of depth d runs d steps behind the input: its window opens, with the initial state, at its `latency`.

    Attributes
    ----------
    network : brian2.Network
        For all that Brian2 can do; a run of its own does the same as `run`.
    layers : mapping of str to Layer
    """

    def __init__(self, spiking: SpikingNetwork, make_batch: Callable[[Array], Batch]) -> None:
        self.network, self._spiking, self._make_batch = spiking.network, spiking, make_batch
        self.network.remove(spiking.conductor, spiking.counter)
        self._presentation = Presentation(spiking)
        self.network.add(self._presentation)
        populations = [p for p in spiking.plan.populations if p.name in spiking.places]
        self.layers: Mapping[str, Layer] = {p.name: self._layer(p) for p in populations}
        self._presentation.incoming = [p for layer in self.layers.values() for p in layer.projections.values()]

    def _layer(self, population: Population) -> Layer:
        arrows = [(p, synapses) for p, synapses in self._spiking.projections if p.target == population.name]
        shapes = {p.name: p.shape for p in self._spiking.plan.populations}
        place = self._spiking.places[population.name]
        unit = 1.0 if not arrows else float(self._spiking.neurons[place.group.name].input_unit)
        unit *= self._spiking.gains.get(population.name, 1.0)
        incoming = {p.name: Incoming(p, synapses, shapes[p.source], shapes[p.target], unit) for p, synapses in arrows}
        return Layer(population, place, incoming, self._presentation.counts[population.name])

    def __getitem__(self, name: str) -> Layer:
        if name not in self.layers:
            raise KeyError(f"no layer {name!r}; layers are {', '.join(self.layers)}")
        return self.layers[name]

    @property
    def output(self) -> Layer:
        """The last layer: its `counts` are the answer so far, or its potential, if it only accumulates.

        A potential is that after a step, with the spikes that the next one is going to see.
        """
        return self.layers[self._spiking.plan.output.name]

    def show(self, image: Array) -> None:
        """Put an image at the input and every neuron into its initial state; what was counted is forgotten.

        The currents and whatever has an initial value begin anew too, thresholds among them; edited weights stay.

        Parameters
        ----------
        image : array, shape graph.input_shape

        Raises
        ------
        ValueError
            If it does not fit the network or its encoder.
        """
        batch = self._make_batch(np.asarray(image))
        with numpy_for_the_rest(), refused("put the neurons into their initial state"):
            begin(self._spiking, batch)
        if isinstance(self._spiking.simulation.encoder, SpikeTrains):
            set_spikes(self._spiking, [batch.values], round(float(self.network.t / self._spiking.clock.dt)))
        self._presentation.restart()

    def run(self, duration: Quantity) -> None:
        """Go on with the image that is shown, as often as you like.

        Parameters
        ----------
        duration : Quantity
            Whole steps.

        Raises
        ------
        ValueError
            If no image is shown, the duration is not in whole steps, weights do not fit, or an object that was added
            would see a step half done.
        """
        whole_steps("duration", duration, self._spiking.clock.dt)
        if self._presentation.k < 0:
            raise ValueError("no image is shown yet; call show(image) first")
        self._presentation.prepare()
        with refused("run the network"), _as_simulated():
            self.network.run(duration, namespace={})

    def add(self, *objects: BrianObject) -> None:
        """Let Brian2 objects of your own run with the network: monitors, input, `run_regularly`, other groups.

        Names in code for a layer are those of its `parameters`; a group of your own has its `namespace`.
        """
        self.network.add(*objects)


@contextmanager
def _as_simulated() -> Iterator[None]:
    # Brian2 compares float32 potentials with 1e50 after an exact update
    with numpy_for_the_rest(), interrupts_raise(), heap_frozen(), np.errstate(over="ignore"):
        yield

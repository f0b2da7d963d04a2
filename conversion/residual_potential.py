"""Removal of residual potentials: neurons that spiked without cause are silenced, and the network begins anew.

Spikes arrive unevenly, so a neuron can spike on early excitation although all that it receives adds up to less than
nothing; its potential then is left negative, and those spikes cannot be taken back. Hao, Bu, Ding, Huang, Yu, "Reducing
ANN-SNN conversion error through residual membrane potential", AAAI 2023, therefore simulate twice: after a first stage
of some steps every neuron with a negative residual potential is forbidden to spike, potentials start again, and the
answer is that of the second stage.

Taken from the paper: the two stages, the rule (the potential after the first stage is below 0), the new start, and that
the output is spared, which there only accumulates. There both stages begin at half a threshold, here where `v_init` of
the neuron says, and the authors' program also silences a neuron that is left at exactly 0. Ours: neurons of pooling
layers and junctions are judged like any other; the second stage has the input spikes that the seed gives without a
first stage, and the first stage has others; and what the first stage takes in time, spikes and operations is part of
the bill.

The first stage has to be long enough for potentials to tell the sign of the input: one that is shorter than the first
spikes need to come through silences neurons that are right. The paper takes 4 to 14 steps, for networks that were
trained for activations of a few levels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from brian2 import Quantity

from conversion.plan import ConversionError
from conversion.recording import Probe, Recording
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.graph import Array, Graph


def simulate_in_two_stages(graph: Graph, images: Array, simulation: Simulation, first_stage: Quantity) -> Recording:
    """Simulate a network on images in two stages, the second one without the neurons that the first one leaves below 0.

    Parameters
    ----------
    graph, images
        As of `conversion.simulate`.
    simulation : Simulation
        Of the second stage, and but for its window of the first. The neuron is non-leaky with reset by subtraction, so
        that its potential is what it received less what it sent; no spike trains, which would need two.
    first_stage : Quantity
        Window of the first stage.

    Returns
    -------
    Recording
        Of the second stage. Its `times` and `output_spike_times` count from the start of the first stage, and its
        totals of spikes and synaptic operations include those of the first stage.

    Raises
    ------
    ValueError
        On what `simulate` refuses; on signed neurons, for which a negative potential is nothing wrong; on phase coding
        and spike trains.
    """
    encoder = simulation.encoder
    if simulation.neuron.is_signed or not (encoder.repeats and encoder.spikes_alike):
        raise ConversionError(
            "removal of residual potentials needs neurons of positive spikes and an input that can be shown twice, not "
            f"{'signed neurons' if simulation.neuron.is_signed else type(encoder).__name__}"
        )
    alone = replace(
        simulation, duration=first_stage, read_at=first_stage, probe=Probe(residual_potential=True),
        seed=_first_seed(simulation.seed),
    )  # fmt: skip
    first = simulate(graph, images, alone)
    silent = {name: negative for name, negative in first.negative_potential.items() if name != first.populations[-1]}
    return _joined(first, simulate(graph, images, simulation, silent=silent))


def _first_seed(seed: int) -> int:
    return int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])


def _joined(first: Recording, second: Recording) -> Recording:
    return replace(
        second,
        times=second.times + first.duration,
        evaluated_from=first.duration,
        spikes=second.spikes + first.spikes[-1],
        synops=second.synops + first.synops[-1],
        output_spike_times={k: times + first.duration for k, times in second.output_spike_times.items()},
    )

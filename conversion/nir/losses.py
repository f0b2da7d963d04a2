"""What NIR has no word for, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conversion.plan import ConversionError
from conversion.settings import Simulation


@dataclass(frozen=True)
class Loss:
    """Something that is not in a file, and what can be there in its place."""

    what: str
    remedy: str


def refuse(lost: Sequence[Loss]) -> None:
    """Raise `ConversionError` with all that would be lost, if anything is."""
    if lost:
        listed = "; ".join(f"{loss.what} ({loss.remedy})" for loss in lost)
        raise ConversionError(f"NIR cannot say: {listed}; `lossy` (--lossy) writes the network without")


def losses_of(simulation: Simulation) -> Iterator[Loss]:
    """What of the settings of a simulation is lost, its neuron apart."""
    varied, delays = simulation.variability, simulation.delays
    if simulation.half_threshold_offset:
        yield Loss("an offset of half a threshold in a window", "leave it out: a file has no window")
    if varied.varied or varied.dead_share or not varied.spares_synapses:
        yield Loss("variability of neurons and synapses", "leave it out")
    if float(delays.sd) or float(delays.jitter):
        yield Loss("delays that are drawn", "leave out their sd and the jitter")
    if simulation.encoder.phase_period is not None:
        yield Loss("the weights of phase-coded spikes", "use a rate code, such as Poisson")

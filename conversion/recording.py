"""What a simulation leaves behind: plain arrays in ONNX's order of the neurons, in files and as xarray has them too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.graph import INPUT, Shape
from models.text import describe_shape

KEYS: Mapping[str, type] = {"output_spike_times": int}  # of mappings in a file, where they are no names


@dataclass(frozen=True)
class Probe:
    """What to record beside the counts, for every image.

    Parameters
    ----------
    rasters : tuple of str
        Populations of which every spike is kept.
    traces : mapping of str to tuple of int
        Neurons (elements of the layer's flattened output) whose potential is kept in every step.
    output_spikes : tuple of int
        Each k for which the time of the k-th positive spike of every output neuron is kept; 1 for the first.
    residual_potential : bool
        Whether to keep which neurons end their window with a negative potential.
    weighted_input : callable, optional
        It is called in every step of the window with what the output neurons receive in this step alone, an array
        (n_images, size) in the engine's order that is not to be kept. Only with neurons that accumulate, which are
        emptied after each step: `output_potentials` then holds the input of the step of each readout.
    """

    rasters: tuple[str, ...] = ()
    traces: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    output_spikes: tuple[int, ...] = ()
    residual_potential: bool = False
    weighted_input: Callable[[NDArray[np.float32]], None] | None = None


def check_probe(probe: Probe, sizes: Mapping[str, int], accumulates: bool = True) -> None:
    """Raise a `ValueError` unless a probe names recorded populations, of these sizes, and neurons that they have.

    The weighted input can be had only if the output `accumulates`.
    """
    if probe.weighted_input is not None and not accumulates:
        raise ValueError("the probe asks for the weighted input of an output that spikes; let it accumulate")
    for name in (*probe.rasters, *probe.traces):
        if name not in sizes:
            raise ValueError(f"the probe names {name!r}; recorded are {', '.join(sizes)}")
    if INPUT in probe.traces:
        raise ValueError(f"the probe traces {INPUT!r}, whose spikes come from no potential")
    for name, chosen in probe.traces.items():
        for neuron in chosen:
            if not 0 <= neuron < sizes[name]:
                raise ValueError(
                    f"the probe traces neuron {neuron} of {name!r}, which has neurons 0 to {sizes[name] - 1}"
                )


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """Spikes and potentials of N images over a window of T steps.

    Every population is read over its own window, which opens `depth` steps after the input's, so that index k means
    the same thing for all: what a network without delays does in step k. Where a count of a neuron's spikes stands for
    its activity, a spike counts as much as it carries: 1, or under phase coding the weight of its phase, and a negative
    spike takes as much away.

    Parameters
    ----------
    dt, duration : float
        Seconds.
    max_rate : float
        The firing rate in Hz that stands for the activation 1; under phase coding the sum of weights per second.
    times : array, shape (R,)
        Readout times in seconds: the output and the totals are kept after this much of the window.
    output_counts, output_potentials : array, shape (R, N, *output_shape)
        Counts so far, and potentials in units of activation, of the output population.
    evaluated_from : float
        The time in seconds from which both grow, on the clock of `times`; see `delay_evaluation`.
    populations : tuple of str
        "input" first (absent under constant current), the output last.
    shapes : mapping of str to tuple
        ONNX's shape of each.
    spikes, synops : array, shape (R, P)
        Spikes of both signs so far, and the synapses they reached (exactly, borders included), per image.
    spike_counts : mapping of str to array, shape (N, *shape)
        Count of each neuron over the whole window.
    largest_count : float
        That of a neuron which spikes in every step.
    latency : float
        The time in seconds from the image's appearance to the opening of the output's window: the delays on the
        longest path, and a step for each layer. What is read at a time of `times` is there so much later.
    signed : tuple of str
        The populations that also send negative spikes.
    rasters : mapping of str to DataFrame
        Columns image, neuron, time_ms, sign (1 or -1), for the populations that a `Probe` names.
    traces : mapping of str to array, shape (T, N, n_chosen)
        Potentials in the equations' base units, after the reset of each step.
    output_spike_times : mapping of int to array, shape (N, *output_shape)
        For each k that a `Probe` names the time in seconds of the k-th positive spike of each output neuron, whatever
        it carries; infinity if there were fewer.
    negative_potential : mapping of str to array, shape (N, *shape)
        If a `Probe` asks for it, whether each neuron with a threshold has a potential below 0 after its last step.
    """

    dt: float
    duration: float
    max_rate: float
    times: NDArray[np.float64]
    output_counts: NDArray
    output_potentials: NDArray[np.float32]
    populations: tuple[str, ...]
    shapes: Mapping[str, Shape]
    spikes: NDArray[np.float64]
    synops: NDArray[np.float64]
    spike_counts: Mapping[str, NDArray]
    largest_count: float
    evaluated_from: float = 0.0
    latency: float = 0.0
    signed: tuple[str, ...] = ()
    rasters: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    traces: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    output_spike_times: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    negative_potential: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def steps(self) -> NDArray[np.int64]:
        """`times` in steps."""
        return np.rint(self.times / self.dt).astype(np.int64)

    def smallest_count(self, name: str) -> float:
        """The count of a neuron of a population that sends as many negative spikes as it can: 0 if it sends none."""
        return -self.largest_count if name in self.signed else 0.0

    def __repr__(self) -> str:
        return f"Recording({self._length}, {len(self.populations)} populations)"

    def __str__(self) -> str:
        """How much there is, and a row per population: its shape, neurons, spikes per image, and mean rate."""
        table = pd.DataFrame({"population": self.populations})
        table["shape"] = [describe_shape(self.shapes[name]) for name in self.populations]
        table["neurons"] = [self.sizes[name] for name in self.populations]
        table["spikes per image"] = self.spikes[-1]
        table["mean rate (Hz)"] = self.spikes[-1] / table["neurons"] / self.times[-1]
        return f"{self._length} in steps of {self.dt * 1e3:g} ms\n{table.to_string(index=False, float_format='%.4g')}"

    @property
    def _length(self) -> str:
        return f"{self.output_counts.shape[1]} images, {self.duration * 1e3:g} ms"

    @property
    def sizes(self) -> Mapping[str, int]:
        """Neurons per image of each population."""
        return {name: int(np.prod(self.shapes[name])) for name in self.populations}


def delay_evaluation(recording: Recording, delay: float) -> Recording:
    """What the output says from a delay on, without what it gathered while the layers before it set in.

    Source: Hwang et al., "Low-latency spiking neural networks using pre-charged membrane potential and delayed
    evaluation", Frontiers in Neuroscience 15:629000, 2021.

    Parameters
    ----------
    delay : float
        Seconds after the output's first evaluated step; one of the recording's readouts, not the last.

    Returns
    -------
    Recording
        With the later readouts only. Their totals of spikes and synaptic operations include those of the delay.

    Raises
    ------
    ValueError
        If nothing was read after the delay, or only then.
    """
    start = recording.evaluated_from + delay
    steps = np.rint((recording.times - start) / recording.dt)
    if 0 not in steps or steps[-1] <= 0:
        read = ", ".join(f"{time * 1e3:g}" for time in recording.times)
        raise ValueError(f"evaluation begins at {start * 1e3:g} ms; it must be one of {read} ms, and not the last")
    (first,), later = np.flatnonzero(steps == 0), select_readouts(recording, steps > 0)
    return replace(
        later,
        output_counts=later.output_counts - recording.output_counts[first],
        output_potentials=later.output_potentials - recording.output_potentials[first],
        evaluated_from=start,
    )


def select_readouts(recording: Recording, chosen: NDArray[np.bool_]) -> Recording:
    """A recording with those of its readouts that a mask of shape (R,) says."""
    names = ("times", "spikes", "synops", "output_counts", "output_potentials")
    return replace(recording, **{name: getattr(recording, name)[chosen] for name in names})


def save_recording(recording: Recording, path: str | Path) -> None:
    """Write a recording as an npz file, all of it and bit by bit; nothing is pickled."""
    arrays: dict[str, Any] = {}
    for name in (each.name for each in fields(recording)):
        value = getattr(recording, name)
        if not isinstance(value, Mapping):
            arrays[name] = np.asarray(value)
            continue
        arrays[f"{name}.keys"] = np.array(list(value), dtype=KEYS.get(name, str))
        for number, item in enumerate(value.values()):
            columns = {f".{key}": item[key] for key in item} if isinstance(item, pd.DataFrame) else {"": item}
            arrays |= {f"{name}.{number}{key}": np.asarray(column) for key, column in columns.items()}
    with Path(path).open("wb") as file:  # numpy would add an ending to a name
        np.savez_compressed(file, **arrays)


def load_recording(path: str | Path) -> Recording:
    """A recording that `save_recording` wrote.

    Raises
    ------
    ValueError
        If the file is none; one line with its name.
    """
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:  # closed whatever it is
            return Recording(**{each.name: _loaded(arrays, each.name, each.type) for each in fields(Recording)})
    except (KeyError, TypeError, ValueError, OSError, EOFError, BadZipFile) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is no recording that save_recording wrote ({error})") from None


def to_xarray(recording: Recording) -> Any:
    """The arrays of a recording as an `xarray.Dataset` with times in ms, but for rasters, which are tables.

    Dimensions are time_ms, image, population and, of the neurons of a layer, <layer>_0, <layer>_1, ...

    Raises
    ------
    ModuleNotFoundError
        If xarray is not installed.
    """
    import xarray

    def of(layer: str, *first: str) -> tuple[str, ...]:
        return (*first, *(f"{layer}_{axis}" for axis in range(len(recording.shapes[layer]))))

    output = of(recording.populations[-1], "time_ms", "image")
    return xarray.Dataset(
        {
            "output_counts": (output, recording.output_counts),
            "output_potentials": (output, recording.output_potentials),
            "spikes": (("time_ms", "population"), recording.spikes),
            "synops": (("time_ms", "population"), recording.synops),
            **{f"spike_counts_{name}": (of(name, "image"), it) for name, it in recording.spike_counts.items()},
            **{f"trace_{name}": (("step", "image", f"traced_{name}"), it) for name, it in recording.traces.items()},
        },
        coords={"time_ms": recording.times * 1e3, "population": list(recording.populations)},
        attrs={name: getattr(recording, name) for name in ("dt", "duration", "max_rate", "latency", "largest_count")},
    )


def _loaded(arrays: Any, name: str, kind: Any) -> Any:
    """A field of a recording from its arrays, of the type that it is declared as."""
    if not kind.startswith("Mapping"):
        value = arrays[name]
        return value.item() if kind == "float" else tuple(value.tolist()) if kind.startswith("tuple") else value
    keys = arrays[f"{name}.keys"].tolist()
    if name == "rasters":
        columns = ("image", "neuron", "time_ms", "sign")
        return {
            key: pd.DataFrame({column: arrays[f"{name}.{number}.{column}"] for column in columns})
            for number, key in enumerate(keys)
        }
    items = (arrays[f"{name}.{number}"] for number in range(len(keys)))
    return {key: tuple(item.tolist()) if name == "shapes" else item for key, item in zip(keys, items, strict=True)}

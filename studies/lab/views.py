"""The figures of the lab, readable from the back of a room and without colour."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from conversion.recording import Recording
from models.graph import INPUT, Array
from studies.draw import PALETTE, draw_membrane_traces, draw_raster, draw_rates, drawing
from studies.lab.answer import Answer
from studies.lab.turns import in_turn
from studies.measure import scores
from studies.tables import LABELS

BLUE, ORANGE = PALETTE[0], PALETTE[1]
SHOWN = 24  # neurons of a layer in the raster
MOST_RASTERS, MOST_TRACES, MOST_RATES = 7, 4, 3  # panels that can be read from the back of a room
MANY_CLASSES = 12
DPI = 130


@in_turn
def picture(draw: Callable[..., Figure], *arguments: Any) -> str:
    """What a function draws, as the address of a PNG that a page holds in itself."""
    drawn = io.BytesIO()
    draw(*arguments).savefig(drawn, format="png", dpi=DPI)
    return f"data:image/png;base64,{base64.b64encode(drawn.getvalue()).decode()}"


def draw_input(answer: Answer, until_ms: float | None = None) -> Figure:
    """The image, and beside it how often each of its pixels has spiked until a time."""
    image, table = answer.prepared.images[0], answer.recording.rasters.get(INPUT)
    with drawing(3.4, 2.0) as figure:
        left, right = _placed(figure, left=0.02, right=0.98, bottom=0.02, top=0.88, wspace=0.05)
        _draw_image(left, image)
        left.set_title("image", fontsize=9)
        if table is None:
            _say(right, "constant current:\nno input spikes")
            return figure
        counts = spikes_per_neuron(table, image.size, until_ms).reshape(image.shape)
        _draw_image(right, counts.mean(axis=0, keepdims=True) if image.ndim == 3 else counts)
        right.set_title(f"{int(np.abs(counts).sum()):,} input spikes", fontsize=9)
    return figure


def spikes_per_neuron(table: pd.DataFrame, size: int, until_ms: float | None = None) -> NDArray[np.float64]:
    """The count of every neuron of a raster until a time; negative spikes take away."""
    seen = table if until_ms is None else table[table["time_ms"] <= until_ms]
    return np.bincount(seen["neuron"], weights=seen["sign"], minlength=size).astype(np.float64)


def draw_evidence(answer: Answer, until_ms: float | None = None) -> Figure:
    """What speaks for each class over time, and beside it what the ANN says, both in the same units.

    The two strongest classes are drawn in black, the others in grey; a line ends at the number of its class.
    """
    rates, now = evidence(answer), _at(answer.recording, until_ms)
    times = answer.recording.times[: now + 1]
    with drawing(6.2, 2.6) as figure:
        left, right = _placed(figure, left=0.08, right=0.97, bottom=0.18, top=0.88, wspace=0.25, width_ratios=(3, 2))
        _draw_lines(left, times * 1e3, rates[: now + 1] * times[:, None] * answer.recording.max_rate)
        left.set(xlabel=LABELS["time_ms"], xlim=(0, answer.recording.duration * 1060), ylabel=_unit_of_evidence(answer))
        left.set_ylim(min(0, left.get_ylim()[0]) if rates.min() < 0 else 0, max(1, left.get_ylim()[1]))
        _draw_bars(right, rates[now], answer.ann)
    return figure


def evidence(answer: Answer) -> NDArray[np.float64]:
    """What the output says of each class at each readout, in units of the largest rate, shape (R, classes)."""
    recording, c = answer.recording, answer.condition
    counts = scores(recording, "potential" if c.readout == "potential" else "count")[:, 0]
    return counts / (recording.times[:, None] * recording.max_rate)


def draw_layers(answer: Answer, until_ms: float | None = None) -> Figure:
    """The raster of every layer, or of some where there are many, until a time."""
    recording = _until(answer.recording, until_ms)
    chosen = some([name for name in recording.populations if name in recording.rasters], MOST_RASTERS)
    return draw_raster(replace(recording, rasters={name: recording.rasters[name] for name in chosen}), shown=SHOWN)


def draw_potentials(answer: Answer, until_ms: float | None = None) -> Figure:
    """The potential of a typical neuron of each layer, or of some where there are many, until a time."""
    v_th, traces = 1.0 if answer.condition.v_th is None else answer.condition.v_th, answer.probe.traces
    probe = replace(answer.probe, traces={name: traces[name] for name in some(list(traces), MOST_TRACES)})
    return draw_membrane_traces(_until(answer.recording, until_ms), probe, v_th)


def draw_agreement(answer: Answer, _: float | None = None) -> Figure:
    """The rate of every neuron against the activation of the ANN, at the end of the window whatever the time."""
    spiking = [name for name in answer.activations if name in answer.recording.rasters]
    return draw_rates(answer.recording, {name: answer.activations[name] for name in some(spiking, MOST_RATES)})


def some(names: Sequence[str], most: int) -> list[str]:
    """At most so many names, evenly spaced, the first and the last among them."""
    places = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))
    return [names[place] for place in places]


def draw_accuracies(tables: dict[str, pd.DataFrame]) -> Figure:
    """Accuracy over time of one setting or two, and the ANN's, named at the right edge."""
    with drawing(7, 3.2) as figure:
        axes = figure.subplots()
        for (name, table), dashes in zip(tables.items(), ((1, 0), (4, 1.5)), strict=False):
            axes.plot(table["time_ms"], table["accuracy"], color="black", linestyle=(0, dashes), label=name)
        ceiling = next(iter(tables.values()))["ann_accuracy"].iloc[0]
        axes.axhline(ceiling, color=ORANGE, linewidth=1, linestyle=(0, (1, 1)), zorder=0, label="ANN")
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set(xlabel=LABELS["time_ms"], ylabel="accuracy", ylim=(0, 1.03), xlim=(0, None))
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        sns.despine(ax=axes)
    return figure


def _placed(figure: Figure, **places: Any) -> NDArray[Any]:
    """Two panels at places that are given, since to look for the best ones takes longer than to draw."""
    figure.set_layout_engine("none")
    return figure.subplots(1, 2, gridspec_kw=places)


def _until(recording: Recording, until_ms: float | None) -> Recording:
    """A recording whose rasters and traces end at a time; the axes still show the whole window."""
    if until_ms is None:
        return recording
    step = round(until_ms * 1e-3 / recording.dt)
    rasters = {name: table[table["time_ms"] <= until_ms + 1e-6] for name, table in recording.rasters.items()}
    traces = {}
    for name, trace in recording.traces.items():
        traces[name] = trace.copy()
        traces[name][step:] = np.nan
    return replace(recording, rasters=rasters, traces=traces)


def _at(recording: Recording, until_ms: float | None) -> int:
    times = recording.times * 1e3
    return len(times) - 1 if until_ms is None else max(0, int(np.searchsorted(times, until_ms + 1e-6)) - 1)


def _unit_of_evidence(answer: Answer) -> str:
    return "potential" if answer.condition.readout == "potential" else "output spikes"


def _draw_image(axes: Axes, image: Array | NDArray[np.float64]) -> None:
    """Bright on dark as data sets have it, channels last where there are three; features as a square or a row."""
    if image.ndim == 1:
        side = round(image.size**0.5)
        image = image.reshape(side, side) if side**2 == image.size else image[None]
    shown = np.moveaxis(image, 0, -1) if image.ndim == 3 else image
    grey = shown if shown.ndim == 2 else shown[..., 0] if shown.shape[-1] != 3 else np.clip(shown, 0, 1)
    axes.imshow(grey, cmap="gray", interpolation="nearest")
    axes.set_axis_off()


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()


def _draw_lines(axes: Axes, times: NDArray, values: NDArray) -> None:
    order = np.argsort(values[-1], kind="stable")
    styles = {order[-1]: ("black", 2.2, "-"), order[-2]: ("black", 1.6, "--")} if values[-1].any() else {}
    for number in order:
        colour, width, dashes = styles.get(number, ("0.55", 1.0, "-"))
        axes.plot(times, values[:, number], color=colour, linewidth=width, linestyle=dashes)
        if number in styles:
            axes.annotate(
                str(number), (times[-1], values[-1, number]), (4, 0), textcoords="offset points", va="center",
                fontsize=13, fontweight="bold",
            )  # fmt: skip
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    sns.despine(ax=axes)


def _draw_bars(axes: Axes, spiking: NDArray, ann: Array) -> None:
    """Both networks beside each other, the strongest classes where there are many."""
    chosen = np.arange(len(ann)) if len(ann) <= MANY_CLASSES else np.sort(np.argsort(-ann)[:MANY_CLASSES])
    places = np.arange(len(chosen))
    axes.barh(places - 0.2, spiking[chosen], 0.38, color=BLUE, label="spiking network")
    axes.barh(places + 0.2, ann[chosen], 0.38, color="white", edgecolor="black", hatch="////", label="ANN")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(places, [str(number) for number in chosen])
    axes.set(xlabel="units of the largest rate", ylabel="class")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False, fontsize=9)
    sns.despine(ax=axes)

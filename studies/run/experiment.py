"""One condition, from its files to its rows: load, normalise, simulate, measure. What runs in a worker process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from brian2 import ms
from numpy.typing import NDArray

from conversion.brian import check_encoder, max_rate, members_of
from conversion.ceilings import check_ceilings, has_ceilings
from conversion.delays import delay
from conversion.normalize import (
    balance_thresholds,
    calibrate_biases,
    calibrate_matching,
    equivalent_thresholds,
    lower_thresholds,
    normalize,
    rescale,
)
from conversion.plan import make_plan
from conversion.recording import Probe, Recording, delay_evaluation, select_readouts
from conversion.reduce import drop_negative_slopes, fold_average_pooling
from conversion.residual_potential import simulate_in_two_stages
from conversion.settings import Simulation
from conversion.simulate import simulate
from conversion.variability import vary, weight_bits, weight_noise
from models.detection import NO_BOX, Head, check_output, detect, read_head
from models.encoders import Encoder
from models.graph import INPUT, Array, Graph, Shape
from models.onnx_io import activations_in_turn, predict
from studies.declare import Condition, StudyError, readout_steps
from studies.measure import (
    box_table,
    boxes_over_time,
    energies,
    known_classes,
    measure_answers,
    measure_boxes,
    measure_layers,
    output_scale,
    predictions,
)
from studies.run.files import Job, calibration_images, fit, has_boxes, model_path, network, test_images
from studies.run.neurons import made_neuron
from studies.run.settings import (
    MATCHED_IMAGES,
    calibration_of,
    check_thresholds,
    curve_of,
    encoder_of,
    network_seed_of,
    output_of,
    rheobase,
    simulation_of,
    threshold_of,
)

PREDICTIONS = "predictions"
Rows = Mapping[str, Mapping[str, list[Any]]]


@dataclass(frozen=True, eq=False)
class Prepared:
    """The network of a job, and the test images as it reads them.

    Parameters
    ----------
    graph, reduced, normalised, converted : Graph
        The network as trained; without what the condition does away with; as normalised, whose activations the rates
        stand for; and as it spikes, the same up to calibrated biases.
    images, labels : array
        See `models.datasets.loading.Dataset`.
    simulation : Simulation
        Of the test images, but for when the output is read and what is recorded.
    rheobase : float
        See `studies.run.settings.rheobase`.
    head : Head, optional
        Of a network that finds boxes.
    """

    graph: Graph
    reduced: Graph
    normalised: Graph
    converted: Graph
    images: Array
    labels: NDArray[Any]
    simulation: Simulation
    rheobase: float
    head: Head | None = None


def check_job(job: Job) -> None:
    """Raise, before anything is simulated, what is wrong with the files of a job or does not fit together.

    Raises
    ------
    ValueError
        Of the kind of its source: `StudyError`, `OnnxError`, `DatasetError`, `GraphError`, `ConversionError`.
    """
    graph, c = network(job), job.condition
    neuron, encoder, (images, labels) = made_neuron(job), encoder_of(c), test_images(job)
    plan = make_plan(reduce_network(graph, c), signed=neuron.is_signed, signed_input=bool(np.any(images < 0)))
    check_thresholds(c, plan)
    check_encoder(encoder, neuron, plan, c.dt_ms * ms)
    members_of(plan, output_of(c))
    for name, some in ((c.dataset, images), (c.calibration_dataset or c.dataset, calibration_images(job))):
        fit(some[:1], graph.input_shape)
        _check_values(name, encoder, some)
    classes = _classes(job, graph.shapes[graph.output.name])
    numbers = labels[..., 0] if labels.ndim == 3 else labels
    if numbers.max(initial=NO_BOX) >= classes:
        raise StudyError(
            f"dataset {job.condition.dataset!r} has a label {numbers.max():g}, but the network knows {classes} classes"
        )


def check_reach(job: Job) -> None:
    """Raise if neurons cannot be matched, or would exceed the ceilings of a network where that is known already.

    Raises
    ------
    ConversionError
    """
    c, graph = job.condition, network(job)
    reduced = reduce_network(graph, c)
    simulation = simulation_of(job)  # raises where an f-I curve cannot be matched
    vary(simulation.neuron, simulation.variability)
    plan = make_plan(reduced, signed=simulation.neuron.is_signed)
    delay(plan, simulation.delays, simulation.dt, spikes_at_input=simulation.encoder.spikes_at_input)
    if c.normalization == "spike" or not has_ceilings(reduced):
        return
    normalised = _normalised(reduced, fit(calibration_images(job), graph.input_shape), job)
    plan = make_plan(normalised, signed=simulation.neuron.is_signed)
    check_ceilings(normalised, plan, simulation, float(max_rate(simulation.encoder, simulation.dt)))


def _classes(job: Job, output_shape: Shape) -> int:
    """How many classes a network knows; of one that finds boxes, its head says so."""
    if not has_boxes(job):
        return known_classes(int(np.prod(output_shape)), job.condition.readout)
    head = read_head(model_path(job))
    check_output(head, output_shape)
    if job.condition.readout != "potential":
        raise StudyError(
            f"readout is {job.condition.readout!r}; dataset {job.condition.dataset!r} has boxes, and the output that "
            "they are read from has values below 0: it must be 'potential'"
        )
    return len(head.classes)


def rows_of(jobs: Sequence[Job]) -> list[Rows]:
    """The rows of conditions that differ by `evaluation_delay_ms` alone, all from one simulation.

    Of each condition by table and column, as plain lists; without the columns that name it.
    """
    conditions = [job.condition for job in jobs]
    prepared = prepare(jobs[0])
    recordings = simulate_at_delays(prepared, prepared.images, conditions)
    tables = [measure_recording(prepared, *pair) for pair in zip(recordings, conditions, strict=True)]
    left_out = () if jobs[0].predictions else (PREDICTIONS,)
    return [{name: some[name].to_dict("list") for name in some if name not in left_out} for some in tables]


def prepare(job: Job) -> Prepared:
    """Load the files of a job, and normalise its network."""
    c = job.condition
    graph, (images, labels) = network(job), test_images(job)
    images, calibration = fit(images, graph.input_shape), fit(calibration_images(job), graph.input_shape)
    reduced = reduce_network(graph, c)
    normalised = converted = _normalised(reduced, calibration, job)
    converted = weight_bits(weight_noise(converted, c.weight_noise, network_seed_of(c)), c.weight_bits)
    simulation = _matched(simulation_of(job), converted, calibration, job)
    if c.bias_calibration == "mean":
        matched = replace(calibration_of(job), backgrounds=simulation.backgrounds, gains=simulation.gains)
        converted = calibrate_biases(converted, calibration, matched)
    head = read_head(model_path(job)) if has_boxes(job) else None
    return Prepared(graph, reduced, normalised, converted, images, labels, simulation, rheobase(job), head)


def _matched(simulation: Simulation, converted: Graph, calibration: Array, job: Job) -> Simulation:
    """The simulation with the backgrounds and gains that `matching` calibrates."""
    if job.condition.matching != "calibrated":
        return simulation
    curve = curve_of(job)
    found = calibrate_matching(converted, calibration[-MATCHED_IMAGES:], calibration_of(job), curve)
    return replace(simulation, backgrounds=found.backgrounds, gains=found.gains)


def _normalised(graph: Graph, calibration: Array, job: Job) -> Graph:
    c = job.condition
    if c.normalization != "spike":
        return normalize(graph, calibration, c.normalization, c.percentile, 1.0 if c.headroom is None else c.headroom)
    percentile = 100.0 if c.percentile is None else c.percentile
    table = balance_thresholds(graph, calibration, calibration_of(job), percentile)
    factor = 1.0 if c.threshold_factor is None else c.threshold_factor
    return rescale(graph, lower_thresholds(graph, table["scale"].to_dict(), factor))


def simulate_condition(prepared: Prepared, images: Array, c: Condition, probe: Probe | None = None) -> Recording:
    """What a converted network does with images under a condition."""
    (recording,) = simulate_at_delays(prepared, images, [c], probe)
    return recording


def simulate_at_delays(
    prepared: Prepared, images: Array, conditions: Sequence[Condition], probe: Probe | None = None
) -> list[Recording]:
    """One simulation under conditions that differ by `evaluation_delay_ms` alone, evaluated as each of them says."""
    c, delays_ms = conditions[0], [each.evaluation_delay_ms or 0.0 for each in conditions]
    steps = readout_steps(c)
    read = np.union1d(steps, [round(delay / c.dt_ms) for delay in delays_ms if delay])
    wanted = replace(probe or Probe(), output_spikes=_output_spikes(c))
    simulation = replace(prepared.simulation, read_at=read * c.dt_ms * ms, probe=wanted)
    if c.residual_ms:
        recording = simulate_in_two_stages(prepared.converted, images, simulation, c.residual_ms * ms)
    else:
        recording = simulate(prepared.converted, images, simulation)
    return [_evaluated(recording, delay * 1e-3, np.isin(read, steps)) for delay in delays_ms]


def _evaluated(recording: Recording, delay: float, wanted: NDArray[np.bool_]) -> Recording:
    """Those readouts after a delay in seconds that a mask of all of them says."""
    late = delay_evaluation(recording, delay) if delay else recording
    return select_readouts(late, wanted[-len(late.times) :])


def measure_recording(prepared: Prepared, recording: Recording, c: Condition) -> Mapping[str, pd.DataFrame]:
    """The tables of a recording, "metrics", "layers", "boxes" or "predictions"; without the condition's columns."""
    answers = _classified if prepared.head is None else _detected
    return {
        **answers(prepared, recording, c),
        "layers": measure_layers(
            recording,
            population_activations(prepared, recording.populations),
            prepared.rheobase,
            _equivalent_thresholds(prepared, c),
        ),
    }


def _classified(prepared: Prepared, recording: Recording, c: Condition) -> dict[str, pd.DataFrame]:
    labels, outputs = prepared.labels, predict(prepared.graph, prepared.images)
    read: dict[str, Any] = {"readout": c.readout, "readout_k": c.readout_k or 1}
    spent: dict[str, Any] = energies(prepared.graph, encoder_of(c), recording.steps)
    measured = measure_answers(recording, labels, outputs, **read, **spent)
    return {"metrics": measured, PREDICTIONS: predictions(recording, labels, outputs, **read)}


def _detected(prepared: Prepared, recording: Recording, c: Condition) -> dict[str, pd.DataFrame]:
    graph, images, head = prepared.graph, prepared.images, prepared.head
    assert head is not None
    scale = output_scale(prepared.reduced, prepared.normalised, images)
    found, ann_found = boxes_over_time(recording, scale, head), detect(predict(graph, images), head)
    spent = energies(graph, encoder_of(c), recording.steps)
    return {
        "metrics": measure_boxes(recording, found, ann_found, prepared.labels, **spent),
        "boxes": box_table(recording.times * 1e3, found, ann_found, head),
    }


def _equivalent_thresholds(prepared: Prepared, c: Condition) -> Mapping[str, float]:
    found = equivalent_thresholds(prepared.reduced, prepared.normalised)
    return {name: threshold_of(c, name) * v_th for name, v_th in found.items()}


def population_activations(prepared: Prepared, names: Sequence[str]) -> Iterator[tuple[str, Array]]:
    """The normalised ANN's activations of populations, shape (N, *shape); those of the input are the images."""
    if INPUT in names:
        yield INPUT, prepared.images
    yield from activations_in_turn(prepared.normalised, prepared.images, [name for name in names if name != INPUT])


def _check_values(dataset: str, encoder: Encoder, images: Array) -> None:
    try:
        encoder.check_values(images)
    except ValueError as error:
        raise StudyError(f"dataset {dataset!r}: {error}") from None


def reduce_network(graph: Graph, c: Condition) -> Graph:
    """The network without what a condition does away with before it is normalised: pooling layers, leaks."""
    graph = fold_average_pooling(graph) if c.pooling == "folded" else graph
    return drop_negative_slopes(graph) if c.negative_slope == "drop" else graph


def _output_spikes(c: Condition) -> tuple[int, ...]:
    """Each k for which the answer depends on the time of the k-th output spike."""
    return (1,) if c.readout == "first_spike" else (c.readout_k,) if c.readout_k is not None else ()

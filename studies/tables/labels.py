"""The name and unit of every column, as axes and tables show it; `studies.declare.SHARES` are shown in percent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from studies.declare import is_argument, unit_of_column

CAVEAT = "Energy: arithmetic only, no data movement (4.6 pJ per MAC, 0.9 pJ per AC, 45 nm; Horowitz, ISSCC 2014)."


ARGUMENTS: Mapping[str, str] = {
    "tau_m": "membrane time constant",
    "tau_s": "synaptic time constant",
    "tau_w": "time constant of adaptation",
    "v_th": "threshold",
}
MODELS = ("neuron", "synapse")  # whose arguments are keys; others are of a layer, as v_th.conv1
SPREAD = "_cv"


class _Labels(dict[str, str]):
    """Arguments of models that have no name in papers are called by their own, with their unit."""

    def __missing__(self, column: str) -> str:
        unit = unit_of_column(column)
        key = column if unit is None else column.removesuffix(f" [{unit}]")
        if not (is_argument(key) or key in self):
            raise KeyError(column)
        of, _, name = key.partition(".")
        name = self.get(key) or (_of_argument(name) if of in MODELS else f"{short_label(of)} of {name}")
        return name if unit in (None, "1") else f"{name} ({unit.replace('ms**0.5', '√ms')})"


def _of_argument(name: str) -> str:
    plain = name.removesuffix(SPREAD)
    called = ARGUMENTS.get(plain, plain)
    return called if plain == name else f"spread of the {called} (coefficient of variation)"


def short_label(column: str) -> str:
    """The name of a column without its unit."""
    return LABELS[column].partition(" (")[0]


def with_unit(column: str, value: str) -> str:
    """A value in the unit of its column."""
    unit = re.fullmatch(r".* \(([^ ()]+)\)", LABELS[column])
    return value if unit is None else f"{value} {unit[1]}"


LABELS: Mapping[str, str] = _Labels(
    {
        "model": "network",
        "dataset": "dataset",
        "images": "test images",
        "scale": "scale of the network's input",
        "mean": "mean of the network's input",
        "std": "standard deviation of the network's input",
        "calibration": "calibration images",
        "calibration_dataset": "calibration dataset",
        "duration_ms": "window (ms)",
        "dt_ms": "time step (ms)",
        "encoder": "input code",
        "max_rate_hz": "largest input rate (Hz)",
        "phase_period": "period of the phase code (steps)",
        "neuron": "neuron",
        "tau_m_ms": "membrane time constant (ms)",
        "refractory_ms": "refractory period (ms)",
        "reset": "reset",
        "v_th": "threshold (units of activation)",
        "v_min": "lower clamp",
        "v_init": "initial potential",
        "synapse": "synapse",
        "delay": "delay of a spike",
        "delay_sd": "standard deviation of delays",
        "jitter": "jitter of input spikes",
        "membrane_noise": "membrane noise",
        "background": "rate of the background",
        "background_weight": "weight of the background (units of activation)",
        "release_probability": "release probability",
        "dead_share": "share of dead neurons",
        "lost_share": "share of lost synapses",
        "weight_noise": "noise of weights (relative)",
        "weight_bits": "bits of a weight",
        "network_seed": "seed of the network",
        "negative_slope": "slope below zero of neurons without negative spikes",
        "residual_ms": "first stage of removing residual potentials (ms)",
        "variant": "variant",
        "current_offset": "current offset (share of a threshold)",
        "normalization": "normalisation",
        "percentile": "percentile (%)",
        "headroom": "headroom (factor on the scales)",
        "threshold_factor": "factor on the balanced thresholds",
        "matching": "matching of the f-I curve",
        "onset_share": "background (share of the onset)",
        "bias_calibration": "bias calibration",
        "calibration_ms": "window of calibrating simulations (ms)",
        "pooling": "average pooling",
        "connectivity": "connectivity",
        "readout": "readout",
        "readout_k": "spikes that decide",
        "readout_ms": "readout interval (ms)",
        "evaluation_delay_ms": "delay of evaluation (ms)",
        "memory_gb": "memory of a batch (GB)",
        "seed": "seed",
        "factor": "factor",
        "multiple": "multiples of the physiological value",
        "time_ms": "time (ms)",
        "accuracy": "accuracy (% of images)",
        "ann_accuracy": "ANN accuracy (% of images)",
        "map_50": "mAP@0.5 (%)",
        "ann_map_50": "ANN mAP@0.5 (%)",
        "fidelity_map_50": "mAP@0.5, the ANN's boxes as truth (%)",
        "map_50_low": "mAP@0.5, lower end of its 95 % interval over images (%)",
        "map_50_high": "mAP@0.5, upper end of its 95 % interval over images (%)",
        "fidelity_map_50_low": "fidelity, lower end of its 95 % interval over images (%)",
        "fidelity_map_50_high": "fidelity, upper end of its 95 % interval over images (%)",
        "agreement": "agreement with the ANN (% of images)",
        "latency_ms": "opening of the output's window after the image (ms)",
        "unanswered_share": "images without an answer (%)",
        "spikes_per_image": "spikes per image",
        "synops_per_image": "synaptic operations per image",
        "energy_nj": "energy per image (nJ)",
        "ann_energy_nj": "ANN energy per image (nJ)",
        "time_to_99_ms": "time to 99 % of the ANN's accuracy (ms)",
        "time_to_99_9_ms": "time to 99.9 % of the ANN's accuracy (ms)",
        "image": "image",
        "layer": "layer",
        "rate_hz": "mean firing rate (Hz)",
        "correlation": "correlation of rate and activation",
        "rmse": "rms error of rate / largest rate",
        "silent_share": "silent neurons (% of neurons and images)",
        "subthreshold_share": "at or below the rheobase (% of neurons and images)",
        "equivalent_v_th": "threshold for weights as trained",
        "saturated_share": "at the largest rate (% of neurons and images)",
    }
)

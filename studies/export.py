"""Networks to NIR files for other simulators, and theirs to ONNX files for us: `brianize export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brian2 import Hz, ms

from conversion.nir import FromNIR, Spike, from_nir, load_nir, save_nir, to_nir
from models.onnx_io import save
from studies.declare import StudyError
from studies.look import conditions
from studies.run import Job, check_job, prepare

DEFAULTS: Mapping[str, Any] = {"normalization": "none"}  # as of a study, where `look` compares all
RESET: Mapping[str, Any] = {"reset": "zero"}  # the one that NIR has a word for


def export(
    model: str, target: Path, settings: Mapping[str, Any], *, lossy: bool = False, spike: Spike | None = None,
    data_dir: Path | None = None,
) -> list[str]:  # fmt: skip
    """Write a network to `target`, from ONNX to NIR or from NIR to ONNX; lines that say what is in the file.

    Parameters
    ----------
    model : str
        A shipped network, or the path of an .onnx or a .nir file.
    target : Path
        A .nir file, or for a .nir model an .onnx file.
    settings : mapping
        Keys of a `Condition`; of a .nir model, `dt_ms` and `max_rate_hz` where the file does not say them.
    lossy, spike : bool, str
        See `conversion.nir`.

    Raises
    ------
    ValueError
        If a setting is not as it must be, or the network cannot be written.
    """
    back = model.endswith(".nir")
    wanted = ".onnx" if back else ".nir"
    if target.suffix != wanted:
        raise StudyError(f"--to is {target}; from {model} a file {wanted} is written")
    if back:
        return _from_nir(Path(model), target, settings, spike)
    known = {**DEFAULTS, **(RESET if settings.get("neuron", "if") in ("if", "lif") else {}), **settings}
    (condition,) = conditions({**known, "model": model})
    job = Job(condition, Path.cwd(), data_dir)
    check_job(job)
    prepared = prepare(job)
    network = to_nir(prepared.converted, prepared.simulation, lossy=lossy, spike=spike or "step")
    save_nir(network, target)
    said = network.metadata
    stands = f"dt = {said['dt']:g} s, {said['max_rate']:g} Hz for activation 1"
    lines = [f"{target}: {len(network.nodes)} nodes, normalised by {condition.normalization!r}, {stands}"]
    return lines + ([f"lost: {said['lost']}"] if "lost" in said else [])


def _from_nir(model: Path, target: Path, settings: Mapping[str, Any], spike: Spike | None) -> list[str]:
    units = {"dt_ms": ("dt", ms), "max_rate_hz": ("max_rate", Hz)}
    for name in settings:
        if name not in units:
            raise StudyError(f"--{name.replace('_', '-')} has no effect on a NIR file, which has it in it")
    given = {units[name][0]: value * units[name][1] for name, value in settings.items()}
    found = from_nir(load_nir(model), spike=spike, **given)
    keys = study_keys(found)
    save(found.graph, target)
    return [f"{target}: {found.graph!r}; in a study, it goes with", *keys, *(f"note: {note}" for note in found.notes)]


def study_keys(found: FromNIR) -> list[str]:
    """The lines of a study that make of the network of a NIR file what the file says.

    Raises
    ------
    StudyError
        If a study has no key for something.
    """
    neuron = found.neuron
    leaky_output = neuron.accumulator is not None and "tau_out" in neuron.accumulator.parameters
    if found.thresholds or neuron.reset != "v = 0" or leaky_output:
        what = (
            "thresholds of pooling layers" if found.thresholds else "an output that leaks" if leaky_output else "reset"
        )
        raise StudyError(f"a study has no key for its {what}; read it in Python: conversion.nir.from_nir")
    taus = {name: float(neuron.parameters[name]) * 1e3 for name in ("tau_m", "tau_s") if name in neuron.parameters}
    lines = [f'neuron = "{"lif" if "tau_m" in taus else "if"}"', 'reset = "zero"', f"v_th = {neuron.initial['v_th']}"]
    lines += [f"tau_m_ms = {taus['tau_m']:g}"] if "tau_m" in taus else []
    lines += ['synapse.model = "exponential"', f'synapse.tau_s = "{taus["tau_s"]:g} ms"'] if "tau_s" in taus else []
    means = found.delays.mean
    assert isinstance(means, Mapping)
    lines += [f'delay.{name} = "{float(mean) * 1e3:g} ms"' for name, mean in means.items()]
    lines += ['readout = "potential"'] if found.output == "accumulating" else []
    return [*lines, f"dt_ms = {float(found.dt) * 1e3:g}", f"max_rate_hz = {float(found.max_rate):g}"]

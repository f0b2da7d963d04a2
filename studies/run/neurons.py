"""The neuron model that a condition names: one of `models.neurons`, or a function in a file beside the study."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from brian2 import Hz, ms

from conversion.refusals import reason_of
from models.neurons import NEURONS, SYNAPSES, Neuron, membrane_noise, phase_coded, poisson_background
from studies.declare import SIGNED, Condition, StudyError, require_known
from studies.run.files import Job, neuron_file
from studies.run.quantities import as_quantity, quantity

Function = Callable[..., Any]
SPREAD = "_cv"  # `neuron.tau_m_cv` is the coefficient of variation of tau_m


def made_neuron(job: Job) -> Neuron:
    """The neuron that the condition of a job names, with its arguments; without matching, synapses and noise.

    Raises
    ------
    StudyError
        If there is no such model, file or function, it does not take an argument, or it fails.
    """
    c, own, given = job.condition, own_arguments(job.condition), arguments_of(job.condition, "neuron")
    if c.phase_period is not None:
        return phase_coded(c.phase_period, v_th=own["v_th"], v_init=own["v_init"])
    function = function_of(job)
    for name in own.keys() & given.keys():
        raise StudyError(f"neuron.{name} is {dict(c.arguments)[f'neuron.{name}']!r}, and another key says it; keep one")
    taken = own | {name: value for name, value in given.items() if not _is_spread(name, function)}
    if c.neuron == "lif" and taken.get("tau_m", 1 * ms) == float("inf") * ms:
        function, taken = NEURONS["if"], {name: value for name, value in taken.items() if name != "tau_m"}
    neuron = call(f"neuron {c.neuron!r}", "neuron", function, taken)
    if not isinstance(neuron, Neuron):
        raise StudyError(f"neuron {c.neuron!r} returns {type(neuron).__name__}; it must return a models.neurons.Neuron")
    return neuron


def spreads_of(job: Job) -> Mapping[str, float]:
    """The coefficients of variation of parameters that a condition names, such as `neuron.tau_m_cv`."""
    given, function = arguments_of(job.condition, "neuron"), function_of(job)
    return {name.removesuffix(SPREAD): value for name, value in given.items() if _is_spread(name, function)}


def with_synapse(c: Condition, neuron: Neuron) -> Neuron:
    """The neuron with the synapse that a condition names.

    Raises
    ------
    StudyError
        If that does not take an argument, or needs another.
    """
    arguments = arguments_of(c, "synapse")
    if c.synapse == "delta":
        for name, value in c.arguments:
            if name.startswith("synapse."):
                raise StudyError(f"{name} is {value!r}, but synapse is 'delta', which takes no time; name another")
        return neuron
    return call(f"synapse {c.synapse!r}", "synapse", partial(SYNAPSES[c.synapse], neuron), arguments)


def with_noise(c: Condition, neuron: Neuron) -> Neuron:
    """The neuron with the noise that a condition names.

    Raises
    ------
    StudyError
        If its unit is not that of the potential.
    """
    with _in_a_line(f"membrane_noise is {c.membrane_noise!r}"):
        sigma = as_quantity("membrane_noise", c.membrane_noise)
        neuron = neuron if float(sigma) == 0 else membrane_noise(neuron, sigma)
    if c.background_weight is None:
        return neuron
    return poisson_background(neuron, quantity("background", c.background, Hz), c.background_weight)


def arguments_of(c: Condition, family: str) -> dict[str, Any]:
    """The arguments of a family by their own names, as Brian2 quantities where they have a unit."""
    found = [(name, value) for name, value in c.arguments if name.partition(".")[0] == family]
    return {name.partition(".")[2]: as_quantity(name, value) for name, value in found}


def own_arguments(c: Condition) -> dict[str, Any]:
    """What keys of their own say of the neurons that have such."""
    if c.v_th is None:
        return {}
    if c.neuron in SIGNED or c.phase_period is not None:
        return {"v_th": c.v_th, "v_init": c.v_init}
    assert c.refractory_ms is not None, "it goes with the threshold"
    common = {"v_th": c.v_th, "reset": c.reset, "v_init": c.v_init, "v_min": c.v_min}
    common["refractory"] = c.refractory_ms * ms
    return common if c.tau_m_ms is None else common | {"tau_m": c.tau_m_ms * ms}


def function_of(job: Job) -> Function:
    """What makes the neuron of a condition."""
    name, path = job.condition.neuron, neuron_file(job)
    if path is None:
        require_known("neuron", name, NEURONS)
        return NEURONS[name]
    if not path.is_file():
        raise StudyError(f"neuron is {name!r}; there is no file {path}")
    functions = vars(_module(path, path.read_bytes()))
    wanted = name.rpartition(":")[2]
    own = [key for key, value in functions.items() if inspect.isfunction(value) and value.__module__ == path.stem]
    require_known(f"function of {path.name}", wanted, own)
    return functions[wanted]


def call(what: str, family: str, function: Function, arguments: Mapping[str, Any]) -> Any:
    """What a function makes of arguments that it may not take.

    Raises
    ------
    StudyError
        If it does not know one, needs another, or fails.
    """
    parameters = inspect.signature(function).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for name in arguments:
            require_known(f"argument of {what}", name, parameters)
    needed = [n for n, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    for name in needed:
        if name not in arguments:
            raise StudyError(f"{family}.{name} is missing; {what} needs it")
    with _in_a_line(what):
        return function(**arguments)


@contextmanager
def _in_a_line(what: str) -> Iterator[None]:
    try:
        yield
    except StudyError:
        raise
    except Exception as error:  # of the user's own code, whatever it is
        raise StudyError(f"{what}: {type(error).__name__}: {reason_of(error)}") from error


def _is_spread(name: str, function: Function) -> bool:
    return name.endswith(SPREAD) and name not in inspect.signature(function).parameters


@lru_cache(maxsize=8)
def _module(path: Path, content: bytes) -> ModuleType:
    """The module in a file; as often as its content changes."""
    module = ModuleType(path.stem)
    with _in_a_line(str(path)):
        exec(compile(content, str(path), "exec"), vars(module))
    return module

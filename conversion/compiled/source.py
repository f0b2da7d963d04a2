"""From the blocks of a group to the source of one function, that runs a step of all its neurons.

It walks them in parts that stay in the first-level cache, and each part block by block: every block is a loop of its
own, which is what lets the compiler compute many neurons at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from textwrap import indent
from typing import Any

import numpy as np

from conversion.compiled import functions
from conversion.compiled.blocks import Block

PART = 256  # neurons
NAMESPACE: Mapping[str, Any] = {
    **{name: getattr(math, name) for name in ("cos", "sin", "tan", "cosh", "sinh", "tanh", "exp", "log", "log10")},
    **{name: getattr(math, name) for name in ("expm1", "log1p", "sqrt")},
    **{f"arc{name}": getattr(math, f"a{name}") for name in ("cos", "sin", "tan")},
    **{name: getattr(functions, name) for name in ("exp32", "exprel", "clip", "rand", "randn")},
    "sign": np.sign,
    "float32": np.float32,
    "int_": np.int32,
    "floor_": functions.floor,
    "ceil_": functions.ceil,
    "timestep_": functions.timestep,
    "_hash": functions.hash_of,
    "_gather": functions.gather,
    "_zeros": np.zeros,
    "_bool": np.bool_,
    "_uint64": np.uint64,
}


def write_source(
    blocks: Sequence[Block], constants: Sequence[str], arrays: Sequence[str], events: Sequence[str]
) -> str:
    """The source of `step(_seed, _k, _numbers, *constants, *arrays, *eventspaces)`, of step k of the seed.

    Parameters
    ----------
    constants, arrays : sequence of str
        As the blocks name them.
    events : sequence of str
        Whose neurons are written to an array of their own, with their number at its end, as Brian2 does.
    """
    sections = [blocks] if _can_share_a_pass(blocks) else [[block] for block in blocks]
    size = str(PART) if len(sections) == 1 else "_n"
    body = ["_n = _numbers.size", *(f"_found_{event} = 0" for event in events)]
    if any(block.random for block in blocks):
        body.append("_key = _hash(_seed, _k, 0)")
    if any(block.template == "threshold" for block in blocks):
        body += [f"_is = _zeros(({size} + 7) // 8 * 8, _bool)", "_eights = _is.view(_uint64)"]
    for section in sections:
        body += _section(section, size)
    body += [f"_{event}[_n] = _found_{event}" for event in events]
    names = ", ".join([*constants, *(f"_array_{name}" for name in arrays), *(f"_{event}" for event in events)])
    return f"def step(_seed, _k, _numbers, {names}):\n" + indent("\n".join(body), "    ")


def _can_share_a_pass(blocks: Sequence[Block]) -> bool:
    """Unless what one block computes once a step is another's, too, or changes what others read."""
    once = [name for block in blocks for name in block.names_once]
    return len(once) == len(set(once)) and not any(block.shared_writes for block in blocks)


def _section(blocks: Sequence[Block], size: str) -> Iterator[str]:
    for name in sorted(set().union(*(b.shared_reads for b in blocks))):
        yield f"{name} = _array_{name}[0]"
    for block in blocks:
        if block.random:
            yield "_neuron = -1"
        yield from block.once
        yield from (f"_array_{name}[0] = {name}" for name in sorted(block.shared_writes))
    blocks = [block for block in blocks if block.each or block.template == "threshold"]
    if not blocks:
        return
    yield f"for _start in range(0, _n, {size}):"
    yield f"    _stop = _start + {size} if _start + {size} < _n else _n"
    for name in sorted(set().union(*(b.reads | b.writes for b in blocks))):
        yield f"    _part_{name} = _array_{name}[_start:_stop]"
    if any(block.random for block in blocks):
        yield "    _part_of_numbers = _numbers[_start:_stop]"
    for block in blocks:
        yield indent("\n".join(WRITERS[block.template](block)), "    ")


def _update(block: Block) -> Iterator[str]:
    yield "for _i in range(_stop - _start):"
    yield from _body(block)


def _body(block: Block) -> Iterator[str]:
    if block.random:
        yield "    _neuron = _part_of_numbers[_i]"
    yield from (f"    {name} = _part_{name}[_i]" for name in sorted(block.reads))
    yield from (f"    {line}" for line in block.each)
    yield from (f"    _part_{name}[_i] = {name}" for name in sorted(block.writes))


def _threshold(block: Block) -> Iterator[str]:
    """Who spikes: first for all of the part, then, only where somebody does, as a list."""
    event, found = f"_{block.event}", f"_found_{block.event}"
    yield f"_first{event} = {found}"
    yield "_some = 0"
    yield "for _i in range(_stop - _start):"
    yield from _body(block)
    yield "    _is[_i] = _cond"
    yield "    _some += _is[_i]"
    yield "if _some:"
    yield "    _is[_stop - _start :] = False"
    yield f"    {found} = _gather(_is, _eights, _start, {event}, {found})"
    if block.refractory:
        yield f"    for _k in range(_first{event}, {found}):"
        yield f"        _array_not_refractory[{event}[_k]] = False"
        yield f"        _array_lastspike[{event}[_k]] = t"


def _reset(block: Block) -> Iterator[str]:
    yield f"for _k in range(_first_{block.event}, _found_{block.event}):"
    yield f"    _i = _{block.event}[_k] - _start"
    yield from _body(block)


WRITERS: Mapping[str, Callable[[Block], Iterator[str]]] = {
    "stateupdate": _update, "threshold": _threshold, "reset": _reset,
}  # fmt: skip

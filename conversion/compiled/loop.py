"""A group's equations as one compiled loop, in the place of the objects that Brian2 runs for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from brian2 import BrianObject, Group
from brian2.core.variables import Constant
from brian2.groups.group import CodeRunner
from brian2.utils.logger import get_logger
from numpy.typing import NDArray

from conversion.compiled.blocks import Block, make_block
from conversion.compiled.compilation import compiled
from conversion.compiled.rendering import NotCompilable
from conversion.compiled.source import NAMESPACE, PART, write_source

Step = Callable[[np.uint64, int], None]
logger = get_logger(__name__)


class GroupLoop(BrianObject):
    """Runs, in one pass over the neurons, all that a group does from its state update to the last of its resets.

    It runs in the slot of the state update, so that whatever looks at the group before its resets sees what is there
    after them. What it cannot compile runs as Brian2 has it, in the same slot. A step is `run`, or `run_part` of every
    part, in any order or at once, and then `finish`.

    Parameters
    ----------
    group : Group
        Such as a `NeuronGroup` or a `PoissonGroup`.
    schedule : sequence of str
        The network's; what the group runs before `groups` or after `resets` stays where it is.
    n_parts : int
        Into how many parts the neurons are divided; the results are the same.

    Attributes
    ----------
    is_random : bool
        Whether it draws random numbers; known once a run begins.
    numbers : array, shape (len(group),)
        What the random numbers of a neuron depend on, beside the seed, the name of the group and the step.
    """

    def __init__(self, group: Group, schedule: Sequence[str], n_parts: int = 1) -> None:
        super().__init__(clock=group.clock, when="groups", order=group.order, name=f"{group.name}_loop")
        self.group, self.n_parts = group, n_parts
        self.runners = _runners(group, schedule)
        for runner in self.runners:
            runner.active = False
        self.numbers = np.arange(len(group))
        self.parts: list[_Part] = []
        self.is_random = False
        self.seed(np.random.randint(2**31))  # noqa: NPY002  (the state that `brian2.seed` seeds)

    def seed(self, seed: int) -> None:
        """Let the random numbers be those of this seed, from its first step on."""
        words = np.random.SeedSequence([seed, crc32(self.name.encode())])
        self.key, self.k = words.generate_state(1, np.uint64)[0], 0

    def before_run(self, run_namespace: Any) -> None:
        for runner in self.runners:
            runner.before_run(run_namespace)
        codes, self.parts = [runner for runner in self.runners if runner.codeobj is not None], []
        try:
            blocks = _blocks(codes)
            self.is_random = any(block.random for block in blocks)
            self.parts = _compile(self.group, blocks, self.numbers, self.n_parts)
        except NotCompilable as reason:
            logger.info(f"{self.group.name} runs as Brian2's own code: {reason}", "not_compiled")

    def run(self) -> None:
        for number in range(self.n_parts):
            self.run_part(number)
        self.finish()

    def run_part(self, number: int) -> None:
        if number < len(self.parts):
            self.parts[number].step(self.key, self.k)

    def finish(self) -> None:
        if self.parts:
            _join(self.parts)
        else:
            for runner in self.runners:
                runner.run()
        self.k += 1

    def after_run(self) -> None:
        for runner in self.runners:
            runner.after_run()


def _runners(group: Group, schedule: Sequence[str]) -> list[CodeRunner]:
    """What the group runs between its state update and its resets, in the network's order."""
    slots = [f"{moment}{slot}" for slot in schedule for moment in ("before_", "", "after_")]
    first, last = slots.index("groups"), slots.index("after_resets")
    runners = [o for o in group.contained_objects if isinstance(o, CodeRunner) and o.active]
    runners = [r for r in runners if r.clock is group.clock and first <= slots.index(r.when) <= last]
    return sorted(runners, key=lambda r: (slots.index(r.when), r.order, r.name))


def _blocks(runners: Sequence[CodeRunner]) -> list[Block]:
    blocks: list[Block] = []
    for number, runner in enumerate(runners):
        blocks.append(make_block(runner, str(number), sum(block.random for block in blocks)))
    return blocks


class _Part(NamedTuple):
    """What runs a step of the neurons from `start` on, given a key and its number, and where it writes each event.

    The first part writes to `eventspaces`, those of the whole group, and the others to `spaces` of their own.
    """

    step: Step
    start: int
    spaces: list[NDArray[np.int32]]
    eventspaces: list[NDArray[np.int32]]


def _compile(group: Group, blocks: Sequence[Block], numbers: NDArray[np.int64], n_parts: int) -> list[_Part]:
    """What runs a step of all blocks, in parts unless all write the same variable."""
    events = [block.event for block in blocks if block.template == "threshold"]
    if missing := {block.event for block in blocks if block.template == "reset"}.difference(events):
        raise NotCompilable(f"a reset follows {missing.pop()!r}, whose threshold is tested elsewhere")
    variables = {name: v for block in blocks for name, v in block.variables.items()}
    constants = {name: v.value for name, v in variables.items() if isinstance(v, Constant)}
    for block in blocks:
        constants |= block.numbers
    arrays = {name: variables[name].get_value() for name in sorted(set().union(*(b.arrays for b in blocks)))}
    if clash := (NAMESPACE.keys() | {"range"}) & (constants.keys() | arrays.keys()):
        raise NotCompilable(f"a variable is called {clash.pop()!r}")
    source = write_source(blocks, list(constants), list(arrays), events)
    eventspaces = [group.variables[f"_{event}space"].get_value() for event in events]

    if any(block.shared_writes for block in blocks):
        n_parts = 1

    def part(start: int, stop: int) -> _Part:
        own = [array if variables[name].scalar else array[start:stop] for name, array in arrays.items()]
        spaces = [np.zeros(stop - start + 1, np.int32) if start else space[: stop + 1] for space in eventspaces]
        arguments = [numbers[start:stop], *constants.values(), *own, *spaces]
        run = compiled(source, [np.uint64(0), 0, *arguments])
        return _Part(lambda key, k: run(key, k, *arguments), start, spaces, eventspaces)

    return [part(start, stop) for start, stop in pairwise(_cuts(len(group), n_parts))]


def _cuts(size: int, n_parts: int) -> list[int]:
    """Where parts of a group begin and end: at multiples of what the loop does at once, so that it does the same."""
    chunks = math.ceil(size / PART)
    return sorted({min(size, PART * (number * chunks // n_parts)) for number in range(n_parts + 1)})


def _join(parts: Sequence[_Part]) -> None:
    """Write the events of all parts behind those of the first, and their number at the end, as Brian2 has it."""
    first, *others = parts
    for number, eventspace in enumerate(first.eventspaces):
        found = first.spaces[number][-1]
        for part in others:
            own = part.spaces[number]
            np.add(own[: own[-1]], part.start, out=eventspace[found : found + own[-1]])
            found += own[-1]
        eventspace[-1] = found

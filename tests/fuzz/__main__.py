"""`make fuzz`: many cases of each kind; what is found is kept in .fuzz/ and can be judged again."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from models.paths import ROOT
from tests.fuzz.outcome import FINDINGS, Outcome
from tests.fuzz.watch import KINDS, judge, watched

FOUND = ROOT / ".fuzz"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status is 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--cases", type=int, default=3000, help="of each kind (default: 3000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the number of the first case")
    parser.add_argument("--replay", type=Path, metavar="DIR", help="judge the case in this folder again")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        outcome = judge(options.replay.name.split("-")[0], options.replay)
        print(outcome.kind, outcome.words, sep="\n")
        return int(outcome.is_finding)
    if unknown := [kind for kind in options.kinds if kind not in KINDS]:
        parser.error(f"unknown kind {unknown[0]!r}; known are {', '.join(KINDS)}")
    numbers = range(options.first, options.first + options.cases)
    return int(sum(fuzz(kind, options.seed, numbers) for kind in options.kinds or KINDS) > 0)


def fuzz(kind: str, seed: int, numbers: Sequence[int]) -> int:
    """The number of findings, each of which is kept."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch, watched(kind, seed) as ask:
        for done, number in enumerate(numbers, 1):
            folder = Path(scratch) / f"{kind}-{seed}-{number}"
            folder.mkdir()
            outcome = ask(number, folder)
            counts[outcome.kind] += 1
            keep(folder, outcome)
            shutil.rmtree(folder)
            if done % 500 == 0 or done == len(numbers):
                print(f"{kind}, seed {seed}: {done} of {len(numbers)} cases; {_told(counts)}", flush=True)
    return sum(counts[name] for name in FINDINGS)


def keep(folder: Path, outcome: Outcome) -> None:
    """A finding, in the folder of findings; of a refusal in Python's words these alone, to be made clearer."""
    FOUND.mkdir(exist_ok=True)
    if outcome.kind == "vague":
        with (FOUND / "vague.txt").open("a") as file:
            print(folder.name, outcome.words.replace(str(folder), ""), file=file)
    if not outcome.is_finding:
        return
    kept = FOUND / folder.name
    shutil.copytree(folder, kept, dirs_exist_ok=True)
    (kept / "outcome.txt").write_text(f"{outcome.kind}\n{outcome.words}\n", errors="backslashreplace")
    last = outcome.words.strip().splitlines()[-1:] or [""]
    print(f"{outcome.kind}: {last[0][:300]}\n  python -m tests.fuzz --replay {kept.relative_to(ROOT)}", flush=True)


def _told(counts: Counter[str]) -> str:
    always = dict.fromkeys(("equal", "refused", "wrong", "traceback", "hang"), 0)
    return ", ".join(f"{count} {name}" for name, count in {**always, **counts}.items())


if __name__ == "__main__":
    sys.exit(main())

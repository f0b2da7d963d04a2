"""The trainer's command line: `brianize train NAME`, or `python -m models.train`. Needs the extra `train` (PyTorch).

Training goes on from its last finished epoch, writes `weights/NAME.onnx`, and enters its hash and the accuracies of
what was written in `weights/weights.json`. Networks are added in `models.train.recipes`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from models.datasets import load_dataset
from models.paths import WEIGHTS
from models.train.loop import enter, outputs, sha256, to_file, train
from models.train.recipes import RECIPES, Recipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one network and enter it; ends with the status 2 where an option is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without which a GPU may add in any order
    torch.use_deterministic_algorithms(True)
    recipe = RECIPES[options.name]
    if options.learning_rate is not None:
        recipe = replace(recipe, learning_rate=options.learning_rate)
    recipe = replace(recipe, steps=options.steps or 0)
    try:
        entry = _train(recipe, options)
    except ValueError as error:
        parser.error(str(error))
    enter(WEIGHTS / "weights.json", _written(options), entry)
    print(json.dumps({_written(options): entry}, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="brianize train", description=__doc__)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--epochs", type=_positive, help="instead of the recipe's")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the chance in training; another than 0 writes NAME_seedN"
    )
    parser.add_argument("--threads", type=_positive, default=2)
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", type=_device, default=kind, help=f"as PyTorch names it (default: {kind})")
    parser.add_argument("--checkpoint-dir", type=Path, default=Path(".checkpoints"))
    parser.add_argument("--data", type=Path, help="the data directory")
    parser.add_argument("--steps", type=_positive, help="fine-tune for so many steps as spikes; writes NAME_steps")
    parser.add_argument("--learning-rate", type=_rate, help="instead of the recipe's")
    parser.add_argument(
        "--start", type=_existing, help="weights to start from, of the same network; its hash is entered"
    )
    return parser


def _train(recipe: Recipe, options: argparse.Namespace) -> dict[str, Any]:
    """Train, write the file, and say what it is."""
    name, seed, epochs = _written(options), options.seed, options.epochs or recipe.epochs
    origin: dict[str, Any] = {"command": _command(options, epochs)}
    origin |= {} if options.start is None else {"start": _origin_of(options.start)}
    data, path = recipe.training(options.data), WEIGHTS / f"{name}.onnx"
    checkpoint = options.checkpoint_dir / f"{name}-{seed}-{epochs}.pt"
    network = train(recipe, data, checkpoint, epochs=epochs, seed=seed, start=options.start, device=options.device)
    measure, measured = recipe.measure
    tests = {test: load_dataset(test, options.data) for test in recipe.tests}
    to_file(network, tests[recipe.tests[0]].x.shape[1:], path, spiking=recipe.spiking, metadata=recipe.metadata)
    about = {"dataset": data.name, "images": len(data.y), "epochs": epochs, "seed": seed}
    measures = {test: measured(outputs(path, images.x), images.y) for test, images in tests.items()}
    return {"sha256": sha256(path), **origin, **about, measure: measures}


def _written(options: argparse.Namespace) -> str:
    """What the network is called: another seed or number of steps makes another network."""
    seed = f"_seed{options.seed}" if options.seed else ""
    return options.name + seed + ("" if options.steps is None else f"_steps{options.steps}")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return rate


def _device(text: str) -> str:
    try:
        torch.zeros(1, device=text)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise argparse.ArgumentTypeError(f"{text!r} is no device that PyTorch can use here: {reason}") from None
    return text


def _existing(text: str) -> Path:
    if not (path := Path(text)).is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is not a file")
    return path


def _command(options: argparse.Namespace, epochs: int) -> str:
    """What makes the same file again."""
    values = {"seed": options.seed, "epochs": epochs}
    values |= {"steps": options.steps} if options.steps else {}
    values |= {"learning-rate": options.learning_rate, "start": options.start}
    values |= {"device": options.device} if options.device != "cpu" else {}
    given = (f" --{option} {value}" for option, value in values.items() if value is not None)
    return f"python -m models.train {options.name}{''.join(given)}"


def _origin_of(start: Path) -> dict[str, str]:
    """The hash of the weights that a training starts from and, of a network that was entered, how they were made."""
    digest, listing = sha256(start), WEIGHTS / "weights.json"
    entries = json.loads(listing.read_text()).values() if listing.is_file() else ()
    commands = [entry["command"] for entry in entries if entry["sha256"] == digest]
    return {"sha256": digest} | ({"command": commands[0]} if commands else {})


if __name__ == "__main__":
    sys.exit(main())

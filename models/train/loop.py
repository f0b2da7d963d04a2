"""Train a network by its recipe, from its last finished epoch on, and write it as an ONNX file."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from tqdm import tqdm

from models.atomic import write_atomically
from models.datasets import Dataset
from models.graph import Array
from models.onnx_io import load, to_half, to_onnx
from models.train.recipes import Recipe, Rng

BATCH_SIZE = 100
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Steppers = list[tuple[torch.optim.Optimizer, LRScheduler]]


def train(
    recipe: Recipe, data: Dataset, checkpoint: Path, *, epochs: int, seed: int = 0, start: Path | None = None
) -> nn.Module:
    """Train with the recipe's optimizers and a one-cycle learning rate, from the checkpoint on if it exists.

    Interrupted or not, the same seed gives the same network. With the weights of a file to `start` from, the learning
    rate goes up and down once more (a warm restart, Loshchilov 2017).

    Raises
    ------
    ValueError
        If the checkpoint is of another network or recipe, or the file to start from of another network.
    """
    torch.manual_seed(seed)
    network = recipe.network()
    if start is not None:
        load_weights(network, start)
    network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizers = recipe.optimizers(network, recipe.learning_rate)
    total = epochs * -(-len(data.y) // BATCH_SIZE)
    steppers = [(optimizer, _one_cycle(optimizer, total)) for optimizer in optimizers]
    parts = {"network": network} | {f"{i}.{j}": part for i, pair in enumerate(steppers) for j, part in enumerate(pair)}
    about = f"{network}, {data.name}, {recipe.optimizers.__name__}, learning rate {recipe.learning_rate}"
    about += f", started from {sha256(start)}" if start is not None else ""
    for epoch in range(_resume(checkpoint, parts, about), epochs):
        rng = np.random.default_rng([seed, epoch])
        loss = np.mean([_step(network, recipe.loss, steppers, x, y) for x, y in _batches(recipe, data, rng, epoch)])
        _save(checkpoint, parts, about, epoch + 1)
        print(f"{checkpoint.stem}: epoch {epoch + 1} of {epochs}, loss {loss:.4f}", flush=True)
    return network.eval()


def load_weights(network: nn.Module, path: Path) -> None:
    """Give a network the weights of a file that `to_file` wrote; not with batch norm, which a file holds folded.

    Raises
    ------
    ValueError
        If the file's weights have other names or shapes than the network's.
    """
    values = {_plain(tensor.name): onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    weights = {_plain(name): weight for name, weight in network.state_dict().items()}
    found, wanted = ({name: tuple(value.shape) for name, value in some.items()} for some in (values, weights))
    if found != wanted:
        odd = sorted(name for name, _ in found.items() ^ wanted.items())
        raise ValueError(f"the weights of {path} are not those of this network: {', '.join(odd)}")
    for name, weight in weights.items():
        weight.copy_(torch.from_numpy(values[name].copy()))


def _plain(name: str) -> str:
    """A weight's name, the same in PyTorch and in a file of half precision."""
    return name.removesuffix(".half").replace(".", "_")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _batches(recipe: Recipe, data: Dataset, rng: Rng, epoch: int):
    """All images once in random order, as tensors."""
    parts = np.array_split(rng.permutation(len(data.y)), -(-len(data.y) // BATCH_SIZE))
    for part in tqdm(parts, f"epoch {epoch + 1}", leave=False):
        images, labels = recipe.compose(recipe.augment(data.x[part], rng), data.y[part], rng)
        yield torch.from_numpy(images).contiguous(memory_format=torch.channels_last), torch.from_numpy(labels)


def _one_cycle(optimizer: torch.optim.Optimizer, total_steps: int) -> LRScheduler:
    """Up to the optimizer's learning rate and down again."""
    return OneCycleLR(optimizer, optimizer.defaults["lr"], total_steps=total_steps)


def _step(network: nn.Module, loss_of: Loss, steppers: Steppers, x: torch.Tensor, y: torch.Tensor) -> float:
    with torch.autocast("cpu", torch.bfloat16):  # twice the speed; the weights themselves stay float32
        logits = network(x)
    loss = loss_of(logits.float(), y)
    network.zero_grad()
    loss.backward()
    for optimizer, schedule in steppers:
        optimizer.step()
        schedule.step()
    return loss.item()


def _resume(checkpoint: Path, parts: dict[str, Any], about: str) -> int:
    """Load a checkpoint of the same training; returns how many epochs are done."""
    if not checkpoint.is_file():
        return 0
    stored = torch.load(checkpoint, weights_only=True)
    if stored["about"] != about:
        raise ValueError(f"{checkpoint} is of another network or recipe; remove it, or name another --checkpoint-dir")
    for key, part in parts.items():
        part.load_state_dict(stored[key])
    torch.set_rng_state(stored["rng"])
    return stored["epochs"]


def _save(checkpoint: Path, parts: dict[str, Any], about: str, epochs: int) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    states = {key: part.state_dict() for key, part in parts.items()}
    buffer = io.BytesIO()
    torch.save({**states, "rng": torch.get_rng_state(), "about": about, "epochs": epochs}, buffer)
    write_atomically(checkpoint, buffer.getvalue())


def to_file(
    network: nn.Module,
    input_shape: tuple[int, ...],
    path: Path,
    *,
    spiking: bool,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the trained network as ONNX with float16 weights; a spiking one as `models.onnx_io` writes graphs."""
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / path.name
        _export(network, input_shape, exported)
        model = to_onnx(load(exported)) if spiking else onnx.load(exported)
    onnx.helper.set_model_props(model, dict(metadata or {}))
    write_atomically(path, to_half(model).SerializeToString(deterministic=True))


def _export(network: nn.Module, input_shape: tuple[int, ...], path: Path) -> None:
    example = (torch.zeros(1, *input_shape),)
    batch = {"input": {0: "batch"}, "output": {0: "batch"}}
    with warnings.catch_warnings():  # the older exporter, which says that it is old, keeps the names of the modules
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            example,
            path,
            dynamo=False,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes=batch,
        )


def outputs(path: Path, x: Array) -> Array:
    """What a file makes of images in onnxruntime."""
    session = onnxruntime.InferenceSession(path)
    key = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {key: x[start : start + 500]})[0] for start in range(0, len(x), 500)])


def enter(listing: Path, name: str, entry: dict[str, Any]) -> None:
    """Write or replace a network's entry in weights.json."""
    entries = json.loads(listing.read_text()) if listing.is_file() else {}
    entries[name] = entry
    write_atomically(listing, json.dumps(dict(sorted(entries.items())), indent=2) + "\n")

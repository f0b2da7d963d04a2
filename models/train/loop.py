"""Train a network by its recipe, from its last finished epoch on, and write it as an ONNX file."""

from __future__ import annotations

import hashlib
import io
import json
import math
import tempfile
import warnings
from collections.abc import Mapping
from functools import partial
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
from models.datasets import Dataset, npz_arrays
from models.graph import Array
from models.onnx_io import load, to_bytes, to_half, to_onnx
from models.structure import per_channel
from models.train.quantised import clipped, count_in_steps
from models.train.recipes import Recipe, Rng

LARGEST_FILE = 16e6  # bytes
Steppers = list[tuple[torch.optim.Optimizer, LRScheduler]]


def train(
    recipe: Recipe,
    data: Dataset,
    checkpoint: Path,
    *,
    epochs: int,
    seed: int = 0,
    start: Path | None = None,
    device: str = "cpu",
) -> nn.Module:
    """Train with the recipe's optimizers and a one-cycle learning rate, from the checkpoint on if it exists.

    Interrupted or not, the same seed gives the same network on the same kind of device. With the weights of a file to
    `start` from, the learning rate goes up and down once more (a warm restart, Loshchilov 2017).

    Raises
    ------
    ValueError
        If the checkpoint is of another network, recipe or device, or the file to start from of another network.
    """
    torch.manual_seed(seed)
    network = recipe.network()
    if start is not None:
        load_weights(network, start)
    if recipe.steps:
        count_in_steps(network, recipe.steps)
    network = network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    steppers = _steppers(recipe, network, epochs * -(-len(data.y) // recipe.batch))
    parts = {"network": network} | {f"{i}.{j}": part for i, pair in enumerate(steppers) for j, part in enumerate(pair)}
    about = _about(recipe, network, data, start, device)
    for epoch in range(_resume(checkpoint, parts, about), epochs):
        rng = np.random.default_rng([seed, epoch])
        batches = _batches(recipe, data, rng, f"epoch {epoch + 1}")
        loss = np.mean([_step(recipe, network, steppers, x.to(device), y.to(device)) for x, y in batches])
        _save(checkpoint, parts, about, epoch + 1)
        print(f"{checkpoint.stem}: epoch {epoch + 1} of {epochs}, loss {loss:.4f}", flush=True)
    return network.eval().cpu()


def _steppers(recipe: Recipe, network: nn.Module, total_steps: int) -> Steppers:
    optimizers = recipe.optimizers(network, recipe.learning_rate, recipe.weight_decay)
    return [(optimizer, _one_cycle(optimizer, total_steps)) for optimizer in optimizers]


def _about(recipe: Recipe, network: nn.Module, data: Dataset, start: Path | None, device: str) -> str:
    """What a checkpoint must be of, to go on from it."""
    how = ", ".join(map(_named, (recipe.optimizers, recipe.loss, recipe.augment, recipe.compose)))
    numbers = f"learning rate {recipe.learning_rate}, decay {recipe.weight_decay}, batch {recipe.batch}"
    about = f"{network}, {data.name}, {how}, {numbers}, gradient {recipe.largest_gradient}, {device}"
    return about + (f", started from {sha256(start)}" if start is not None else "")


def _named(value: Any) -> str:
    """A function by its name and, of a partial one, its arguments: the same in every process."""
    if not isinstance(value, partial):
        return getattr(value, "__qualname__", repr(value))
    given = (*map(_named, value.args), *(f"{key}={_named(argument)}" for key, argument in value.keywords.items()))
    return f"{_named(value.func)}({', '.join(given)})"


def load_weights(network: nn.Module, path: Path) -> None:
    """Give a network the weights of a file that `to_file` wrote, or of an npz file with those of its state dict.

    A file that `to_file` wrote has batch norm folded, and so cannot be started from where there is any.

    Raises
    ------
    ValueError
        If the file's weights have other names or shapes than the network's.
    """
    values, weights = _stored(path), {_plain(name): weight for name, weight in network.state_dict().items()}
    found, wanted = ({name: tuple(value.shape) for name, value in some.items()} for some in (values, weights))
    if found != wanted:
        odd = sorted({name for name, _ in found.items() ^ wanted.items()})
        raise ValueError(f"the weights of {path} are not those of this network: {', '.join(odd)}")
    for name, weight in weights.items():
        weight.copy_(torch.from_numpy(values[name].copy()))


def _stored(path: Path) -> dict[str, Array]:
    """The weights of a file by their plain names; those of 8 bits times the scale NAME.scale of each output."""
    if path.suffix == ".npz":
        stored = dict(npz_arrays(path))
    else:
        stored = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    values = {_plain(name): value for name, value in stored.items()}
    scales = {name: values.pop(f"{name}_scale") for name in list(values) if f"{name}_scale" in values}
    return values | {name: values[name] * per_channel(scale, values[name].ndim) for name, scale in scales.items()}


def _plain(name: str) -> str:
    """A weight's name, the same in PyTorch and in a file of half precision or of bytes."""
    return name.removesuffix(".half").removesuffix(".bytes").replace(".", "_")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _batches(recipe: Recipe, data: Dataset, rng: Rng, title: str):
    """All images once in random order, as tensors."""
    parts = np.array_split(rng.permutation(len(data.y)), -(-len(data.y) // recipe.batch))
    for part in tqdm(parts, title, leave=False):
        images, labels = recipe.compose(recipe.augment(data.x[part], rng), data.y[part], rng)
        yield torch.from_numpy(images).contiguous(memory_format=torch.channels_last), torch.from_numpy(labels)


def _one_cycle(optimizer: torch.optim.Optimizer, total_steps: int) -> LRScheduler:
    """Up to the optimizer's learning rate and down again."""
    return OneCycleLR(optimizer, optimizer.defaults["lr"], total_steps=total_steps)


def _step(recipe: Recipe, network: nn.Module, steppers: Steppers, x: torch.Tensor, y: torch.Tensor) -> float:
    with torch.autocast(x.device.type, torch.bfloat16):  # twice the speed; the weights themselves stay float32
        logits = network(x)
    loss = recipe.loss(logits.float(), y)
    network.zero_grad()
    loss.backward()
    if math.isfinite(recipe.largest_gradient):
        nn.utils.clip_grad_norm_(network.parameters(), recipe.largest_gradient)
    for optimizer, schedule in steppers:
        optimizer.step()
        schedule.step()
    return loss.item()


def _resume(checkpoint: Path, parts: dict[str, Any], about: str) -> int:
    """Load a checkpoint of the same training; returns how many epochs are done."""
    if not checkpoint.is_file():
        return 0
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    if stored["about"] != about:
        raise ValueError(
            f"{checkpoint} is of another network, recipe or device; remove it, or name another --checkpoint-dir"
        )
    for key, part in parts.items():
        part.load_state_dict(stored[key])
    torch.set_rng_state(stored["rng"])
    torch.cuda.set_rng_state_all(stored["rng of devices"])
    return stored["epochs"]


def _save(checkpoint: Path, parts: dict[str, Any], about: str, epochs: int) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    states = {key: part.state_dict() for key, part in parts.items()}
    random = {"rng": torch.get_rng_state(), "rng of devices": torch.cuda.get_rng_state_all()}
    buffer = io.BytesIO()
    torch.save({**states, **random, "about": about, "epochs": epochs}, buffer)
    write_atomically(checkpoint, buffer.getvalue())


def to_file(
    network: nn.Module,
    input_shape: tuple[int, ...],
    path: Path,
    *,
    spiking: bool,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the trained network as ONNX; a spiking one as `models.onnx_io` writes graphs.

    Its weights are float16, or of 8 bits with a scale per output where the file would exceed `LARGEST_FILE`.
    """
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / path.name
        _export(network, input_shape, exported)
        model = to_onnx(load(exported)) if spiking else onnx.load(exported)
    onnx.helper.set_model_props(model, dict(metadata or {}))
    half = to_half(model)
    small = half if half.ByteSize() <= LARGEST_FILE else to_bytes(model)
    write_atomically(path, small.SerializeToString(deterministic=True))


def _export(network: nn.Module, input_shape: tuple[int, ...], path: Path) -> None:
    example = (torch.zeros(1, *input_shape),)
    batch = {"input": {0: "batch"}, "output": {0: "batch"}}
    with warnings.catch_warnings():  # the older exporter, which says that it is old, keeps the names of the modules
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            clipped(network).eval(),
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

"""Train the shipped networks again: `python -m models.train NAME`. Needs the extra `train` (PyTorch).

A network is a `Recipe` in `RECIPES`: its layers, its data and how long to train. Training resumes from its last epoch,
writes `weights/NAME.onnx` and enters hash, seed and accuracies in `weights/weights.json`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from models.datasets import Dataset, load_dataset
from models.graph import INPUT, LINEAR, RELU, AvgPool2d, Conv2d, Dense, Flatten, Graph, Layer, sequential
from models.onnx_export import save
from models.onnx_runtime import predict

WEIGHTS = Path(__file__).resolve().parent / "weights"
BATCH_SIZE = 100


@dataclass(frozen=True)
class Recipe:
    """How a network is made: modules named as the layers will be, training data, images to test on, epochs."""

    modules: Callable[[], nn.Sequential]
    training: Callable[[Path | None], Dataset]
    tests: tuple[str, ...]
    input_shape: tuple[int, ...]
    epochs: int
    shift: int
    learning_rate: float = 2e-3


def named(**modules: nn.Module) -> nn.Sequential:
    network = nn.Sequential()
    for name, module in modules.items():
        network.add_module(name, module)
    return network


def mnist_convnet() -> nn.Sequential:
    """Diehl 2015: 28x28-12c5-2s-64c5-2s-10o, no biases."""
    return named(
        conv1=nn.Conv2d(1, 12, 5, bias=False), relu1=nn.ReLU(), pool1=nn.AvgPool2d(2),
        conv2=nn.Conv2d(12, 64, 5, bias=False), relu2=nn.ReLU(), pool2=nn.AvgPool2d(2),
        flatten=nn.Flatten(), dropout=nn.Dropout(0.5), fc=nn.Linear(1024, 10, bias=False),
    )  # fmt: skip


def mnist_mlp() -> nn.Sequential:
    """Diehl 2015: 784-1200-1200-10, no biases, dropout."""
    return named(
        flatten=nn.Flatten(), dropout0=nn.Dropout(0.2),
        fc1=nn.Linear(784, 1200, bias=False), relu1=nn.ReLU(), dropout1=nn.Dropout(0.5),
        fc2=nn.Linear(1200, 1200, bias=False), relu2=nn.ReLU(), dropout2=nn.Dropout(0.5),
        fc3=nn.Linear(1200, 10, bias=False),
    )  # fmt: skip


def mnist_without_digits(data_dir: Path | None) -> Dataset:
    """MNIST's training images without the 5,000 of the embedded set, which therefore can test."""
    train, embedded = load_dataset("mnist_train", data_dir), load_dataset("digits")
    known = {image.tobytes() for image in embedded.x}
    keep = np.array([image.tobytes() not in known for image in train.x])
    if len(keep) - keep.sum() < len(known):
        raise ValueError(f"only {len(keep) - keep.sum()} of the {len(known)} embedded digits were found in MNIST's training set")
    return Dataset("mnist_train without digits", train.x[keep], train.y[keep])


RECIPES = {
    "mnist_convnet": Recipe(mnist_convnet, mnist_without_digits, ("mnist", "digits"), (1, 28, 28), epochs=20, shift=2),
    "mnist_mlp": Recipe(mnist_mlp, mnist_without_digits, ("mnist", "digits"), (1, 28, 28), epochs=20, shift=1),
}


def train(
    name: str, *, epochs: int | None = None, seed: int = 0, checkpoints: Path = Path(".checkpoints"), data_dir: Path | None = None
) -> nn.Sequential:
    """Train a network of `RECIPES` with Adam and a one-cycle learning rate, from its last checkpoint if there is one."""
    recipe = RECIPES[name]
    torch.manual_seed(seed)
    data = recipe.training(data_dir)
    network = recipe.modules().train()
    epochs = epochs or recipe.epochs
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    steps = -(-len(data.y) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=epochs * steps)
    path = checkpoints / f"{name}-{seed}-{epochs}.pt"
    state = {"network": network, "optimizer": optimizer, "schedule": schedule}
    for epoch in range(_resume(path, state), epochs):
        loss = _epoch(network, optimizer, schedule, data, recipe.shift, np.random.default_rng([seed, epoch]), f"{name} {epoch + 1}/{epochs}")
        _checkpoint(path, state, epoch + 1)
        print(f"{name}: epoch {epoch + 1} of {epochs}, loss {loss:.4f}", flush=True)
    return network.eval()


def _epoch(network, optimizer, schedule, data: Dataset, shift: int, rng: np.random.Generator, label: str) -> float:
    losses = []
    for batch in tqdm(np.array_split(rng.permutation(len(data.y)), -(-len(data.y) // BATCH_SIZE)), label, leave=False):
        x = torch.from_numpy(shifted(data.x[batch], shift, rng))
        loss = functional.cross_entropy(network(x), torch.from_numpy(data.y[batch]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def shifted(images: np.ndarray, largest: int, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by up to `largest` pixels in both directions, black coming in."""
    padded = np.pad(images, ((0, 0), (0, 0), (largest, largest), (largest, largest)))
    height, width = images.shape[2:]
    offsets = rng.integers(0, 2 * largest + 1, (len(images), 2))
    return np.stack([image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, offsets, strict=True)])


def _resume(path: Path, state: dict) -> int:
    """Load a checkpoint; returns the epoch to go on from."""
    if not path.is_file():
        return 0
    stored = torch.load(path, weights_only=True)
    for key, part in state.items():
        part.load_state_dict(stored[key])
    torch.set_rng_state(stored["rng"])
    return stored["epoch"]


def _checkpoint(path: Path, state: dict, epoch: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {key: part.state_dict() for key, part in state.items()}
    torch.save({**stored, "rng": torch.get_rng_state(), "epoch": epoch}, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def to_graph(network: nn.Sequential, input_shape: tuple[int, ...]) -> Graph:
    """The trained modules as layers; a ReLU joins the layer before it, dropout falls away."""
    modules = list(network.named_children())
    layers: list[Layer] = []
    for (name, module), (_, following) in zip(modules, [*modules[1:], ("", nn.Identity())], strict=True):
        activation = RELU if isinstance(following, nn.ReLU) else LINEAR
        match module:
            case nn.Conv2d():
                padding = tuple(int(p) for p in module.padding) * 2
                layers.append(
                    Conv2d(
                        name=name, inputs=(INPUT,), weight=module.weight.detach().numpy(), bias=_array(module.bias),
                        stride=module.stride, padding=padding, activation=activation,
                    )  # fmt: skip
                )
            case nn.Linear():
                weight = module.weight.detach().numpy()
                layers.append(Dense(name=name, inputs=(INPUT,), weight=weight, bias=_array(module.bias), activation=activation))
            case nn.AvgPool2d():
                size = (module.kernel_size, module.kernel_size)
                layers.append(AvgPool2d(name=name, inputs=(INPUT,), kernel=size, stride=size))
            case nn.Flatten():
                layers.append(Flatten(name=name, inputs=(INPUT,)))
    return sequential(input_shape, *layers)


def _array(bias: torch.Tensor | None) -> np.ndarray | None:
    return None if bias is None else bias.detach().numpy()


def accuracy(graph: Graph, data: Dataset) -> float:
    """Share of images whose largest output is their label."""
    return float((predict(graph, data.x).argmax(axis=1) == data.y).mean())


def enter(name: str, entry: dict) -> None:
    """Write or replace a network's entry in weights.json."""
    path = WEIGHTS / "weights.json"
    entries = json.loads(path.read_text()) if path.is_file() else {}
    entries[name] = entry
    path.write_text(json.dumps(dict(sorted(entries.items())), indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, help="the data directory")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = RECIPES[arguments.name]
    network = train(arguments.name, epochs=arguments.epochs, seed=arguments.seed, data_dir=arguments.data)
    graph = to_graph(network, recipe.input_shape)
    path = WEIGHTS / f"{arguments.name}.onnx"
    save(graph, path)
    accuracies = {test: accuracy(graph, load_dataset(test, arguments.data)) for test in recipe.tests}
    entry = {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "command": f"python -m models.train {arguments.name} --seed {arguments.seed}",
        "epochs": arguments.epochs or recipe.epochs,
        "accuracy": accuracies,
    }
    enter(arguments.name, entry)
    print(json.dumps({arguments.name: entry}, indent=2))


if __name__ == "__main__":
    main()

"""Training a network of a few neurons: the same weights, interrupted or not, and a file that is what its entry says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[train]'")

from torch import nn  # noqa: E402

from models.datasets.loading import Dataset, load_dataset  # noqa: E402
from models.onnx_io.reading import load  # noqa: E402
from models.train import __main__ as command_line  # noqa: E402
from models.train import loop  # noqa: E402
from models.train.architectures import stack  # noqa: E402
from models.train.loop import enter, load_weights, outputs, to_file, train  # noqa: E402
from models.train.optimizers import muon_and_adam, sgd  # noqa: E402
from models.train.recipes import RECIPES as SHIPPED  # noqa: E402
from models.train.recipes import Recipe  # noqa: E402


def network() -> nn.Sequential:
    """Dropout, so that PyTorch's random numbers matter as well."""
    return stack(
        conv=nn.Conv2d(1, 4, 3, bias=False), relu=nn.ReLU(), pool=nn.AvgPool2d(2),
        flatten=nn.Flatten(), dropout=nn.Dropout(0.3), fc=nn.Linear(36, 10, bias=False),
    )  # fmt: skip


def noisy(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return images + rng.normal(0, 0.02, images.shape).astype(np.float32)


def some(data_dir: Path | None = None, n: int = 1000) -> Dataset:
    data = load_dataset("digits8")
    return replace(data, x=data.x[:n], y=data.y[:n])


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # for a network of this size, more threads only wait for each other
    yield
    torch.set_num_threads(before)


RECIPE = Recipe(network, some, noisy, tests=("digits8",), epochs=3, learning_rate=2e-2)


SMOOTHED = partial(nn.functional.cross_entropy, label_smoothing=0.1)
RECIPES = {
    "Adam": RECIPE,
    "Muon, decay": replace(RECIPE, optimizers=muon_and_adam, weight_decay=0.02, loss=SMOOTHED, batch=90),
    "SGD, short gradients": replace(RECIPE, optimizers=sgd, weight_decay=5e-4, largest_gradient=0.5),
}


def trained(checkpoint: Path, recipe: Recipe = RECIPE, **settings) -> dict[str, np.ndarray]:
    result = train(recipe, some(), checkpoint, epochs=3, **settings)
    return {name: values.numpy() for name, values in result.state_dict().items()}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def stop_at(monkeypatch: pytest.MonkeyPatch, call: int, name: str) -> None:
    """Ctrl-C before the given call, counted from 1, of a function of the module."""
    original, calls = getattr(loop, name), []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == call:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(loop, name, interrupted)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return trained(tmp_path_factory.mktemp("whole") / "x.pt")


@pytest.mark.parametrize(
    ("call", "name", "epochs_kept"), [(11, "_step", 1), (16, "_step", 1), (3, "_save", 2)],
    ids=["between epochs", "in an epoch", "before the third is saved"],
)  # fmt: skip
def test_interrupted_and_continued_gives_the_same_weights_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole, call: int, name: str, epochs_kept: int
) -> None:
    cut(tmp_path / "cut.pt", monkeypatch, call, name)
    assert torch.load(tmp_path / "cut.pt", weights_only=True)["epochs"] == epochs_kept
    assert same(trained(tmp_path / "cut.pt"), whole)


def cut(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, call: int, name: str, recipe: Recipe = RECIPE) -> None:
    """A training that is interrupted; something else uses random numbers before it may go on."""
    with monkeypatch.context() as patch:
        stop_at(patch, call, name)
        with pytest.raises(KeyboardInterrupt):
            trained(checkpoint, recipe)
    torch.manual_seed(99)


@pytest.mark.parametrize("name", RECIPES)
def test_every_optimizer_goes_on_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    cut(tmp_path / "cut.pt", monkeypatch, 16, "_step", RECIPES[name])
    assert same(trained(tmp_path / "cut.pt", RECIPES[name]), trained(tmp_path / "whole.pt", RECIPES[name]))


def test_a_step_is_no_longer_than_the_largest_gradient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nesterov's first step is 1.9 times the learning rate times the gradient, here of norm 0.1 over all weights."""
    recipe = replace(RECIPE, optimizers=sgd, largest_gradient=0.1)
    module = recipe.network()
    ((optimizer, _),) = steppers = loop._steppers(recipe, module, 10)
    rate, momentum = (optimizer.param_groups[0][key] for key in ("lr", "momentum"))
    before = [weight.detach().clone() for weight in module.parameters()]
    data = some(n=50)
    loop._step(recipe, module, steppers, torch.from_numpy(data.x), torch.from_numpy(data.y))
    moved = [(weight - old).square().sum().item() for weight, old in zip(module.parameters(), before, strict=True)]
    assert np.sqrt(sum(moved)) == pytest.approx(rate * (1 + momentum) * 0.1, rel=1e-3)


def test_a_batch_is_as_large_as_the_recipe_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(loop, "_step", lambda recipe, network, steppers, x, y: float(sizes.append(len(x)) or 0))
    train(replace(RECIPE, batch=300), some(), tmp_path / "x.pt", epochs=1)
    assert sizes == [250] * 4


def test_what_a_checkpoint_is_of_does_not_change_between_processes() -> None:
    data = some(n=10)
    for name, recipe in SHIPPED.items():
        about = loop._about(recipe, nn.Flatten(), data, None, "cpu")
        assert " at 0x" not in about, name
        assert about != loop._about(recipe, nn.Flatten(), data, None, "cuda")
        smoothed = replace(recipe, loss=partial(nn.functional.cross_entropy, label_smoothing=0.2))
        assert about != loop._about(smoothed, nn.Flatten(), data, None, "cpu")


def test_a_finished_training_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole) -> None:
    trained(tmp_path / "x.pt")
    stop_at(monkeypatch, 1, "_step")
    assert same(trained(tmp_path / "x.pt"), whole)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    trained(tmp_path / "x.pt")
    other = replace(RECIPE, learning_rate=1e-2)
    with pytest.raises(ValueError, match=r"x\.pt is of another network, recipe or device; remove it"):
        train(other, some(), tmp_path / "x.pt", epochs=3)


def test_the_seed_decides_the_weights(tmp_path: Path, whole) -> None:
    assert same(trained(tmp_path / "again.pt", seed=0), whole)
    assert not same(trained(tmp_path / "other.pt", seed=1), whole)


def test_a_failed_save_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(states, file) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    loop._save(tmp_path / "x.pt", {}, "some", 3)
    before = (tmp_path / "x.pt").read_bytes()
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        loop._save(tmp_path / "x.pt", {}, "some", 4)
    assert (tmp_path / "x.pt").read_bytes() == before


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    return train(RECIPE, some(), tmp_path_factory.mktemp("learned") / "x.pt", epochs=3)


@pytest.mark.parametrize("spiking", [True, False])
def test_the_file_computes_what_the_network_computes_up_to_half_precision(
    tmp_path: Path, learned: nn.Module, spiking: bool
) -> None:
    path = tmp_path / "x.onnx"
    to_file(learned, (1, 8, 8), path, spiking=spiking)
    x = load_dataset("digits8").x[:50]
    got = onnxruntime.InferenceSession(path).run(None, {"input": x})[0]
    with torch.no_grad():
        expected = learned(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, expected, atol=np.abs(expected).max() * 2e-3)
    assert [layer.name for layer in load(path)] == ["conv", "pool", "flatten", "fc"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.onnx"]


def test_what_cannot_spike_is_written_as_it_is(tmp_path: Path) -> None:
    tanh = stack(flatten=nn.Flatten(), fc=nn.Linear(64, 10), tanh=nn.Tanh())
    with pytest.raises(ValueError, match="Tanh"):
        to_file(tanh, (1, 8, 8), tmp_path / "x.onnx", spiking=True)
    assert list(tmp_path.iterdir()) == []
    to_file(tanh, (1, 8, 8), tmp_path / "x.onnx", spiking=False)
    assert np.abs(outputs(tmp_path / "x.onnx", load_dataset("digits8").x)).max() <= 1


def test_what_the_output_means_goes_into_the_file(tmp_path: Path, learned: nn.Module) -> None:
    to_file(learned, (1, 8, 8), tmp_path / "x.onnx", spiking=True, metadata={"made": "here"})
    assert {entry.key: entry.value for entry in onnx.load(tmp_path / "x.onnx").metadata_props} == {"made": "here"}


def test_a_recipe_may_compose_other_examples_and_have_a_loss_of_its_own(tmp_path: Path) -> None:
    """Half as many images, each the mean of two, that are to have their mean label: loss and examples meet."""
    seen = []

    def means(images, labels, rng):
        pairs = len(images) // 2
        return images[: 2 * pairs].reshape(pairs, 2, 1, 8, 8).mean(axis=1), labels[: 2 * pairs].reshape(pairs, 2)

    def squared(result, labels):
        seen.append((result.shape, labels.shape))
        return ((result.sum(dim=1) - labels.float().mean(dim=1)) ** 2).mean()

    recipe = replace(RECIPE, compose=means, loss=squared)
    before = recipe.network().state_dict()
    after = train(recipe, some(n=200), tmp_path / "x.pt", epochs=1).state_dict()
    assert seen == [((50, 10), (50, 2))] * 2
    assert not torch.equal(before["fc.weight"], after["fc.weight"])


def test_entries_are_sorted_and_replaced(tmp_path: Path) -> None:
    listing = tmp_path / "weights.json"
    for name, entry in (("b", {"epochs": 1}), ("a", {"epochs": 2}), ("b", {"epochs": 3})):
        enter(listing, name, entry)
    assert list(json.loads(listing.read_text()).items()) == [("a", {"epochs": 2}), ("b", {"epochs": 3})]


# Starting from weights


def test_a_warm_restart_begins_at_the_weights_of_the_file(tmp_path: Path, learned: nn.Module) -> None:
    to_file(learned, (1, 8, 8), tmp_path / "first.onnx", spiking=True)
    begun = network()
    load_weights(begun, tmp_path / "first.onnx")
    for name, weight in learned.state_dict().items():
        np.testing.assert_array_equal(begun.state_dict()[name].numpy(), weight.half().float().numpy())


def test_a_warm_restart_begins_at_the_weights_of_an_npz_file_with_scales(tmp_path: Path) -> None:
    """Weights of 8 bits, a scale per output, and others as they are; batch norm too, which ONNX files hold folded."""
    begun = stack(conv=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2))
    stored = {name: np.full(value.shape, 3, np.float16) for name, value in begun.state_dict().items()}
    stored["conv.weight"] = np.arange(18, dtype=np.int8).reshape(2, 1, 3, 3)
    np.savez(tmp_path / "x.npz", **stored, **{"conv.weight.scale": np.array([0.5, 2], np.float32)})
    load_weights(begun, tmp_path / "x.npz")
    weights = begun.state_dict()
    expected = stored["conv.weight"] * np.array([0.5, 2]).reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(weights.pop("conv.weight").numpy(), expected)
    assert all((value == 3).all() for value in weights.values())


def test_a_file_that_would_be_large_has_weights_of_8_bits_and_can_be_started_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learned: nn.Module
) -> None:
    monkeypatch.setattr(loop, "LARGEST_FILE", 100)
    to_file(learned, (1, 8, 8), tmp_path / "first.onnx", spiking=True)
    begun = network()
    load_weights(begun, tmp_path / "first.onnx")
    for name, weight in learned.state_dict().items():
        largest = weight.abs().reshape(len(weight), -1).max(dim=1).values.reshape(-1, *(1,) * (weight.ndim - 1))
        steps = begun.state_dict()[name] / (largest / 127)
        np.testing.assert_allclose(steps, (weight / (largest / 127)).round(), atol=1e-4)
    again = tmp_path / "second.onnx"
    to_file(begun, (1, 8, 8), again, spiking=True)
    np.testing.assert_allclose(outputs(again, some().x), outputs(tmp_path / "first.onnx", some().x), atol=1e-5)


def test_a_warm_restart_learns_more_than_as_long_a_training(tmp_path: Path, learned: nn.Module) -> None:
    def loss(network: nn.Module) -> float:
        data = some()
        return nn.functional.cross_entropy(network(torch.from_numpy(data.x)), torch.from_numpy(data.y)).item()

    to_file(learned, (1, 8, 8), tmp_path / "first.onnx", spiking=True)
    once = train(RECIPE, some(), tmp_path / "a.pt", epochs=1, seed=1)
    again = train(RECIPE, some(), tmp_path / "b.pt", epochs=1, seed=1, start=tmp_path / "first.onnx")
    assert loss(again) < loss(once)


def test_a_checkpoint_of_another_start_is_refused(tmp_path: Path, learned: nn.Module) -> None:
    to_file(learned, (1, 8, 8), tmp_path / "first.onnx", spiking=True)
    train(RECIPE, some(), tmp_path / "a.pt", epochs=1)
    with pytest.raises(ValueError, match="another network, recipe or device"):
        train(RECIPE, some(), tmp_path / "a.pt", epochs=1, start=tmp_path / "first.onnx")


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path) -> None:
    to_file(
        stack(flatten=nn.Flatten(), fc=nn.Linear(64, 10, bias=False)),
        (1, 8, 8),
        tmp_path / "o.onnx",
        spiking=True,
    )
    with pytest.raises(ValueError, match=r"o\.onnx are not those of this network: conv_weight, fc_weight"):
        load_weights(network(), tmp_path / "o.onnx")


# The command line


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`python -m models.train tiny ...`, with its files in `tmp_path`."""
    monkeypatch.setattr(command_line, "RECIPES", {"tiny": RECIPE})
    monkeypatch.setattr(command_line, "WEIGHTS", tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda wanted: None)

    def run(*arguments: str) -> None:
        command_line.main(["tiny", "--checkpoint-dir", str(tmp_path / "c"), *arguments])

    return run


def test_steps_are_in_the_name_and_the_command_and_the_file_clips(tmp_path: Path, command) -> None:
    command("--epochs", "1")
    command("--epochs", "1", "--steps", "4", "--start", str(tmp_path / "tiny.onnx"))
    entry = json.loads((tmp_path / "weights.json").read_text())["tiny_steps4"]
    wanted = f"python -m models.train tiny --seed 0 --epochs 1 --steps 4 --start {tmp_path / 'tiny.onnx'}"
    assert entry["command"] == wanted
    assert entry["start"]["command"] == "python -m models.train tiny --seed 0 --epochs 1"
    assert np.all(np.isfinite(load(tmp_path / "tiny_steps4.onnx")["conv"].activation.ceiling))
    assert entry["accuracy"]["digits8"] > 0.3


def test_the_entry_describes_the_file(tmp_path: Path, command) -> None:
    command("--seed", "3")
    entry = json.loads((tmp_path / "weights.json").read_text())["tiny_seed3"]
    assert entry["sha256"] == hashlib.sha256((tmp_path / "tiny_seed3.onnx").read_bytes()).hexdigest()
    assert entry["command"] == "python -m models.train tiny --seed 3 --epochs 3"
    assert (entry["dataset"], entry["images"], entry["epochs"], entry["seed"]) == ("digits8", 1000, 3, 3)
    data = load_dataset("digits8")
    outputs = onnxruntime.InferenceSession(tmp_path / "tiny_seed3.onnx").run(None, {"input": data.x})[0]
    assert entry["accuracy"] == {"digits8": pytest.approx(np.mean(outputs.argmax(axis=1) == data.y))}
    assert entry["accuracy"]["digits8"] > 0.6


def test_the_entry_names_what_a_training_started_from(tmp_path: Path, command) -> None:
    command("--epochs", "1")
    first = json.loads((tmp_path / "weights.json").read_text())["tiny"]
    command("--epochs", "2", "--seed", "1", "--learning-rate", "0.01", "--start", str(tmp_path / "tiny.onnx"))
    entry = json.loads((tmp_path / "weights.json").read_text())["tiny_seed1"]
    assert entry["start"] == {name: first[name] for name in ("sha256", "command")}
    options = f"--seed 1 --epochs 2 --learning-rate 0.01 --start {tmp_path / 'tiny.onnx'}"
    assert entry["command"] == f"python -m models.train tiny {options}"


BAD_OPTIONS = [
    ("--epochs", "0"), ("--epochs", "-1"), ("--threads", "0"), ("--seed", "x"),
    ("--learning-rate", "0"), ("--learning-rate", "nan"), ("--learning-rate", "x"), ("--start", "nowhere.onnx"),
    ("--device", "nowhere"), ("--device", "meta:x"),
]  # fmt: skip


@pytest.mark.parametrize("arguments", BAD_OPTIONS)
def test_options_that_are_wrong(command, capsys: pytest.CaptureFixture, arguments: tuple[str, str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command(*arguments)
    assert f"argument {arguments[0]}: " in capsys.readouterr().err


def test_weights_that_do_not_fit_are_refused_in_a_line(tmp_path: Path, command, capsys: pytest.CaptureFixture) -> None:
    other = tmp_path / "other.onnx"
    to_file(stack(flatten=nn.Flatten(), fc=nn.Linear(64, 10, bias=False)), (1, 8, 8), other, spiking=True)
    with pytest.raises(SystemExit, match="2"):
        command("--start", str(other))
    assert "error: the weights of" in capsys.readouterr().err

"""What is trained: augmentation pixel by pixel, the training set without its test, networks of the papers' sizes."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[train]'")

from torch import nn  # noqa: E402

from models.datasets.files import DatasetError  # noqa: E402
from models.datasets.loading import NAMES, Dataset  # noqa: E402
from models.datasets.preprocessing import rectify  # noqa: E402
from models.paths import WEIGHTS  # noqa: E402
from models.train import recipes  # noqa: E402
from models.train.recipes import RECIPES, crop, crop_and_rectify, mnist_without_digits, punch, shift  # noqa: E402

SHAPES = {"mnist": (1, 28, 28), "cifar": (3, 32, 32), "digit": (1, 28, 28)}
OUTPUTS = {"mnist": (10,), "cifar": (10,), "digit": (45, 6, 6)}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def numbered(channels: int, height: int, width: int, count: int = 200) -> np.ndarray:
    """Images whose pixels are all different and none of which is black."""
    pixels = np.arange(1, channels * height * width + 1, dtype=np.float32).reshape(channels, height, width)
    return np.repeat(pixels[None], count, axis=0)


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """A loop over pixels: each comes from (row - down, column - right), or is black."""
    result = np.zeros_like(image)
    for row, column in np.ndindex(image.shape[1:]):
        if 0 <= row - down < image.shape[1] and 0 <= column - right < image.shape[2]:
            result[:, row, column] = image[:, row - down, column - right]
    return result


def test_shifted_moves_every_image_on_its_own_by_up_to_the_largest() -> None:
    images = numbered(2, 5, 4)
    steps = {(d, r): moved(images[0], d, r) for d in range(-2, 3) for r in range(-2, 3)}
    seen = {
        next(step for step, wanted in steps.items() if (wanted == image).all()) for image in shift(images, rng(), 2)
    }
    assert seen == steps.keys()


def test_cropped_takes_a_part_of_every_image_and_mirrors_half() -> None:
    images = numbered(3, 26, 25)
    parts = crop(images, rng())
    assert parts.shape == (200, 3, 24, 24)
    corners = {(y, x): images[0][:, y : y + 24, x : x + 24] for y in range(3) for x in range(2)}
    ways = corners | {(*corner, "mirrored"): part[:, :, ::-1] for corner, part in corners.items()}
    seen = [next(way for way, wanted in ways.items() if (wanted == part).all()) for part in parts]
    assert set(seen) == ways.keys()
    assert sum(len(way) == 3 for way in seen) == pytest.approx(100, abs=5 * np.sqrt(200 / 4))


def test_cropped_and_rectified_is_one_after_the_other() -> None:
    images = rng().random((20, 3, 32, 32)).astype(np.float32)
    np.testing.assert_array_equal(crop_and_rectify(images, rng()), rectify(crop(images, rng())))


def test_holes_are_squares_that_the_border_may_cut() -> None:
    images = 1 + rng().random((300, 3, 32, 32)).astype(np.float32)  # brighter than white: no pixel is 0 by chance
    made = punch(images, rng(), augment=crop_and_rectify, side=8)
    holes = [np.argwhere((image == 0).all(axis=0)) for image in made]
    sides = {tuple(hole.max(axis=0) - hole.min(axis=0) + 1) for hole in holes}
    assert all(len(hole) == np.prod(hole.max(axis=0) - hole.min(axis=0) + 1) for hole in holes)
    assert (8, 8) in sides
    assert {side for both in sides for side in both} == {4, 5, 6, 7, 8}


@pytest.mark.parametrize("name", RECIPES)
def test_the_network_learns_from_augmented_images_and_is_tested_on_known_data(name: str) -> None:
    recipe = RECIPES[name]
    kind = name.split("_")[0]
    images = rng().random((10, *SHAPES[kind])).astype(np.float32)
    examples, labels = recipe.compose(recipe.augment(images, rng()), np.arange(10), rng())
    assert examples.dtype == np.float32
    result = recipe.network()(torch.from_numpy(examples))
    assert result.shape == (len(labels), *OUTPUTS[kind])
    assert np.isfinite(recipe.loss(result, torch.from_numpy(labels)).item())
    assert 0 <= recipe.measure[1](result.detach().numpy(), labels) <= 1
    assert set(recipe.tests) <= set(NAMES)


def test_every_recipe_is_that_of_a_shipped_network_and_every_network_has_one() -> None:
    shipped = json.loads((WEIGHTS / "weights.json").read_text())
    assert RECIPES.keys() == {re.sub(r"_(steps|seed)\d+", "", name) for name in shipped}


TWINS = [name for name in RECIPES if f"{name}_no_decay" in RECIPES and name.endswith("_twin")]


@pytest.mark.parametrize("name", TWINS)
def test_twins_differ_in_weight_decay_alone(name: str) -> None:
    with_decay, without = RECIPES[name], RECIPES[f"{name}_no_decay"]
    assert with_decay.weight_decay > 0
    assert replace(with_decay, weight_decay=0.0) == without


@pytest.mark.parametrize("name", [name for name in RECIPES if f"{name}_no_decay" in RECIPES and name not in TWINS])
def test_a_recipe_with_decay_is_that_without_it_but_for_its_regularisation(name: str) -> None:
    """The same network, images but for a hole, and tests, so that the two are comparable."""
    with_decay, without = RECIPES[name], RECIPES[f"{name}_no_decay"]
    assert with_decay.network is without.network
    assert (with_decay.tests, with_decay.spiking) == (without.tests, without.spiking)
    images = 1 + rng().random((50, 3, 32, 32)).astype(np.float32)  # brighter than white: no pixel is 0 by chance
    whole, holed = without.augment(images, rng()), with_decay.augment(images, rng())
    hole = (holed != whole).any(axis=1)
    assert ((holed == 0) | (holed == whole)).all()
    side = 8 if "cnn" in name else 12
    assert hole.sum(axis=(1, 2)).max() == side**2


def test_smoothed_labels_by_hand() -> None:
    """Of ten classes the true one has 0.91 and each other 0.01."""
    logits = np.arange(10.0)
    log_p = logits - np.log(np.exp(logits).sum())
    expected = -(0.9 * log_p[3] + 0.1 * log_p.mean())
    loss = RECIPES["cifar_resnet20"].loss(torch.from_numpy(logits[None]), torch.tensor([3]))
    assert loss.item() == pytest.approx(expected)


def weights(name: str) -> int:
    return sum(parameter.numel() for parameter in RECIPES[name].network().parameters())


def test_the_sizes_of_the_papers_networks() -> None:
    assert weights("mnist_convnet") == 12 * 25 + 12 * 64 * 25 + 1024 * 10
    assert weights("mnist_mlp") == 784 * 1200 + 1200 * 1200 + 1200 * 10
    assert weights("cifar_cnn_tailored") == 3 * 64 * 25 + 64 * 64 * 25 + 64 * 64 * 9 + 64 * 36 * 10


def modules(name: str) -> set[type]:
    return {type(module) for module in RECIPES[name].network().modules()}


def test_each_step_of_the_tailoring_changes_one_thing() -> None:
    """Cao 2015: abs() after the mean, ReLU for tanh, no biases, average for max pooling."""
    untailored, absolute, relu, nobias, tailored = (
        f"cifar_cnn_{step}" for step in ("untailored", "abs", "relu", "nobias", "tailored")
    )
    assert modules(untailored) - modules(absolute) == {recipes.architectures.Centred}
    assert modules(absolute) ^ modules(relu) == {nn.Tanh, nn.ReLU}
    assert weights(relu) - weights(nobias) == 64 + 64 + 64 + 10
    assert modules(relu) == modules(nobias)
    assert modules(nobias) ^ modules(tailored) == {nn.MaxPool2d, nn.AvgPool2d}
    assert [RECIPES[name].spiking for name in (untailored, absolute, relu, nobias, tailored)] == [False] * 2 + [
        True
    ] * 3


def sets(train: np.ndarray, embedded: np.ndarray):
    """A `load_dataset` of these images, labelled by their place."""
    given = {"mnist_train": train, "digits": embedded}
    return lambda name, data_dir=None: Dataset(name, given[name], np.arange(len(given[name])))


def test_the_embedded_digits_are_not_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    images = rng().random((9, 1, 4, 4)).astype(np.float32)
    monkeypatch.setattr(recipes, "load_dataset", sets(images, images[[7, 2, 5]]))
    data = mnist_without_digits(None)
    np.testing.assert_array_equal(data.y, [0, 1, 3, 4, 6, 8])
    np.testing.assert_array_equal(data.x, images[data.y])


def test_a_training_set_without_the_embedded_digits_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    images = rng().random((9, 1, 4, 4)).astype(np.float32)
    monkeypatch.setattr(recipes, "load_dataset", sets(images[:8], images[[7, 8]]))
    with pytest.raises(DatasetError, match="mnist_train holds 1 of the 2 embedded digits; it should hold all"):
        mnist_without_digits(None)

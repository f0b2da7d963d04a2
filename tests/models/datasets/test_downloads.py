"""Which files are fetched, with which MD5 sums; nothing is downloaded here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pooch
import pytest

from models.datasets import downloads
from models.datasets import loading as datasets
from models.datasets.downloads import download
from models.datasets.files import DatasetError
from models.datasets.loading import load_dataset
from tests.models.datasets.test_files import idx

MD5 = {  # of the official files, as torchvision, Keras and the authors' pages give them
    ("mnist", "t10k-images"): "9fb629c4189551a2d022fa330f9573f3",
    ("mnist", "t10k-labels"): "ec29112dd5afa0611ce80d1b7f02629c",
    ("mnist", "train-images"): "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ("mnist", "train-labels"): "d53e105ee54ea40749a09fcbcd1e9432",
    ("fashion", "t10k-images"): "bef4ecab320f06d8554ea6380940ec79",
    ("fashion", "t10k-labels"): "bb300cfdad3c16e7a12a480ee83cd310",
    ("fashion", "train-images"): "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    ("fashion", "train-labels"): "25c81989df183df01b3e8a0aad5dffbe",
}
CIFAR_BATCHES = [f"data_batch_{n}.bin" for n in range(1, 6)]


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict]:
    """Every call of `pooch.retrieve`, which gives the files that `tmp_path` holds."""
    calls: list[dict] = []

    def retrieve(url: str, known_hash: str, fname: str | None = None, **options):
        calls.append({"url": url, "hash": known_hash, "name": fname, **options})
        if "cifar" not in url:
            return str(tmp_path / fname)
        inside = ["readme.html", "batches.meta.txt", "test_batch.bin", *reversed(CIFAR_BATCHES)]
        return [str(tmp_path / "cifar-10-batches-bin" / name) for name in inside]

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    return calls


@pytest.mark.parametrize(
    ("name", "kind", "prefix"),
    [
        ("mnist", "mnist", "t10k"),
        ("mnist_train", "mnist", "train"),
        ("fashion_mnist", "fashion", "t10k"),
        ("fashion_mnist_train", "fashion", "train"),
    ],
)
def test_images_and_labels_of_the_right_set(fetched, name: str, kind: str, prefix: str) -> None:
    files = download(name)
    assert [(kind in call["url"], call["hash"]) for call in fetched] == [
        (True, f"md5:{MD5[kind, f'{prefix}-images']}"),
        (True, f"md5:{MD5[kind, f'{prefix}-labels']}"),
    ]
    ends = [f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"]
    assert [call["url"].rsplit("/")[-1] for call in fetched] == ends
    assert [path.name for path in files] == [f"{name}-{end}" for end in ends]


def test_no_two_sets_share_a_file_in_the_cache(fetched) -> None:
    """The files of MNIST and Fashion-MNIST have the same names."""
    for name in downloads.IDX_FILES:
        download(name)
    assert len({call["name"] for call in fetched}) == len(fetched) == 8
    assert len({call["path"] for call in fetched}) == 1


@pytest.mark.parametrize(("name", "expected"), [("cifar10", ["test_batch.bin"]), ("cifar10_train", CIFAR_BATCHES)])
def test_cifars_test_or_training_batches_in_order(fetched, name: str, expected: list[str]) -> None:
    assert [path.name for path in download(name)] == expected
    assert fetched[0]["url"].endswith("cifar-10-binary.tar.gz")
    assert fetched[0]["hash"] == "md5:c32a1d4ab5d03f1284b67883e8d87530"
    assert isinstance(fetched[0]["processor"], pooch.Untar)


def test_every_public_set_can_be_downloaded(fetched) -> None:
    for name in datasets.SOURCES:
        assert download(name)
    assert all(re.fullmatch(r"md5:[0-9a-f]{32}", call["hash"]) for call in fetched)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(datasets.DATA_VARIABLE, raising=False)
    monkeypatch.setattr(datasets, "DATA", (tmp_path / "none",))


@pytest.mark.usefixtures("nowhere")
def test_what_was_downloaded_is_read(fetched, tmp_path: Path) -> None:
    import gzip

    x, y = np.full((2, 28, 28), 51, np.uint8), np.array([3, 8], np.uint8)
    for end, array in (("images-idx3", x), ("labels-idx1", y)):
        (tmp_path / f"mnist-t10k-{end}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    (tmp_path / "cifar-10-batches-bin").mkdir()
    (tmp_path / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(bytes([7]) + bytes([255]) * 3072)
    np.testing.assert_allclose(load_dataset("mnist").x, 0.2, rtol=1e-6)
    np.testing.assert_array_equal(load_dataset("mnist").y, y)
    assert (load_dataset("cifar10").x == 1).all()
    assert list(load_dataset("cifar10_abs").y) == [7]


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("failure", [OSError("offline\nreally"), ValueError("MD5 hash"), TimeoutError(), KeyError("x")])
@pytest.mark.parametrize("name", ["mnist", "cifar10_train", "cifar10_abs"])
def test_a_failing_download_says_in_one_line_what_to_set(monkeypatch, name: str, failure: Exception) -> None:
    def retrieve(*args, **options):
        raise failure

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(DatasetError) as caught:
        load_dataset(name)
    message = str(caught.value)
    assert message.startswith(f"'{name.replace('_abs', '')}' is not in ")
    assert f"could not be downloaded ({type(failure).__name__})" in message
    assert message.endswith("name its directory with --data or BRIANIZE_DATA")
    assert "\n" not in message

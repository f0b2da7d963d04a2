"""Where the public datasets come from: addresses and MD5 sums of the official files, which pooch fetches and checks."""

from __future__ import annotations

from pathlib import Path

MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"  # this address answers to plain HTTP only
CIFAR = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
IMAGES, LABELS = "images-idx3-ubyte.gz", "labels-idx1-ubyte.gz"

IDX_FILES = {
    "mnist": {
        f"{MNIST}t10k-{IMAGES}": "9fb629c4189551a2d022fa330f9573f3",
        f"{MNIST}t10k-{LABELS}": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    "mnist_train": {
        f"{MNIST}train-{IMAGES}": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        f"{MNIST}train-{LABELS}": "d53e105ee54ea40749a09fcbcd1e9432",
    },
    "fashion_mnist": {
        f"{FASHION}t10k-{IMAGES}": "bef4ecab320f06d8554ea6380940ec79",
        f"{FASHION}t10k-{LABELS}": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    "fashion_mnist_train": {
        f"{FASHION}train-{IMAGES}": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        f"{FASHION}train-{LABELS}": "25c81989df183df01b3e8a0aad5dffbe",
    },
}


def download(name: str) -> list[Path]:
    """The files of a public dataset, from the cache or the network: images and labels, or CIFAR-10's record files.

    Raises
    ------
    Exception
        Whatever pooch raises when a file cannot be fetched or its hash is wrong.
    """
    import pooch  # not before: most runs download nothing, and in a notebook it warns that widgets are missing

    cache = pooch.os_cache("brianize")
    if name not in IDX_FILES:
        unpacked = pooch.retrieve(CIFAR, f"md5:{CIFAR_MD5}", path=cache, processor=pooch.Untar(), progressbar=True)
        wanted = "data_batch" if name.endswith("_train") else "test_batch"
        return sorted(path for path in map(Path, unpacked) if path.stem.startswith(wanted))
    return [
        Path(pooch.retrieve(address, f"md5:{md5}", f"{name}-{Path(address).name}", path=cache, progressbar=True))
        for address, md5 in IDX_FILES[name].items()
    ]

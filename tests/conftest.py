"""What tests share: real data where it is present, and figures without a display."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import matplotlib
import pytest
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.core.names import Nameable
from brian2.devices import device_module

from conversion.brian.code_generation import heap_frozen
from models.datasets.files import DatasetError
from models.datasets.loading import Dataset, load_dataset

MANY = 1000  # objects of Brian2, whose names it looks through for every new one

matplotlib.use("Agg")
device_module._auto_target = NumpyCodeObject  # what "auto" means without `simulate`: nothing to compile
logging.getLogger("brian2").setLevel(logging.INFO)  # a tenth of a small simulation is what nobody reads


@pytest.fixture(autouse=True)
def young_heap() -> Iterator[None]:
    """Every run of Brian2 collects garbage, of all that is imported for 0.3 s: here of what the test has made."""
    with heap_frozen():
        yield
    if len(Nameable.__instances__()) > MANY:
        gc.collect()


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch):
    """`load_dataset` for real data that may be absent: skips the test then, and downloads nothing."""

    def refuse(name: str) -> None:
        raise OSError("tests download nothing")

    def load(name: str) -> Dataset:
        try:
            return load_dataset(name)
        except DatasetError as error:
            pytest.skip(str(error))

    monkeypatch.setattr("models.datasets.loading.download", refuse)
    return load

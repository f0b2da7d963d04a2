"""Recordings in files and as xarray has them: every field is what it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brian2 import Hz, ms

from conversion.recording import Probe, Recording, load_recording, save_recording, to_xarray
from conversion.settings import Simulation
from conversion.simulate import simulate
from models.encoders import Poisson
from models.neurons import integrate_and_fire, signed_integrate_and_fire
from tests.conversion.networks import networks

PROBES = {
    "nothing more": Probe(),
    "all": Probe(rasters=("input", "conv1"), traces={"conv1": (0, 3)}, output_spikes=(1, 3), residual_potential=True),
}


@pytest.fixture(scope="module", params=[(probe, signed) for probe in PROBES for signed in (False, True)], ids=str)
def recording(request: pytest.FixtureRequest) -> Recording:
    probe, signed = request.param
    graph = networks()["average pooling"]
    images = np.random.default_rng(0).random((3, *graph.input_shape)).astype(np.float32)
    neuron = signed_integrate_and_fire() if signed else integrate_and_fire()
    settings = {"duration": 20 * ms, "read_at": [5, 10] * ms, "probe": PROBES[probe]}
    return simulate(graph, images, Simulation(neuron=neuron, encoder=Poisson(800 * Hz), **settings))


def same(one, other) -> None:
    assert type(one) is type(other)
    if isinstance(one, Mapping):
        assert list(one) == list(other)
        for key in one:
            same(one[key], other[key])
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize("name", ["some.npz", "without an ending"])
def test_a_recording_is_read_as_it_was_written(recording: Recording, tmp_path: Path, name: str) -> None:
    save_recording(recording, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    read = load_recording(tmp_path / name)
    for each in fields(Recording):
        same(getattr(recording, each.name), getattr(read, each.name))
    with np.load(tmp_path / name, allow_pickle=False) as arrays:
        assert all(arrays[key].dtype != object for key in arrays)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut short"])
def test_a_file_that_is_none_is_named_in_a_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.npz is no recording") as caught:
        load_recording(tmp_path / "other.npz")
    assert "\n" not in str(caught.value)


def test_other_arrays_are_no_recording(tmp_path: Path) -> None:
    np.savez(tmp_path / "arrays.npz", x=np.zeros(3))
    np.savez(tmp_path / "pickled.npz", dt=np.array([{}], dtype=object))
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name in ("arrays.npz", "pickled.npz", "one.npy"):
        with pytest.raises(ValueError, match=f"{name} is no recording"):
            load_recording(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load_recording(tmp_path / "missing.npz")


def test_xarray_has_the_same_numbers_by_name(recording: Recording) -> None:
    pytest.importorskip("xarray", reason="xarray is not installed: pip install -e '.[xarray]'")
    data = to_xarray(recording)
    np.testing.assert_allclose(data["time_ms"], [5, 10, 20])
    np.testing.assert_array_equal(data["output_counts"].sel(time_ms=10, method="nearest"), recording.output_counts[1])
    column = recording.populations.index("conv1")
    np.testing.assert_array_equal(data["spikes"].sel(population="conv1"), recording.spikes[:, column])
    assert data["spike_counts_conv1"].dims == ("image", "conv1_0", "conv1_1", "conv1_2")
    np.testing.assert_array_equal(data["spike_counts_conv1"], recording.spike_counts["conv1"])
    assert data.attrs["duration"] == recording.duration

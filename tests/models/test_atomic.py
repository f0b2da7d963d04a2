"""A file appears whole or not at all, and nothing is left beside it."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from models.atomic import write_atomically

OLD, NEW = b"what was there", "größer, δ\r\n"


@pytest.fixture(params=[None, OLD], ids=["new", "replaced"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a file is written: nothing is there, or an older one."""
    path = tmp_path / "metrics.csv"
    if request.param is not None:
        path.write_bytes(request.param)
    return path


def content(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.parent.iterdir()}


@pytest.mark.parametrize(
    ("data", "written"), [(NEW, "größer, δ\r\n".encode()), (b"\x00\xff\n", b"\x00\xff\n"), ("", b"")]
)
def test_text_is_written_as_utf_8_and_bytes_as_they_are(place: Path, data: bytes | str, written: bytes) -> None:
    write_atomically(place, data)
    assert content(place) == {place.name: written}


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_everybody_can_read_it_and_its_owner_write_it(place: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(place, NEW)
    finally:
        os.umask(before)
    assert place.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
def test_what_fails_on_the_way_leaves_all_as_it_was(
    place: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    before = content(place)

    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        write_atomically(place, NEW)
    assert content(place) == before


def test_it_is_on_the_disk_whole_before_it_takes_its_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, steps = content(place), []

    def fsync(descriptor: int, original=os.fsync) -> None:
        steps.append(("fsync", os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))
        original(descriptor)

    def replace(source: str, target: Path, original=os.replace) -> None:
        steps.append(("replace", os.stat(source).st_ino, os.stat(source).st_size))
        assert content(place) == before | {Path(source).name: NEW.encode()}
        original(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write_atomically(place, NEW)
    (first, *synced), (second, *moved) = steps
    assert (first, second) == ("fsync", "replace")
    assert synced == moved == [place.stat().st_ino, len(NEW.encode())]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "metrics.csv", NEW)
    assert not list(tmp_path.iterdir())


def test_what_is_there_already_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.csv"
    write_atomically(path, NEW)

    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "some temporary name")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    write_atomically(path, NEW)
    with pytest.raises(OSError, match="Read-only file system") as error:
        write_atomically(path, NEW + "x")
    assert error.value.filename == str(path)
    assert path.read_bytes() == NEW.encode()

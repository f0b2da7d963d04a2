"""The code in the key of a condition: imports of a small tree followed by hand, and what really runs for its rows."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import FrameType

import numpy as np
import onnx
import pytest

from models.detection.yolo import Head, metadata
from models.graph import LINEAR, Conv2d, sequential
from models.onnx_io.writing import save
from models.paths import ROOT
from studies.declare.conditions import condition
from studies.run import code
from studies.run.code import PACKAGES, RUNNER, import_closure
from studies.run.experiment import check_job, rows_of
from studies.run.files import Job
from tests.models.datasets.test_photos import encoded

TREE = {
    "models/__init__.py": "",
    "models/graph.py": "import numpy as np",
    "models/rates.py": "",
    "models/face/__init__.py": "from models.face.made import made\nfrom models.face.drawn import drawn as shown\nN = 1",
    "models/face/made.py": "from models.graph import Graph\nfrom tests.helper import something",
    "models/face/drawn.py": "",
    "models/outer/__init__.py": "from models.face import made as crafted, shown\nfrom models.outer.tool import tool",
    "models/outer/tool.py": "",
    "conversion/__init__.py": "",
    "conversion/a.py": "from conversion.b import b",
    "conversion/b.py": "def b():\n    from conversion import a\n    import conversion.late as late, os",
    "conversion/late.py": "if True:\n    import models.rates",
    "studies/__init__.py": "import studies.unused",
    "studies/unused.py": "",
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", []),
        ("import numpy, models_of_others\nfrom brian2 import ms", []),
        ("import models.graph", ["models/graph.py"]),
        ("from models import graph", ["models/graph.py"]),
        ("from models.face import made", ["models/face/made.py", "models/graph.py"]),
        ("from models.face import shown as mine", ["models/face/drawn.py"]),
        ("from models.face import made, shown", ["models/face/drawn.py", "models/face/made.py", "models/graph.py"]),
        ("from models.outer import crafted", ["models/face/made.py", "models/graph.py"]),
        ("from models.outer import shown", ["models/face/drawn.py"]),
        ("def f():\n    from models.outer import tool", ["models/outer/tool.py"]),
        ("from conversion.a import a", ["conversion/a.py", "conversion/b.py", "conversion/late.py", "models/rates.py"]),
        ("import studies.run", ["studies/run.py"]),
    ],
)
def test_imports_are_followed_name_by_name(tmp_path: Path, source: str, expected: list[str]) -> None:
    """Through faces to what defines a name, also renamed and behind two faces; wherever they stand, and in circles."""
    for name, text in (TREE | {"studies/run.py": source}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = import_closure("studies.run", tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == sorted({*expected, "studies/run.py"})


@pytest.mark.parametrize("source", ["from models.face import N", "import models.face"])
def test_a_face_counts_where_it_defines_the_name_or_is_imported_itself(tmp_path: Path, source: str) -> None:
    test_imports_are_followed_name_by_name(
        tmp_path, source, ["models/face/__init__.py", "models/face/made.py", "models/face/drawn.py", "models/graph.py"]
    )


# What really runs


@contextmanager
def our_files_that_run() -> Iterator[set[str]]:
    """The files of the project whose functions are called meanwhile."""
    files, before = set(), sys.getprofile()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            files.add(frame.f_code.co_filename)

    ours: set[str] = set()
    sys.setprofile(note)
    try:
        yield ours
    finally:
        sys.setprofile(before)
        inside = [Path(name).relative_to(ROOT) for name in files if Path(name).is_relative_to(ROOT)]
        ours |= {path.as_posix() for path in inside if path.parts[0] in PACKAGES}


@cache
def in_key() -> frozenset[str]:
    """The files of the project whose bytes are in the key."""
    return frozenset(path.relative_to(ROOT).as_posix() for path in import_closure(RUNNER))


BASE = {"model": "tiny.onnx", "dataset": "digits8", "images": 2, "calibration": 3, "duration_ms": 6, "readout_ms": 3}
NEURONS = {"models/neurons/neuron.py", "models/encoders.py", "conversion/simulate.py", "conversion/brian/network.py"}
KINDS = {
    "poisson": ({"normalization": "percentile", "neuron": "lif", "tau_m_ms": 5}, {"conversion/normalize/scales.py"}),
    "constant": ({"encoder": "constant", "readout": "k_th_spike"}, {"conversion/brian/collect.py"}),
    "on and off": ({"encoder": "on_off", "neuron": "signed"}, {"conversion/brian/encoding.py"}),
    "phase": ({"encoder": "phase", "connectivity": "synapses"}, {"conversion/brian/projections.py"}),
    "burst": ({"encoder": "burst", "readout": "first_spike"}, {"models/onnx_io/running.py"}),
    "spike": ({"normalization": "spike"}, {"conversion/normalize/spike_norm.py"}),
    "biases": ({"bias_calibration": "mean"}, {"conversion/normalize/bias_calibration.py"}),
    "residual": ({"residual_ms": 4}, {"conversion/residual_potential.py"}),
    "folded": ({"pooling": "folded", "negative_slope": "drop"}, {"conversion/reduce.py"}),
    "potential": ({"readout": "potential", "current_offset": "half"}, {"studies/statistics.py"}),
    "boxes": (
        {"model": "boxes.onnx", "dataset": "photos", "encoder": "constant", "readout": "potential"},
        {"models/detection/yolo.py", "studies/measure/detection.py", "models/detection/average_precision.py"},
    ),
}


@pytest.fixture
def folder(study_file: Path) -> Path:
    """The tiny network, and one that finds boxes in images of its own."""
    head = Head(anchors=((1.0, 1.0),), classes=("a", "b"))
    weight = np.random.default_rng(0).normal(0, 0.02, (head.channels, 3, 112, 112)).astype(np.float32)
    layer = Conv2d(name="head", inputs=(), weight=weight, stride=(112, 112), activation=LINEAR)
    path = study_file.with_name("boxes.onnx")
    save(sequential((3, 224, 224), layer), path)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, dict(metadata(head)))
    onnx.save(model, path)
    photographs = encoded([np.full((10, 10), 50 * i, np.uint8) for i in range(1, 6)])
    boxes = np.tile(np.array([1, 0.25, 0.25, 0.75, 0.75, 0], np.float32), (5, 1))
    np.savez(study_file.with_name("photos.npz"), **photographs, gt=boxes, gt_offset=np.arange(6))
    return study_file.parent


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_runs_for_the_rows_of_a_condition_is_in_its_key(folder: Path, kind: str) -> None:
    changes, told_apart_by = KINDS[kind]
    job = Job(condition(BASE | changes), folder, folder)
    with our_files_that_run() as ran:
        check_job(job)
        (rows,) = rows_of([job])
    assert rows["metrics"]
    assert NEURONS | told_apart_by <= ran, "the condition is not of its kind"
    assert ran <= in_key()


def test_neither_training_nor_drawing_makes_rows_stale() -> None:
    found = in_key()
    others = ("models/train/", "models/tailor/", "studies/draw/", "studies/bench/", "studies/tables/")
    assert all((ROOT / other).is_dir() for other in others)
    assert [path for path in found if path.startswith(others)] == []


# What the key is made of


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's source, the one that is hashed anew; the key that a process keeps stays that of ours."""
    code.code_hash()
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=lambda _, names: [n for n in names if "." in n and not n.endswith(".py")],
        )
    monkeypatch.setattr(code, "ROOT", tmp_path)
    monkeypatch.setattr(code, "import_closure", partial(import_closure, root=tmp_path))
    return tmp_path


def anew() -> str:
    return code.code_hash.__wrapped__()


def test_a_copy_has_the_same_key_and_line_endings_do_not_matter(copy: Path) -> None:
    path = copy / "conversion" / "simulate.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert anew() == code.code_hash()


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("conversion/plan/kernels.py", True),
        ("models/neurons/neuron.py", True),
        ("studies/run/experiment.py", True),
        ("models/train/loop.py", False),
        ("studies/draw/style.py", False),
        ("studies/tables/store.py", False),
        ("conversion/normalize/__init__.py", False),
    ],
)
def test_a_byte_of_what_runs_changes_the_key_and_of_nothing_else(copy: Path, name: str, matters: bool) -> None:
    before = code.code_hash()
    with (copy / name).open("a") as file:
        file.write("#")
    assert (anew() != before) == matters

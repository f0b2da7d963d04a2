"""The command line, in this process: what it does, and that bad input ends with one line and no traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from matplotlib.figure import Figure as Canvas
from onnx import helper

from models.onnx_io.trace import OnnxError
from models.paths import ROOT
from studies.__main__ import main
from studies.declare.study import load_study, study_names
from studies.run import runner
from studies.tables.store import ResultsError
from tests.models.onnx_files import network, written
from tests.studies.conftest import STUDY


@pytest.fixture
def cli(study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    """A command on the tiny study: its exit status, what it printed and what it said on stderr."""

    def call(command: str = "run", *arguments, name: str | Path = study_file) -> tuple[int, str, str]:
        of_a_study = command in ("run", "figures", "energy", "report")
        common = ["--results", str(tmp_path / "results")] if of_a_study else []
        jobs = ["--jobs", "1"] if command == "run" and "--scheduler" not in arguments else []
        named = [str(name)] if of_a_study else []
        status = main([command, *named, *common, *jobs, *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def one_line(outcome: tuple[int, str, str], *words: str, status: int = 2) -> None:
    """One line on stderr that holds all the words, nothing on stdout, and that exit status."""
    code, out, err = outcome
    assert code == status, err
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert [word for word in words if word not in err] == [], err


# What it does


def test_list_names_every_study_with_its_question(cli) -> None:
    status, out, err = cli("list")
    assert (status, err) == (0, "")
    for name in study_names():
        loaded = load_study(name)
        assert f"{name}\n  {loaded.title} ({len(loaded.conditions)} conditions)\n  {loaded.question}" in out


@pytest.fixture
def ran(cli, tmp_path: Path) -> Path:
    assert cli("run", "--quick")[0] == 0
    return tmp_path / "results" / "tiny-quick"


def test_run_writes_tables_and_figures_and_prints_a_summary(cli, tmp_path: Path) -> None:
    status, out, _ = cli("run", "--quick")
    folder = tmp_path / "results" / "tiny-quick"
    assert status == 0
    names = {path.name for path in folder.iterdir()}
    tables = {"metrics.csv", "layers.csv", "run.json", "summary.md"}
    assert names == tables | {"accuracy.png", ".conditions"}
    assert str(folder / "metrics.csv") in out
    assert str(folder / "accuracy.png") in out
    assert [line.split()[0] for line in out.splitlines()[1:3]] == ["none", "data"]


def test_figures_draws_again_without_simulating(cli, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (ran / "accuracy.png").read_bytes()
    (ran / "accuracy.png").unlink()
    monkeypatch.setattr(runner, "rows_of", lambda job: pytest.fail("simulated"))
    status, out, err = cli("figures", "--quick")
    assert (status, err) == (0, "")
    assert out.splitlines() == [str(ran / "accuracy.png"), str(ran / "summary.md")]
    assert (ran / "accuracy.png").read_bytes() == before


def test_report_writes_a_page_or_all_of_them_with_an_index(cli, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran.rename(ran.parent / "tiny")
    assert cli("report")[:2] == (0, f"{ran.parent / 'tiny' / 'report.html'}\n")
    monkeypatch.setattr("studies.declare.study_names", lambda: ["tiny", "leaks"])
    assert main(["report", "--results", str(ran.parent)]) == 0
    assert "tiny/report.html" in (ran.parent / "index.html").read_text()


@pytest.mark.parametrize("medium", ["paper", "slides"])
def test_figures_are_vectors_beside_a_table_for_other_media(cli, ran: Path, medium: str) -> None:
    status, out, _ = cli("figures", "--quick", "--for", medium)
    names = ["accuracy.pdf", "accuracy.svg", "summary.csv", "summary.md", "summary.tex"]
    assert (status, out.splitlines()) == (0, [str(ran / medium / name) for name in names])
    assert sorted(path.name for path in (ran / medium).iterdir()) == names


def test_results_are_beside_a_study_of_ones_own(study_file: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (study_file.parent / "elsewhere").mkdir()
    monkeypatch.chdir(study_file.parent / "elsewhere")
    for command in (["run", "--jobs", "1"], ["figures"], ["energy"]):
        assert main([*command, "../tiny.toml", "--quick"]) == 0, capsys.readouterr().err
    assert (study_file.parent / "results" / "tiny-quick" / "metrics.csv").exists()
    assert list(Path.cwd().iterdir()) == []


def test_results_of_shipped_studies_are_in_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    folders = []
    monkeypatch.setattr("studies.draw.draw_figures", lambda study, folder, *_: folders.append(folder) or [])
    for study in ("normalization", str(ROOT / "studies" / "leaks.toml")):
        assert main(["figures", study]) == 0
    assert folders == [ROOT / "results" / "normalization", ROOT / "results" / "leaks"]


@pytest.mark.parametrize(
    ("model", "folder"),
    [("mnist_mlp", ROOT / "results" / "look" / "mnist_mlp"), ("tiny.onnx", Path("results/look/tiny"))],
)
def test_figures_of_a_network_are_in_the_checkout_or_the_working_directory(
    study_file: Path, monkeypatch: pytest.MonkeyPatch, model: str, folder: Path
) -> None:
    monkeypatch.chdir(study_file.parent)
    folders = []
    monkeypatch.setattr("studies.look.look", lambda given, folder, **options: folders.append(folder) or [])
    assert main(["look", model]) == 0
    assert folders == [folder]


def test_an_interruption_says_how_to_go_on(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(job):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "rows_of", interrupted)
    status, out, err = cli("run", "--quick")
    assert (status, out) == (130, "")
    assert err.splitlines()[-1] == (
        "error: interrupted; what a study or a training has finished is kept, and the same command continues"
    )
    assert "Traceback" not in err


# Networks


@pytest.fixture
def model(study_file: Path) -> Path:
    return study_file.with_name("tiny.onnx")


def gemm() -> list[onnx.NodeProto]:
    return [helper.make_node("Gemm", ["x", "w"], ["y"], name="fc")]


def weights(value: float = 1.0) -> np.ndarray:
    w = np.ones((4, 3), np.float32)
    w[1, 2] = value
    return w


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda whole: whole[: len(whole) // 2], "not an ONNX file, or one that is cut short"),
        (lambda whole: b"", "the file is empty"),
        (lambda whole: b"weights = 3\n", "not an ONNX file"),
        (
            lambda whole: network([helper.make_node("Tanh", ["x"], ["y"], name="s")], {}),
            "node 's' (Tanh): this operator cannot become spikes; train with ReLU",
        ),
        (
            lambda whole: network(gemm(), {"w": weights()}, ("batch", 1, "height", "width")),
            "input 'x' has the dynamic dimension height, width; only the batch may be free",
        ),
        (lambda whole: network(gemm(), {"w": weights(np.nan)}), "node 'fc' (Gemm): the weight holds nan"),
        (lambda whole: network(gemm(), {"w": weights(-np.inf)}), "node 'fc' (Gemm): the weight holds -inf"),
        (
            lambda whole: network(gemm(), {"w": weights()}),
            "the images have shape (1, 8, 8), but the network reads (4,)",
        ),
    ],
    ids=["cut", "empty", "text", "operator", "dynamic", "nan", "infinite", "images"],
)
def test_a_network_that_is_none(cli, model: Path, tmp_path: Path, content, words: str) -> None:
    written(model, content(model.read_bytes()))
    one_line(cli(), words)
    assert not (tmp_path / "results").exists()


def test_a_network_whose_external_data_are_missing(cli, model: Path) -> None:
    onnx.save(network(gemm(), {"w": weights()}), model, save_as_external_data=True, location="w.bin", size_threshold=0)
    model.with_name("w.bin").unlink()
    one_line(cli(), "tiny.onnx: its data lie in 'w.bin', which is no file there; put this file beside it")


def test_no_such_network(cli, model: Path) -> None:
    model.unlink()
    one_line(cli(), "tiny.onnx: no such file")


# Studies


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("images = 12", "images = 0", "images is 0; it must be a whole number from 1 on"),
        ("images = 12", "images = 1798", "images is 1798, but dataset 'digits8' has 1797"),
        ("duration_ms = 20", "duration_ms = nan", "duration_ms is nan; it must be a number above 0, in ms"),
        ("[fixed]", "[fixed", "line 4"),
    ],
)
def test_a_study_that_is_none(cli, study_file: Path, tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in STUDY
    study_file.write_text(STUDY.replace(old, new, 1))
    one_line(cli(), words)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("command", ["run", "figures"])
@pytest.mark.parametrize(
    ("name", "words"),
    [("normalisation", "did you mean 'normalization'?"), ("none.toml", "there is no file none.toml")],
)
def test_no_such_study(cli, command: str, name: str, words: str) -> None:
    one_line(cli(command, name=name), words)


def test_a_study_that_is_no_text(cli, study_file: Path) -> None:
    study_file.write_bytes(b"\x80\x04\x95")
    one_line(cli(), str(study_file))


def test_quick_without_its_section(cli, study_file: Path) -> None:
    study_file.write_text(STUDY.replace("[quick]\nimages = 4\nseed = [0]\n", ""))
    one_line(cli("run", "--quick"), "no [quick] section")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["run"], "the following arguments are required: STUDY"),
        (["walk"], "invalid choice: 'walk'"),
        (["run", "tiny.toml", "--jobs", "0"], "argument --jobs: '0' is not a whole number from 1 on"),
        (["run", "tiny.toml", "--jobs", "two"], "argument --jobs: 'two' is not a whole number from 1 on"),
        (["run", "tiny.toml", "--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_a_command_that_is_none(capsys: pytest.CaptureFixture, arguments: list[str], words: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    lines = capsys.readouterr().err.splitlines()
    assert words in lines[-1]


def test_a_neuron_that_brian2_refuses(cli, study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["from dataclasses import replace", "from models.neurons import integrate_and_fire"]
    lines += ["def broken():", "    return replace(integrate_and_fire(), reset='v -= threshold')"]
    study_file.with_name("mine.py").write_text("\n".join(lines))
    study_file.write_text(STUDY.replace("[fixed]", '[fixed]\nneuron = "mine.py:broken"'))
    monkeypatch.setattr(runner, "say_accuracies", lambda jobs: None)
    one_line(
        cli(),
        "mine.py:broken",
        "Brian2 cannot read the neuron's reset",
        '"threshold" could not be resolved; declare it in the equations',
    )


# Images


@pytest.mark.parametrize(
    ("value", "words"),
    [(-1.5, "pixels lie between -1.5 and"), (np.nan, "pixels lie between nan"), (np.inf, "and inf"), (7.0, "and 7.0")],
)
def test_pixels_that_are_no_rates(cli, study_file: Path, value: float, words: str) -> None:
    x = np.full((50, 8, 8), 0.25)
    x[3, 4, 5] = value
    np.savez(study_file.with_name("some.npz"), x=x, y=np.zeros(50, int))
    study_file.write_text(STUDY.replace('"digits8"', '"some.npz"'))
    one_line(cli(), "some.npz", words, "they must be finite and in [-1, 1]")


def test_pixels_whose_sign_the_input_code_cannot_carry(cli, study_file: Path) -> None:
    x = np.full((50, 8, 8), 0.25)
    x[3, 4, 5] = -0.5
    np.savez(study_file.with_name("some.npz"), x=x, y=np.zeros(50, int))
    study_file.write_text(STUDY.replace('"digits8"', '"some.npz"'))
    one_line(
        cli(), "dataset 'some.npz': pixels reach from -0.5 to 0.25", "OnOff and ConstantCurrent also take negative"
    )


def test_a_data_directory_that_is_none(cli, study_file: Path, tmp_path: Path) -> None:
    study_file.write_text(STUDY.replace('"digits8"', '"mnist"'))
    one_line(cli("run", "--data", tmp_path / "none"), "the data directory", "none", "is not a directory")


# Results


@pytest.mark.parametrize("command", ["run", "figures", "energy"])
def test_a_folder_of_another_study(cli, ran: Path, study_file: Path, command: str) -> None:
    before = {path: path.read_bytes() for path in ran.iterdir() if path.is_file()}
    (study_file.parent / "sub").mkdir()
    another = study_file.parent / "sub" / "tiny.toml"
    another.write_text(STUDY.replace("images = 4", "images = 5").replace('"tiny.onnx"', '"../tiny.onnx"'))
    said = f"another study, 'Tiny' ({study_file}), not of 'Tiny' ({another}); rename your study's file"
    one_line(cli(command, "--quick", name=another), said)
    assert {path: path.read_bytes() for path in before} == before


def test_another_title_is_no_other_study(cli, ran: Path, study_file: Path) -> None:
    study_file.write_text(STUDY.replace('title = "Tiny"', 'title = "Another"'))
    assert cli("figures", "--quick")[0] == 0
    assert (ran / "summary.md").read_text().startswith("# Another")


def test_figures_before_the_study_has_run(cli) -> None:
    one_line(cli("figures"), "metrics.csv; run the study first")


def test_a_folder_that_no_study_wrote(cli, tmp_path: Path) -> None:
    (tmp_path / "results" / "tiny").mkdir(parents=True)
    (tmp_path / "results" / "tiny" / "thesis.tex").touch()
    one_line(cli(), "holds files that no study wrote")


@pytest.mark.parametrize("place", ["results", "results/tiny", "."])
def test_results_where_no_folder_can_be(cli, tmp_path: Path, place: str) -> None:
    """A file in its place, at its end or on the way."""
    results = tmp_path / "results"
    if place == "results/tiny":
        results.mkdir()
        (results / "tiny").touch()
        one_line(cli(), str(results / "tiny"), status=1)
    elif place == "results":
        results.touch()
        one_line(cli(), str(results), status=1)
    else:
        (tmp_path / "file").touch()
        one_line(cli("run", "--results", tmp_path / "file" / "below"), str(tmp_path / "file"), status=1)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a file system that nobody can write")
@pytest.mark.parametrize("command", ["run", "look"])
def test_results_where_nobody_can_write(cli, command: str, model: Path) -> None:
    given = [str(model), "--dataset", "digits8", "--images", "2"] if command == "look" else []
    outcome = cli(command, *given, "--results", "/proc/results")
    one_line(outcome, "error: /proc/results: No such file", "name a folder that can be written by --results", status=1)


@pytest.fixture
def read_only(ran: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of results on a disk that is only read, and at the end as it was."""

    def refuse(*args, dir: Path, **options) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), f"{dir}/temporary")

    before = {path: path.stat().st_mtime_ns for path in [ran, *ran.rglob("*")]}
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    yield ran
    assert {path: path.stat().st_mtime_ns for path in [ran, *ran.rglob("*")]} == before


def test_what_is_there_can_be_looked_at_on_a_disk_that_is_only_read(cli, read_only: Path) -> None:
    shown = "".join(f"{read_only / name}\n" for name in ("accuracy.png", "summary.md"))
    assert cli("figures", "--quick") == (0, shown, "")
    assert cli("energy", "--quick")[::2] == (0, "")
    assert cli("list")[::2] == (0, "")


@pytest.mark.parametrize(("command", "file"), [("figures", "accuracy.png"), ("run", "run.json")])
def test_what_must_be_written_says_that_it_cannot_be(cli, read_only: Path, study_file: Path, command, file) -> None:
    study_file.write_text(STUDY.replace('plot = "lineplot"', 'plot = "lineplot"\ntitle = "Another"'))
    words = "name a folder that can be written by --results, and to go on from what is there, copy it first"
    one_line(cli(command, "--quick"), f"{read_only / file}: Read-only file system; {words}", status=1)


@pytest.mark.parametrize("writes", [1, 3, 4, 6])
def test_a_full_disk_in_the_middle_is_one_line_and_the_same_command_goes_on(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Before the run is entered, while conditions are stored, and while the tables are written."""
    calls = []

    def full(descriptor: int, original=os.fsync) -> None:
        calls.append(descriptor)
        if len(calls) == writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        status, out, err = cli("run", "--quick")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == "error: [Errno 28] No space left on device"
    assert "Traceback" not in err
    assert not list((tmp_path / "results").rglob(".*.*")), "half a file beside its place"
    assert cli("run", "--quick")[0] == 0
    assert (tmp_path / "results" / "tiny-quick" / "metrics.csv").exists()


def test_a_full_disk_while_drawing(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Canvas, "savefig", full)
    status, out, err = cli("run", "--quick")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == "error: [Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "metrics.csv is not a table"),
        ("a,b\n1\n2,3,4\n", "metrics.csv is not a table"),
        ("\x89PNG\r\n", "metrics.csv is not a table"),
        ("time_ms,accuracy\n", "figure 'accuracy': the results have no column 'normalization'; run the study again"),
    ],
)
def test_a_table_that_is_none(cli, ran: Path, content: str, words: str) -> None:
    (ran / "metrics.csv").write_bytes(content.encode("latin-1"))
    one_line(cli("figures", "--quick"), words)


# Other programs


@pytest.mark.parametrize("program", ["tailor", "train"])
def test_the_rest_of_the_line_is_handed_over(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    given = []
    module = SimpleNamespace(main=lambda arguments: given.append(arguments) or 7)
    monkeypatch.setitem(sys.modules, f"models.{program}.__main__", module)
    assert main([program, "--first", "1", "name", "--help"]) == 7
    assert given == [["--first", "1", "name", "--help"]]


def test_tailor_says_what_stands_in_the_way(cli, model: Path, capsys: pytest.CaptureFixture) -> None:
    written(model, network([helper.make_node("Tanh", ["x"], ["y"], name="s")], {}))
    status, out, _ = cli("tailor", str(model))
    assert (status, out.splitlines()[-1]) == (1, "1 of 1 stand in the way")


@pytest.mark.parametrize(
    ("missing", "extra", "arguments"),
    [
        ("torch", "train", ("train", "mnist_mlp")),
        ("distributed", "cluster", ("run", "--scheduler", "tcp://127.0.0.1:8786")),
        ("nir", "nir", ("export", "mnist_mlp", "--to", "mine.nir")),
    ],
)
def test_what_is_not_installed_is_said(
    cli, monkeypatch: pytest.MonkeyPatch, missing: str, extra: str, arguments: tuple[str, ...]
) -> None:
    for module in [
        name
        for name in sys.modules
        if name in ("models.train.__main__", "studies.run.cluster", "studies.run.cluster.computing", "studies.export")
        or name.startswith("conversion.nir")
    ]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(runner, "say_accuracies", lambda jobs: None)
    one_line(cli(*arguments), missing, f"{sys.executable} -m pip install --editable '{ROOT}[{extra}]'", status=1)


# From anywhere, at once


def test_the_command_is_installed() -> None:
    (command,) = entry_points(group="console_scripts", name="brianize")
    assert command.load() is main


@pytest.mark.parametrize("arguments", [["list"], ["run", "normalisation"], ["--help"]], ids=" ".join)
def test_what_simulates_nothing_imports_no_simulator(tmp_path: Path, arguments: list[str]) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from studies.__main__ import main
try:
    main({arguments!r})
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    heavy = {"brian2", "scipy", "pandas", "matplotlib", "onnx", "onnxruntime", "joblib", "sklearn", "numba", "dask"}
    assert "studies.__main__" in done.stderr
    assert heavy.isdisjoint(done.stderr.split())


# The benchmark


@pytest.mark.parametrize(("options", "measured"), [((), "measure_all"), (("--networks",), "measure_large_networks")])
def test_bench_measures_everything_or_the_large_networks(
    cli, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], measured: str
) -> None:
    called = []
    for name in ("measure_all", "measure_large_networks"):
        monkeypatch.setattr(f"studies.bench.{name}", lambda name=name: called.append(name))
    assert cli("bench", *options)[0] == 0
    assert called == [measured]


# --debug


def test_debug_shows_where(cli, model: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultsError):
        cli("figures", "--debug")
    written(model, b"weights = 3\n")
    with pytest.raises(OnnxError):
        cli("run", "--debug")


def test_an_error_of_the_program_itself_names_its_kind_and_points_to_debug(
    cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args):
        raise ZeroDivisionError("float\ndivision")

    monkeypatch.setattr("studies.declare.load_study", broken)
    one_line(cli(), "error: ZeroDivisionError: float division (--debug shows where)", status=1)
    with pytest.raises(ZeroDivisionError):
        cli("run", "--debug")

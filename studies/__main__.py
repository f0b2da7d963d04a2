"""The command line, `brianize`: list studies, run, draw and report them, look into networks, export, tailor, train.

What a command needs is imported when it runs, so that a list or a wrong argument takes no second.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.paths import RESULTS, ROOT, is_ours
from studies.options import EXPORTED, SETTINGS, add_settings, positive

if TYPE_CHECKING:
    from studies.declare import Study

EXTRAS = {"torch": "train", "dask": "cluster", "distributed": "cluster", "nir": "nir", "h5py": "nir"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0, 2 for bad input, 130 when interrupted, 1 for anything else."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    options.rest = rest
    if rest and options.command is not _hand_over:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        return options.command(options) or 0
    except KeyboardInterrupt:
        return _say("interrupted; what a study or a training has finished is kept, and the same command continues", 130)
    except Exception as error:
        if options.debug:
            raise
        return _say(_one_line(error), 2 if isinstance(error, ValueError) else 1)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="brianize", description="Trained networks as spiking neurons.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    results = argparse.ArgumentParser(add_help=False, parents=[common])
    beside = "where results go (default: results/ beside a study's file; of what ships with the project, its own)"
    results.add_argument("--results", type=Path, metavar="DIR", help=beside)
    study = argparse.ArgumentParser(add_help=False, parents=[results])
    study.add_argument("study", metavar="STUDY", help="a study's name (see list), or the path of a .toml file")
    study.add_argument("--quick", action="store_true", help="the small version that its [quick] section declares")
    _add(commands, "list", "the studies that ship with the project", _list, common)
    run = _add(commands, "run", "run a study, or continue an interrupted one", _run, study)
    workers = run.add_mutually_exclusive_group()
    workers.add_argument("--jobs", type=positive, metavar="N", help="workers (default: all cores)")
    workers.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that computes, tcp://HOST:8786")
    run.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets")
    run.add_argument("--predictions", action="store_true", help="write predictions.csv too, a row per image")
    redraw = _add(commands, "figures", "draw a study's figures and summary again, from its tables", _figures, study)
    redraw.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets, to draw boxes on images")
    media = "as vectors with a table, in a folder beside the others: as wide as a journal's column, or a slide"
    redraw.add_argument("--for", dest="medium", choices=("page", "paper", "slides"), default="page", help=media)
    report = _add(commands, "report", "a page of HTML of a study, or of all of them with an index", _report, results)
    report.add_argument("study", metavar="STUDY", nargs="?", help="as above (default: all that ship and have run)")
    energy = _add(commands, "energy", "what a study's synaptic operations cost on neuromorphic chips", _energy, study)
    energy.add_argument("--chips", type=Path, metavar="FILE", help="another table than studies/chips.csv")
    _add(
        commands,
        "tolerance",
        "how much biology networks bear, from the tables of studies",
        _tolerance,
        results,
    )
    predict = _add(commands, "predict", "what shot noise predicts of a study, beside what it measured", _predict, study)
    predict.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets")
    prose = _add(commands, "prose", "fill the pages of results/ from the tables", _prose, common)
    prose.add_argument("--check", action="store_true", help="only say which pages are not up to date")
    look = _add(commands, "look", "figures of what happens inside a network", _look, results)
    look.add_argument("model", metavar="MODEL", help="a shipped network, or the path of an .onnx file")
    look.add_argument("--image", type=int, default=0, metavar="N", help="the test image to follow (default: 0)")
    look.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets")
    add_settings(look, SETTINGS)
    export = _add(commands, "export", "write a network for other simulators (NIR), or read theirs", _export, common)
    export.add_argument("model", metavar="MODEL", help="a shipped network, or the path of an .onnx or a .nir file")
    export.add_argument("--to", type=Path, required=True, metavar="FILE", help="a .nir file; of a .nir file, an .onnx")
    export.add_argument("--lossy", action="store_true", help="write also what NIR cannot say in full, and say what")
    export.add_argument("--spike", choices=("step", "dirac"), help="the value 1 for a step (default), or a pulse")
    export.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets")
    add_settings(export, (*SETTINGS, *EXPORTED))
    _add(commands, "tailor", "what keeps a network from spiking, and the same network without it", _hand_over, common)
    _add(commands, "train", "train a shipped network again", _hand_over, common)
    bench = _add(commands, "bench", "measure the engine's speed", _bench, common)
    bench.add_argument("--networks", action="store_true", help="only the large networks: print, and write nothing")
    return parser


def _add(
    commands: Any,
    name: str,
    summary: str,
    command: Callable[[argparse.Namespace], int | None],
    parent: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}."
    own_help = command is not _hand_over
    parser = commands.add_parser(name, help=summary, description=description, parents=[parent], add_help=own_help)
    parser.set_defaults(command=command, name=name)
    return parser


def _list(_: argparse.Namespace) -> None:
    from studies.declare import load_study, study_names

    for name in study_names():
        study = load_study(name)
        print(f"{name}\n  {study.title} ({len(study.conditions)} conditions)\n  {study.question}")


def _run(options: argparse.Namespace) -> None:
    study, folder = _study(options)
    from studies.progress import shown

    with shown(lambda: f"{study.title}: loading the simulator"):
        from joblib import cpu_count

        from studies.draw import draw_boxes, draw_figures
        from studies.run import run_study
        from studies.tables import read_table, report, write_summary

    jobs = None if options.scheduler else options.jobs or cpu_count()
    with _written_to(folder):
        run_study(
            study, folder, jobs=jobs, scheduler=options.scheduler, data_dir=options.data,
            predictions=options.predictions,
        )  # fmt: skip
        metrics = read_table(folder, "metrics")
        write_summary(metrics, study.title, folder)
        drawn = draw_figures(study, folder) + draw_boxes(study, folder, options.data)
    print(report(metrics, drawn, folder))


def _figures(options: argparse.Namespace) -> None:
    study, folder = _study(options)
    from studies.draw import MEDIA, draw_boxes, draw_figures
    from studies.tables import read_table, write_formats, write_summary

    medium, metrics = MEDIA[options.medium], read_table(folder, "metrics")
    into = folder if options.medium == "page" else folder / options.medium
    with _written_to(folder):
        into.mkdir(exist_ok=True)
        drawn = draw_figures(study, folder, medium, into) + draw_boxes(study, folder, options.data, medium, into)
        drawn += [write_summary(metrics, study.title, folder)] if into == folder else write_formats(metrics, into)
    print(*drawn, sep="\n")


def _report(options: argparse.Namespace) -> None:
    from studies.declare import study_names
    from studies.report import write_index, write_report

    if options.study:
        options.quick = False
        _, folder = _study(options)
        with _written_to(folder):
            print(write_report(folder))
        return
    results = options.results or RESULTS
    folders = [results / name for name in study_names() if (results / name / "metrics.csv").exists()]
    with _written_to(results):
        print(*map(write_report, folders), write_index(folders, results), sep="\n")


def _energy(options: argparse.Namespace) -> None:
    study, folder = _study(options)
    from studies.tables import CHIPS, check_owner, describe_energies, load_chips, read_table

    check_owner(folder, study.identity(folder))
    print(describe_energies(read_table(folder, "metrics"), load_chips(options.chips or CHIPS)))


def _tolerance(options: argparse.Namespace) -> None:
    from studies.draw import draw_tolerance, save
    from studies.tables import bearable, load_physiology, tolerances, write_table

    folder = (options.results or RESULTS) / "tolerance"
    with _written_to(folder):
        table = tolerances(load_physiology(), folder.parent)
        found = bearable(table)
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder, "tolerance", [table])
        write_table(folder, "bearable", [found])
        drawn = save(draw_tolerance(table), folder, "tolerance")
    print(found.to_string(index=False), *drawn, sep="\n")


def _predict(options: argparse.Namespace) -> None:
    study, folder = _study(options)
    from studies.draw import save
    from studies.prediction import correlations, draw_predictions, predictions
    from studies.tables import check_owner, write_table

    check_owner(folder, study.identity(folder))
    with _written_to(folder):
        table = predictions(study, folder, options.data)
        write_table(folder, "predictions", [table])
        write_table(folder, "correlations", [correlations(table)])
        drawn = save(draw_predictions(table, max(c.duration_ms for c in study.conditions)), folder, "predictions")
    print(table.to_string(index=False), *drawn, sep="\n")


def _prose(options: argparse.Namespace) -> None:
    from studies.tables import check_pages, render_pages

    if options.check:
        check_pages()
    else:
        print(*render_pages(), sep="\n")


def _look(options: argparse.Namespace) -> None:
    from studies.look import look

    given = {name: value for name in ("model", *SETTINGS) if (value := getattr(options, name)) is not None}
    shipped = not options.model.endswith(".onnx") or is_ours(Path(options.model))
    results = options.results or (RESULTS if shipped else Path("results"))
    folder = results / "look" / Path(options.model).stem
    with _written_to(folder):
        drawn = look(given, folder, image=options.image, data_dir=options.data)
    print(*drawn, sep="\n")


def _export(options: argparse.Namespace) -> None:
    from studies.export import export

    given = {name: value for name in (*SETTINGS, *EXPORTED) if (value := getattr(options, name)) is not None}
    how = {"lossy": options.lossy, "spike": options.spike, "data_dir": options.data}
    print(*export(options.model, options.to, given, **how), sep="\n")


def _bench(options: argparse.Namespace) -> None:
    from studies.bench import measure_all, measure_large_networks

    (measure_large_networks if options.networks else measure_all)()


def _hand_over(options: argparse.Namespace) -> int:
    """The commands that are programs of their own: the tailor, the trainer."""
    return import_module(f"models.{options.name}.__main__").main(options.rest)


def _study(options: argparse.Namespace) -> tuple[Study, Path]:
    """A study and its folder of results; a quick run has one of its own, and never replaces those of a full one."""
    from studies.declare import load_study

    study = load_study(options.study, options.quick)
    results = options.results or (RESULTS if is_ours(study.folder) else study.folder / "results")
    return study, results / (f"{study.name}-quick" if options.quick else study.name)


@contextmanager
def _written_to(folder: Path) -> Iterator[None]:
    """Say of a folder that cannot be written what to do, beside where and why."""
    try:
        yield
    except OSError as error:
        place = Path(str(error.filename))
        if error.filename is None or not (place.is_relative_to(folder) or folder.is_relative_to(place)):
            raise
        remedy = "name a folder that can be written by --results, and to go on from what is there, copy it first"
        raise OSError(f"{place}: {error.strerror}; {remedy}") from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        return f"{text}; {sys.executable} -m pip install --editable '{ROOT}[{EXTRAS[error.name]}]' brings it"
    return text if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {text} (--debug shows where)"


def _say(message: str, status: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())

"""The command line: list studies, run one, redraw its figures, look into a network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from joblib import cpu_count

from models.paths import RESULTS

SETTINGS = (
    "dataset", "images", "calibration", "normalization", "duration_ms", "max_rate_hz", "encoder", "neuron", "tau_m_ms",
    "reset", "v_th", "pooling", "readout", "seed",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0, 2 for bad input, 130 when interrupted, 1 for anything else."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except KeyboardInterrupt:
        return _say("interrupted; a study keeps its finished conditions, and the same command continues", 130)
    except Exception as error:
        if options.debug:
            raise
        return _say(_one_line(error), 2 if isinstance(error, ValueError) else 1)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies", description="Declared sweeps over spiking networks.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    results = argparse.ArgumentParser(add_help=False, parents=[common])
    results.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="where results go (default: results)"
    )
    study = argparse.ArgumentParser(add_help=False, parents=[results])
    study.add_argument("study", metavar="STUDY", help="a study's name (see list), or the path of a .toml file")
    study.add_argument("--quick", action="store_true", help="the small version that its [quick] section declares")
    _add(commands, "list", "the studies that ship with the project", _list, common)
    run = _add(commands, "run", "run a study, or continue an interrupted one", _run, study)
    run.add_argument("--jobs", type=_positive, default=cpu_count(), metavar="N", help="workers (default: all cores)")
    run.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets")
    redraw = _add(commands, "figures", "draw a study's figures and summary again, from its tables", _figures, study)
    redraw.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets, to draw boxes on images")
    energy = _add(commands, "energy", "what a study's synaptic operations cost on neuromorphic chips", _energy, study)
    energy.add_argument("--chips", type=Path, metavar="FILE", help="another table than studies/chips.csv")
    prose = _add(commands, "prose", "fill the pages of results/ from the tables", _prose, common)
    prose.add_argument("--check", action="store_true", help="only say which pages are not up to date")
    look = _add(commands, "look", "figures of what happens inside a network", _look, results)
    look.add_argument("model", metavar="MODEL", help="a shipped network, or the path of an .onnx file")
    look.add_argument("--image", type=int, default=0, metavar="N", help="the test image to follow (default: 0)")
    look.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets")
    settings = look.add_argument_group("settings, as in the [fixed] section of a study")
    for name in SETTINGS:
        settings.add_argument(f"--{name.replace('_', '-')}", type=_value, metavar="VALUE")
    bench = _add(commands, "bench", "measure the engine's speed", _bench, common)
    bench.add_argument("--networks", action="store_true", help="only the large networks: print, and write nothing")
    return parser


def _add(
    commands: Any,
    name: str,
    summary: str,
    command: Callable[[argparse.Namespace], None],
    parent: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}."
    parser = commands.add_parser(name, help=summary, description=description, parents=[parent])
    parser.set_defaults(command=command)
    return parser


def _list(_: argparse.Namespace) -> None:
    from studies.declare import load_study, study_names

    for name in study_names():
        study = load_study(name)
        print(f"{name}\n  {study.title} ({len(study.conditions)} conditions)\n  {study.question}")


def _run(options: argparse.Namespace) -> None:
    from studies.declare import load_study
    from studies.draw import draw_boxes, draw_figures
    from studies.run import run_study
    from studies.tables import read_table, report, write_summary

    study = load_study(options.study, options.quick)
    folder = run_study(study, _folder(options, study.name), jobs=options.jobs, data_dir=options.data)
    metrics = read_table(folder, "metrics")
    write_summary(metrics, study.title, folder)
    drawn = draw_figures(study, folder) + draw_boxes(study, folder, options.data)
    print(report(metrics, drawn, folder))


def _figures(options: argparse.Namespace) -> None:
    from studies.declare import load_study
    from studies.draw import draw_boxes, draw_figures
    from studies.tables import read_table, write_summary

    study = load_study(options.study, options.quick)
    folder = _folder(options, study.name)
    drawn = draw_figures(study, folder) + draw_boxes(study, folder, options.data)
    print(*drawn, write_summary(read_table(folder, "metrics"), study.title, folder), sep="\n")


def _energy(options: argparse.Namespace) -> None:
    from studies.declare import load_study
    from studies.tables import CHIPS, describe_energies, load_chips, read_table

    folder = _folder(options, load_study(options.study, options.quick).name)
    print(describe_energies(read_table(folder, "metrics"), load_chips(options.chips or CHIPS)))


def _prose(options: argparse.Namespace) -> None:
    from studies.tables import check_pages, render_pages

    if options.check:
        check_pages()
    else:
        print(*render_pages(), sep="\n")


def _look(options: argparse.Namespace) -> None:
    from studies.look import look

    given = {name: value for name in ("model", *SETTINGS) if (value := getattr(options, name)) is not None}
    folder = options.results / "look" / Path(options.model).stem
    for path in look(given, folder, image=options.image, data_dir=options.data):
        print(path)


def _bench(options: argparse.Namespace) -> None:
    from studies.bench import measure_all, measure_large_networks

    (measure_large_networks if options.networks else measure_all)()


def _folder(options: argparse.Namespace, name: str) -> Path:
    """A quick run has a folder of its own, so that it never replaces the results of a full one."""
    return options.results / (f"{name}-quick" if options.quick else name)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _value(text: str) -> int | float | str:
    """A setting as a study's file would hold it; `studies.declare.conditions` says what is wrong with it."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {text} (--debug shows where)"


def _say(message: str, status: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())

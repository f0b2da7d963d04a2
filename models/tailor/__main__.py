"""The tailor's command line: `brianize tailor FILE.onnx --output NEW.onnx`, or `python -m models.tailor`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import onnx

from models.atomic import write_atomically
from models.datasets import flat, load_dataset
from models.onnx_io import finish, follow, input_shape
from models.shot_noise import as_text as noise_as_text
from models.shot_noise import shot_noise
from models.tailor.check import require_same_function
from models.tailor.report import OBSTACLE, UNKNOWN, as_text, tailor

IMAGES = 200  # enough for mean rates


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; the status is 0 if the rewritten file can become spikes, 1 if not, 2 if it is no network."""
    options = _parser().parse_args(arguments)
    try:
        table, model = tailor(options.file, options.until)
        if options.output is not None:
            require_same_function(options.file, model, options.until)
            write_atomically(options.output, model.SerializeToString())
        obstacles = int(table["verdict"].isin([OBSTACLE, UNKNOWN]).sum())
        noise = "" if obstacles or options.images is None else f"\n\n{_noise(model, options)}"
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(as_text(table))
    print(f"\n{obstacles} of {len(table)} stand in the way" if obstacles else f"\nall of it can become spikes{noise}")
    return int(obstacles > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="brianize tailor", description="What keeps a network from spiking?")
    parser.add_argument("file", type=Path, metavar="FILE.onnx")
    parser.add_argument("--output", type=Path, metavar="NEW.onnx", help="where to write the rewritten file")
    until = "cut off what lies behind this tensor or node, which becomes the only output"
    parser.add_argument("--until", metavar="NAME", help=until)
    images = "a dataset's name, or an .npz file: say how noisy the input of each layer will be on its images"
    parser.add_argument("--images", metavar="DATASET", help=images)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets")
    return parser


def _noise(model: onnx.ModelProto, options: argparse.Namespace) -> str:
    """The shot noise of a rewritten network under Poisson input, on the last images of a dataset."""
    data = load_dataset(options.images, options.data, input_shape(options.file))
    graph, images = finish(model, *follow(model, standardisation=data.standardisation)), data.x[-IMAGES:]
    images = flat(data.name, images, graph.input_shape) if len(graph.input_shape) == 1 else images
    return noise_as_text(shot_noise(graph, images))


if __name__ == "__main__":
    sys.exit(main())

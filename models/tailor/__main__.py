"""The tailor's command line: `brianize tailor FILE.onnx --output NEW.onnx`, or `python -m models.tailor`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.atomic import write_atomically
from models.onnx_io import OnnxError
from models.tailor.check import require_same_function
from models.tailor.report import OBSTACLE, UNKNOWN, as_text, tailor


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; the status is 0 if the rewritten file can become spikes, 1 if not, 2 if it is no network."""
    parser = argparse.ArgumentParser(prog="brianize tailor", description="What keeps a network from spiking?")
    parser.add_argument("file", type=Path, metavar="FILE.onnx")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="NEW.onnx",
        help="where to write the rewritten file",
    )
    parser.add_argument(
        "--until", metavar="NAME", help="cut off what lies behind this tensor or node, which becomes the only output"
    )
    options = parser.parse_args(arguments)
    try:
        table, model = tailor(options.file, options.until)
        if options.output is not None:
            require_same_function(options.file, model, options.until)
            write_atomically(options.output, model.SerializeToString())
    except (OnnxError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(as_text(table))
    obstacles = int(table["verdict"].isin([OBSTACLE, UNKNOWN]).sum())
    print(f"\n{obstacles} of {len(table)} stand in the way" if obstacles else "\nall of it can become spikes")
    return int(obstacles > 0)


if __name__ == "__main__":
    sys.exit(main())

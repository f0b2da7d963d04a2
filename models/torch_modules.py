"""A PyTorch module as a graph, by PyTorch's own exporter to ONNX and our importer; PyTorch is no dependency."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from models.graph import Graph
from models.onnx_io import OnnxError, load, one_line
from models.standardisation import Standardisation

NEEDED = ("torch", "onnxscript")  # the exporter is written with the second
PIXELS = Standardisation()
LONGEST = 300  # letters of what PyTorch says


def from_torch(module: Any, example: Any, standardisation: Standardisation = PIXELS) -> Graph:
    """Convert a trained module: export it as it is in evaluation, and read it as `models.onnx_io.load` does.

    Parameters
    ----------
    module : torch.nn.Module
        It is left as it was, in training or not, on its device.
    example : torch.Tensor, shape (N, channels, height, width) or (N, features)
        What the module reads; its numbers do not matter.
    standardisation : Standardisation
        What the module was trained on in the place of pixels in [0, 1].

    Raises
    ------
    ModuleNotFoundError
        If PyTorch or onnxscript is missing.
    OnnxError
        If PyTorch cannot export the module, or it holds what cannot become spikes.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ModuleNotFoundError(f"from_torch needs {missing[0]}; pip install {' '.join(NEEDED)}", name=missing[0])
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{type(module).__name__}.onnx"
        _export(module, example, path)
        return load(path, standardisation=standardisation)


def _export(module: Any, example: Any, path: Path) -> None:
    import torch

    training = {part: part.training for part in module.modules()}
    try:
        with torch.no_grad(), _quiet():
            module.eval()(example)  # what does not fit is said in one line here, and in hundreds there
            torch.onnx.export(module, (example,), path, dynamo=True, verbose=False)
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        reason = one_line(cause)[:LONGEST]
        raise OnnxError(f"PyTorch cannot export {type(module).__name__}: {reason}") from None
    finally:
        for part, before in training.items():
            part.training = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of its own parts, such as that torchvision is not there."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

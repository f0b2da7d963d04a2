"""Whether a rewritten file is sound and computes what the original did, before anyone gets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from models.onnx_io import OnnxError, one_line, open_session, read

TOLERANCE = 1e-3  # of the largest value, as the order of sums changes


def require_same_function(path: str | Path, model: onnx.ModelProto, until: str | None = None) -> None:
    """Check a rewritten model with ONNX's full check and, on random images, against the original in onnxruntime.

    Of an original that was cut, the part up to `until` is what counts.

    Raises
    ------
    OnnxError
        If the model is not sound, onnxruntime refuses one of the two, or their outputs differ.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
        original = str(path) if until is None else read(path, until).SerializeToString()
        before, after = _outputs(original), _outputs(model.SerializeToString())
    except Exception as error:  # those of onnxruntime share no base class
        raise OnnxError(f"{path}: what it was rewritten as cannot be run: {one_line(error)}") from error
    for name, one, other in zip(before, before.values(), after.values(), strict=True):
        if isinstance(one, np.ndarray) and one.dtype.kind == "f" and not _close(one, other):
            raise OnnxError(f"{path}: what it was rewritten as gives other values of {name!r}")


def _outputs(model: str | bytes) -> dict[str, Any]:
    session = open_session(model, optimised=False)  # else onnxruntime multiplies weights of 8 bits approximately
    names = [output.name for output in session.get_outputs()]
    given = {value.name: _images(value.type, value.shape) for value in session.get_inputs()}
    return dict(zip(names, session.run(names, given), strict=True))


def _images(kind: str, shape: list[int | str | None]) -> NDArray[Any]:
    """Random values of both signs, or bytes; a free batch is one of two images."""
    sizes = [size if isinstance(size, int) and size > 0 else 2 for size in shape]
    dtype = np.dtype({"float": "float32", "double": "float64"}.get(kind[7:-1], kind[7:-1]))  # of "tensor(float)"
    values = np.random.default_rng(0).normal(0.3, 1.0, sizes)
    return values.astype(dtype) if dtype.kind == "f" else np.abs(100 * values).astype(dtype)


def _close(one: NDArray[Any], other: NDArray[Any]) -> bool:
    scale = float(np.abs(one[np.isfinite(one)]).max(initial=0.0))
    coarse = TOLERANCE if one.dtype != np.float16 else 0.02
    return one.shape == other.shape and np.allclose(one, other, rtol=0, atol=coarse * scale + 1e-6, equal_nan=True)

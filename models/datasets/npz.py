"""Images and labels from an npz file, by the names that people give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.datasets.files import decode_images, npz_arrays, stack
from models.datasets.meaning import PIXELS, DatasetError, as_boxes, as_images, as_labels, in_axes
from models.datasets.photos import boxes_of, sized
from models.detection import pad_boxes
from models.graph import Array, Shape
from models.standardisation import Standardisation, StandardisationError, as_values, together

IMAGES = ("x", "images", "image", "data", "inputs", "features", "x_test", "test_images", "blob")
LABELS = ("y", "labels", "label", "targets", "target", "y_test", "test_labels", "boxes", "gt")
SAID = ("scale", "mean", "std")
ENDS = ("minimum", "maximum")
Arrays = Mapping[str, NDArray[Any]]


def read_npz(
    path: Path, shape: Shape | None = None, said: Standardisation = PIXELS
) -> tuple[Array, NDArray[Any], Standardisation]:
    """Images, in a form of `as_images`, or JPEG or PNG bytes `blob` that are cut at `offset`; and their labels.

    The file may say what the network reads: its `scale`, `mean` and `std`, or, where it reads `images` as they are,
    their `minimum` and `maximum`. Photographs with boxes may have any size.

    Parameters
    ----------
    shape, said : tuple of int, Standardisation
        See `as_images`; what `said` and the file say must agree.

    Returns
    -------
    x, y, said
        See `models.datasets.loading.Dataset`.

    Raises
    ------
    DatasetError
        If it does not hold this, or holds it twice.
    """
    arrays = npz_arrays(path)
    images, labels = _pick(path, arrays, IMAGES, "images"), _pick(path, arrays, LABELS, "labels")
    missing = [name for name, found in (("x", images), ("y", labels)) if found is None]
    if images is None or labels is None:
        raise DatasetError(
            f"{path} has no {' and no '.join(missing)}; it holds {', '.join(sorted(arrays))}: name images x, labels y"
        )
    said, source = _said(path, arrays, said), str(path)
    has_boxes = labels == "gt" or arrays[labels].ndim == 3
    x = _pixels(path, arrays, images, shape, has_boxes)
    is_read = images != "blob" and any(name in arrays for name in ENDS)
    x = as_images(source, x, shape, said, is_read)
    if not has_boxes:
        return x, as_labels(source, arrays[labels], len(x)), said
    boxes = pad_boxes(boxes_of(path, arrays, len(x))) if labels == "gt" else arrays[labels]
    return x, as_boxes(source, boxes, len(x)), said


def _pixels(path: Path, arrays: Arrays, name: str, shape: Shape | None, has_boxes: bool) -> NDArray[Any]:
    """The images of a file; photographs with boxes in the size that a network of this shape reads."""
    if name == "blob":
        pictures = decode_images(path, arrays)
        return (sized(pictures, shape) if has_boxes else stack(path, pictures)) / np.float32(255)
    x = arrays[name]
    if not has_boxes or shape is None or len(shape) != 3 or x.dtype != np.uint8 or x.ndim != 4:
        return x
    maps = in_axes(str(path), x)
    if maps.shape[2:] == shape[1:]:
        return x
    return sized([Image.fromarray(np.squeeze(image.transpose(1, 2, 0))) for image in maps], shape)


def _pick(path: Path, arrays: Arrays, known: Sequence[str], what: str) -> str | None:
    """The one array that bears a known name; none is for the caller to judge."""
    found = [name for name in arrays if name.lower() in known]
    if len(found) > 1:
        raise DatasetError(f"{path} holds {' and '.join(sorted(found))}, which may all be the {what}; keep one of them")
    return found[0] if found else None


def _said(path: Path, arrays: Arrays, said: Standardisation) -> Standardisation:
    """What the file and others say that the network reads."""
    try:
        own = {name: as_values(arrays[name]) for name in SAID if name in arrays}
        if ends := {name: np.asarray(as_values(arrays[name])) for name in ENDS if name in arrays}:
            if own or len(ends) < 2:
                raise StandardisationError("minimum and maximum go together, and without scale, mean and std")
            reach = ends["maximum"] - ends["minimum"]
            own = {"scale": as_values(np.where(reach == 0, 1.0, reach)), "mean": as_values(-ends["minimum"])}
        return together(said, Standardisation(**own))
    except ValueError as error:  # of a minimum and a maximum that do not go together, too
        raise DatasetError(f"{path}: {error}") from None

"""What a network reads in the place of pixels in [0, 1]: bytes, or values that were standardised before training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.graph import Shape

Values = float | tuple[float, ...]
Affine = NDArray[np.float64]


class StandardisationError(ValueError):
    """A scale, mean or std that is not what it must be; the message names it."""


@dataclass(frozen=True)
class Standardisation:
    """The network reads (scale * pixel - mean) / std; each is one number, or one per channel or feature.

    What is None is not said: a mean of 0, a std of 1, and a scale of 1, or of 255 where the file declares bytes. The
    mean and std of torchvision's Normalize are these; a network trained on bytes of 0 to 255 has the scale 255.

    Raises
    ------
    StandardisationError
        If a number is not finite, or a scale or std not above 0.
    """

    scale: Values | None = None
    mean: Values | None = None
    std: Values | None = None

    def __post_init__(self) -> None:
        for name, value in self.said.items():
            values = np.asarray(value, float)
            if not np.isfinite(values).all() or values.size == 0 or (name != "mean" and values.min() <= 0):
                valid = "finite" if name == "mean" else "finite and above 0"
                raise StandardisationError(f"{name} is {value}; it must be one number or one per channel, {valid}")

    @property
    def said(self) -> Mapping[str, Values]:
        """Those that are not None, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def affine(self, shape: Shape, scale: float = 1.0) -> tuple[Affine, Affine]:
        """The factor and the offset that make of pixels (N, *shape) what the network reads; as many axes as `shape`.

        Raises
        ------
        StandardisationError
            If there is neither one number nor one per channel or feature, or if what it makes is out of range.
        """
        scale_, mean, std = (
            _spread(name, default if value is None else value, shape)
            for name, value, default in (("scale", self.scale, scale), ("mean", self.mean, 0.0), ("std", self.std, 1.0))
        )
        with np.errstate(all="ignore"):
            factor, offset = scale_ / std, -mean / std
        if not (np.isfinite(factor).all() and np.isfinite(offset).all() and factor.min() > 0):
            told = ", ".join(f"{name} {value}" for name, value in self.said.items())
            raise StandardisationError(f"(scale * pixel - mean) / std is out of range, by {told}; give other numbers")
        return factor, offset

    def pixels(self, x: NDArray[Any]) -> Affine:
        """The pixels of what the network reads, (N, *shape), as `affine` makes it of them; raises as that does."""
        factor, offset = self.affine(x.shape[1:])
        with np.errstate(over="ignore"):  # infinite pixels are none, which is for the caller to judge
            return (x - offset) / factor


def together(one: Standardisation, other: Standardisation) -> Standardisation:
    """What either says; raises `StandardisationError` where they do not agree."""
    for name, value in one.said.items():
        if other.said.get(name, value) != value:
            raise StandardisationError(f"{name} is {value} in one place and {other.said[name]} in another; keep one")
    return Standardisation(**{**one.said, **other.said})


def as_values(value: Any) -> Values:
    """A number or a list or array of them, as one number where one is enough.

    Raises
    ------
    StandardisationError
        If it is something else.
    """
    try:
        values = np.asarray(value, float).ravel()
    except (TypeError, ValueError):
        raise StandardisationError(f"{value!r} is neither a number nor a list of numbers") from None
    return float(values[0]) if values.size == 1 else tuple(map(float, values))


def _spread(name: str, value: Values, shape: Shape) -> Affine:
    values = np.atleast_1d(np.asarray(value, float))
    if len(values) not in (1, shape[0]):
        kind = "features" if len(shape) == 1 else "channels"
        raise StandardisationError(
            f"{name} has {len(values)} values, but the network reads {shape[0]} {kind}; give one number, or {shape[0]}"
        )
    return values.reshape(-1, *(1,) * (len(shape) - 1))

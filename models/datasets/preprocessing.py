"""What Cao 2015 and Sengupta 2019 do to a colour image before a network sees it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.graph import Array

CROP = 24
CIFAR10_MEAN: NDArray[np.float32] = np.array([[[0.4914]], [[0.4822]], [[0.4465]]], np.float32)  # its training images


def centre_crop(x: Array) -> Array:
    """The middle 24 x 24 pixels of images (N, channels, height, width)."""
    top, left = (x.shape[2] - CROP) // 2, (x.shape[3] - CROP) // 2
    return np.ascontiguousarray(x[:, :, top : top + CROP, left : left + CROP])


def centre(x: Array) -> Array:
    """x - mean of RGB images in [0, 1] (Sengupta 2019): values in [-1, 1], which spikes of an ON and OFF pair carry."""
    return x - CIFAR10_MEAN


def rectify(x: Array) -> Array:
    """abs(x - mean) of RGB images in [0, 1], divided per channel by the largest value it can take.

    Subtracting the mean helps to train; the abs makes of the result an intensity, which spikes can carry.
    """
    return np.abs(x - CIFAR10_MEAN) / np.maximum(CIFAR10_MEAN, 1 - CIFAR10_MEAN)

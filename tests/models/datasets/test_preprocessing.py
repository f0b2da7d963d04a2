"""What Cao 2015 and Sengupta 2019 do to a colour image, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from models.datasets.preprocessing import CIFAR10_MEAN, centre, centre_crop, rectify


@pytest.mark.parametrize(("size", "first"), [((32, 32), (4, 4)), ((24, 30), (0, 3)), ((27, 25), (1, 0))])
def test_the_crop_is_the_middle_24_pixels(size: tuple[int, int], first: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: size[0], : size[1]]
    crop = centre_crop(np.stack([rows, columns])[None].astype(np.float32))
    assert crop.shape == (1, 2, 24, 24)
    np.testing.assert_array_equal(crop[0, 0, :, 0], np.arange(first[0], first[0] + 24))
    np.testing.assert_array_equal(crop[0, 1, 0], np.arange(first[1], first[1] + 24))


def test_the_mean_is_dark_and_the_extremes_are_at_most_one() -> None:
    images = np.stack(
        [np.full((3, 2, 2), value, np.float32) for value in (0.0, 1.0)] + [CIFAR10_MEAN + np.zeros((2, 2))]
    )
    black, white, mean = rectify(images.astype(np.float32))
    assert (mean == 0).all()
    np.testing.assert_array_equal(white, np.ones((3, 2, 2)))  # every mean is below one half
    for channel, value in enumerate((0.4914, 0.4822, 0.4465)):
        np.testing.assert_allclose(black[channel], value / (1 - value), rtol=1e-6)


def test_both_sides_of_the_mean_are_the_same_intensity() -> None:
    step = np.random.default_rng(0).uniform(0, 0.4, (5, 3, 4, 4)).astype(np.float32)
    above, below = rectify(CIFAR10_MEAN + step), rectify(CIFAR10_MEAN - step)
    np.testing.assert_allclose(above, below, atol=1e-6)
    assert above.dtype == np.float32


def test_centred_images_keep_the_side_of_the_mean_that_they_are_on() -> None:
    black, white = centre(np.zeros((1, 3, 2, 2), np.float32)), centre(np.ones((1, 3, 2, 2), np.float32))
    for channel, value in enumerate((0.4914, 0.4822, 0.4465)):
        np.testing.assert_allclose(black[0, channel], -value, rtol=1e-6)
        np.testing.assert_allclose(white[0, channel], 1 - value, rtol=1e-6)
    assert black.dtype == np.float32


@pytest.mark.slow
def test_the_mean_is_that_of_cifars_training_images(real_data) -> None:
    x = real_data("cifar10_train").x
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), CIFAR10_MEAN.ravel(), atol=2e-3)  # JPEG may shift it a little

"""What arrays of images and labels mean, by hand, and what is said where it cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from models.datasets.meaning import as_boxes, as_images, as_labels
from models.standardisation import Standardisation
from tests.models.datasets.test_files import COLOURED, PIXELS, Y, refused


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (PIXELS, PIXELS[:, None]),
        (PIXELS[:, None], PIXELS[:, None]),
        (PIXELS[..., None], PIXELS[:, None]),
        (COLOURED, COLOURED.transpose(0, 3, 1, 2)),
        (COLOURED.transpose(0, 3, 1, 2), COLOURED.transpose(0, 3, 1, 2)),
    ],
    ids=["NHW", "N1HW", "NHW1", "NHW3", "N3HW"],
)
def test_layouts(given_: np.ndarray, expected: np.ndarray) -> None:
    x = as_images("some", given_)
    assert x.flags.c_contiguous
    np.testing.assert_array_equal(np.rint(x * 255), expected)


POLAR = np.random.default_rng(2).random((4, 2, 5, 6)).astype(np.float32)


@pytest.mark.parametrize(
    ("given_", "shape", "expected"),
    [
        (POLAR, (2, 5, 6), POLAR),
        (POLAR.transpose(0, 2, 3, 1), (2, 5, 6), POLAR),
        (POLAR[:, :, :3, :3], (2, 3, 3), POLAR[:, :, :3, :3]),
        (POLAR[:, 0], (1, 5, 6), POLAR[:, :1]),
        (POLAR[:, 0].reshape(4, 30), (1, 5, 6), POLAR[:, :1]),
        (POLAR[:, 0], (30,), POLAR[:, 0].reshape(4, 30)),
        (POLAR[:, :1].transpose(0, 2, 3, 1), (30,), POLAR[:, 0].reshape(4, 30)),
        (POLAR.reshape(4, 60), (60,), POLAR.reshape(4, 60)),
        (POLAR[:, :, 0], (2, 1, 6), POLAR[:, :, :1]),
        (POLAR[:, :, 0].transpose(0, 2, 1), (2, 1, 6), POLAR[:, :, :1]),
        (POLAR[:, 0, 0], (1, 1, 6), POLAR[:, :1, :1]),
        (POLAR[:, :1, 0], (1, 1, 6), POLAR[:, :1, :1]),
        (POLAR.transpose(0, 2, 3, 1), (5, 6, 2), POLAR.transpose(0, 2, 3, 1)),
    ],
    ids=[
        "two channels", "two channels last", "three rows", "no channel", "features of a map", "map to features",
        "channel last to features", "features", "signals", "signals, channels last", "one signal", "one of a channel",
        "as the network has it",
    ],
)  # fmt: skip
def test_a_network_decides_which_axis_is_which(given_, shape, expected) -> None:
    x = as_images("some", given_, shape)
    assert x.flags.c_contiguous
    np.testing.assert_array_equal(x, expected)


def test_axes_that_a_network_reads_in_two_ways() -> None:
    cube = POLAR.reshape(4, -1)[:, :27].reshape(4, 3, 3, 3)
    refused(lambda: as_images("some", cube, (3, 3, 3)), "(4, 3, 3, 3), and the network reads (3, 3, 3) in more than")
    signals = POLAR[:, 0, :5, :5]
    refused(lambda: as_images("some", signals, (5, 1, 5)), "save x with this shape behind the number of images")
    np.testing.assert_array_equal(as_images("some", signals[:, :, None], (5, 1, 5)), signals[:, :, None])


def test_colours_become_features_in_one_order_or_another() -> None:
    x = COLOURED / 255
    for stored in (x, x.transpose(0, 3, 1, 2)):
        message = "the network reads 90 features", "save x as (N, features) in the order of the training"
        refused(lambda stored=stored: as_images("some", stored, (90,)), *message)
        features = stored.reshape(4, 90)
        np.testing.assert_allclose(as_images("some", features, (90,)), features, rtol=1e-6)


def test_features_need_no_network() -> None:
    np.testing.assert_array_equal(as_images("some", POLAR.reshape(4, 60)), POLAR.reshape(4, 60))


@pytest.mark.parametrize("shape", [(4,), (4, 2, 5, 6), (4, 3, 5, 3), (4, 1, 6, 1), (0, 5, 6), (4, 3, 0, 6), ()])
@pytest.mark.parametrize("read", [None, (4, 5, 6), (7,)])
def test_layouts_that_cannot_be_told(shape: tuple[int, ...], read) -> None:
    known = "known are (N, H, W), (N, H, W, C), (N, C, H, W) and (N, features)"
    told = "C is 1 or 3" if read is None else f"the network reads {read}"
    refused(lambda: as_images("some", np.zeros(shape, np.uint8), read), f"some: x has shape {shape}; {known}", told)


# Values


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int64, np.uint64])
def test_whole_numbers_are_bytes(kind: type) -> None:
    np.testing.assert_array_equal(as_images("some", PIXELS.astype(kind)), (PIXELS / 255)[:, None].astype(np.float32))


def test_true_is_white() -> None:
    np.testing.assert_array_equal(as_images("some", PIXELS > 99), (PIXELS > 99)[:, None])


@pytest.mark.parametrize("kind", [np.complex64, "S3", "datetime64[s]"])
def test_pixels_of_another_type(kind) -> None:
    refused(lambda: as_images("some", PIXELS.astype(kind)), f"some: x has type {np.dtype(kind)}; known are whole numb")


DIGITS = PIXELS % 17
DIGITS[0, 0, 0] = 16


@pytest.mark.parametrize("kind", [np.uint8, np.int64])
def test_digits_of_0_to_16_are_no_bytes_and_both_remedies_work(kind: type) -> None:
    digits = DIGITS.astype(kind)
    refused(lambda: as_images("some", digits), "reaches from 0 to 16", "divide x by it and save floats", "say scale")
    for x in (as_images("some", digits / 16), as_images("some", digits, said=Standardisation(scale=16))):
        np.testing.assert_allclose(x, DIGITS[:, None] / 16, rtol=1e-6)


@pytest.mark.parametrize("values", [PIXELS.astype(int) - 1, PIXELS.astype(int) + 1, PIXELS.astype(np.uint16) * 257])
def test_whole_numbers_that_are_no_bytes(values: np.ndarray) -> None:
    values[0, 0] = values.min(), values.max(), -1 if values.dtype == int else 0, 256, 0, 0
    refused(lambda: as_images("some", values), f"has type {values.dtype} and reaches from", "say scale")


def test_no_light_at_all_is_black_whatever_the_scale() -> None:
    assert not as_images("some", np.zeros((2, 3, 3), np.uint8)).any()


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("last", [False, True], ids=["NCHW", "NHWC"])
def test_standardised_images_are_turned_back_into_pixels(kind: type, last: bool) -> None:
    """As torchvision's ToTensor and Normalize leave them."""
    pixels = COLOURED.transpose(0, 3, 1, 2) / 255
    x = (pixels - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    stored = (x.transpose(0, 2, 3, 1) if last else x).astype(kind)
    got = as_images("some", stored, said=Standardisation(mean=MEAN, std=STD))
    np.testing.assert_allclose(got, pixels, atol=5e-4 if kind is np.float16 else 1e-6)


def test_pixels_stay_pixels_for_a_network_that_standardises() -> None:
    said = Standardisation(mean=0.1307, std=0.3081)
    for x in (PIXELS, PIXELS / 255):
        np.testing.assert_allclose(as_images("some", x, said=said)[:, 0], PIXELS / 255, rtol=1e-6)


def test_bytes_as_floats_for_a_network_that_reads_bytes() -> None:
    x = PIXELS.astype(np.float32)
    refused(lambda: as_images("some", x), "between 0.0 and 255.0" if x.max() == 255 else "pixels lie", "say its scale")
    got = as_images("some", x, said=Standardisation(scale=255))
    np.testing.assert_allclose(got[:, 0], PIXELS / 255, rtol=1e-6)


def test_values_that_are_no_pixels_whatever_is_said() -> None:
    x = (PIXELS / 255 - 0.5) / 0.25
    refused(lambda: as_images("some", x, said=Standardisation(mean=0.1307, std=0.3081)), "not in [0, 1]", "mean 0.1307")
    refused(lambda: as_images("some", x, said=Standardisation(mean=(0.5, 0.4))), "the network reads 1 channels")
    np.testing.assert_allclose(
        as_images("some", x, said=Standardisation(mean=0.5, std=0.25))[:, 0], PIXELS / 255, atol=1e-6
    )


def test_pixels_that_what_is_said_makes_infinite_are_refused() -> None:
    said = Standardisation(scale=1e-300)
    refused(lambda: as_images("some", np.full((4, 5, 6), 1e300), said=said), "pixels from inf to inf, not in [0, 1]")


# Labels and boxes


@pytest.mark.parametrize(
    "y",
    [Y[:, None], Y.astype(float), Y.astype(np.float16)[:, None], np.eye(3)[Y], np.eye(3, dtype=bool)[Y], np.uint64(Y)],
    ids=["a column", "floats", "a column of floats", "one of three", "truth", "unsigned"],
)
def test_classes_in_any_form(y: np.ndarray) -> None:
    labels = as_labels("some", y, 4)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, [0, 2, 1, 1])


@pytest.mark.parametrize(
    "y",
    [
        Y[:3], Y - 1, Y.astype(str), np.array(3), Y + 0.5, np.where(Y == 0, np.nan, Y), np.where(Y == 0, np.inf, Y),
        np.eye(3)[Y] * 2, np.ones((4, 3)), np.zeros((4, 3)), np.eye(3)[Y][:3], np.full((4, 3), 1 / 3),
        Y + 2.0**63, np.uint64(Y) + np.uint64(2**63), Y + 2**31, np.zeros((4, 0)), np.zeros((10**11, 0)),
    ],
)  # fmt: skip
def test_labels_that_are_no_classes(y: np.ndarray) -> None:
    refused(lambda: as_labels("some", y, 4), f"some: y is {y.dtype} of shape {y.shape}; 4 images need as many classes")


BOXES = np.array([[[1, 0.1, 0.2, 0.3, 0.4, 0], [-1, 0, 0, 0, 0, 0]], [[0, 0, 0, 1, 1, 1], [3, 0.5, 0.5, 0.6, 0.9, 0]]])


def test_boxes_are_boxes() -> None:
    got = as_boxes("some", BOXES, 2)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, BOXES.astype(np.float32))
    assert as_boxes("some", BOXES[:, :0], 2).shape == (2, 0, 6)


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        (BOXES[:1], "y is float64 of shape (1, 2, 6); 2 images need boxes (N, M, 6)"),
        (BOXES[..., :5], "2 images need boxes (N, M, 6)"),
        (BOXES.astype(str), "2 images need boxes (N, M, 6)"),
        (BOXES * [1, 640, 480, 640, 480, 1], "corners from 0 to 640; they are shares of the width and height"),
        (BOXES[..., [0, 3, 4, 1, 2, 5]], "boxes that end before they begin"),
        (np.where(BOXES == 1, 0.5, BOXES), "a box of class 0.5"),
        (np.where(BOXES == 0.9, np.nan, BOXES), "is not finite"),
    ],
)
def test_boxes_that_are_none(boxes: np.ndarray, words: str) -> None:
    refused(lambda: as_boxes("some", boxes, 2), "some: y", words)

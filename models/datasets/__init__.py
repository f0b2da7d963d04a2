"""Images and what they show, by name or from a file; nothing is ever unpickled."""

from models.datasets.files import DatasetError, npz_arrays
from models.datasets.loading import Dataset, content_hash, found_file, load_dataset
from models.datasets.photos import SIDE as PHOTO_SIDE
from models.datasets.preprocessing import CIFAR10_MEAN, CROP, centred, rectified
from models.datasets.scenes import scenes

__all__ = [
    "CIFAR10_MEAN",
    "CROP",
    "PHOTO_SIDE",
    "Dataset",
    "DatasetError",
    "centred",
    "content_hash",
    "found_file",
    "load_dataset",
    "npz_arrays",
    "rectified",
    "scenes",
]

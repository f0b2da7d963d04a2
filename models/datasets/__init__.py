"""Images and what they show, by name or from a file; nothing is ever unpickled."""

from models.datasets.files import npz_arrays
from models.datasets.loading import Dataset, content_hash, find_file, load_dataset
from models.datasets.meaning import DatasetError, flat
from models.datasets.photos import SIDE as PHOTO_SIDE
from models.datasets.preprocessing import CIFAR10_MEAN, CROP, centre, rectify
from models.datasets.scenes import compose_scenes

__all__ = [
    "CIFAR10_MEAN",
    "CROP",
    "PHOTO_SIDE",
    "Dataset",
    "DatasetError",
    "centre",
    "compose_scenes",
    "content_hash",
    "find_file",
    "flat",
    "load_dataset",
    "npz_arrays",
    "rectify",
]

"""Training the shipped networks again, by recipes; needs the extra `train` (PyTorch)."""

from models.train.loop import train
from models.train.recipes import RECIPES, Recipe

__all__ = ["RECIPES", "Recipe", "train"]

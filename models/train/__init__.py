"""Training the shipped networks again by recipes, as a command; needs the extra `train` (PyTorch)."""

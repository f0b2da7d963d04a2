"""What things are: networks, neurons, input codes, images and trained weights. Imports nothing else of ours."""

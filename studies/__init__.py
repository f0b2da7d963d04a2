"""What is asked: declared sweeps, their metrics, figures and report, and the command line."""

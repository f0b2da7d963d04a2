"""Serve a notebook as a page of this machine alone: `python notebooks/serve.py notebooks/lab.py`.

The page has an address with a token that nobody can guess. What follows the notebook is handed to `marimo run`.
"""

import runpy
import sys

import studies.lab  # noqa: F401  # here, since Brian2 wants to be imported by the main thread, and notebooks have others

if __name__ == "__main__":
    sys.argv = ["marimo", "run", *sys.argv[1:], "--host", "127.0.0.1", "--token"]
    runpy.run_module("marimo", run_name="__main__")

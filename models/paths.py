"""Where the project's files are: the one place that knows the layout of the checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "models" / "weights"
STUDIES = ROOT / "studies"
RESULTS = ROOT / "results"
DATA = (ROOT / "data", ROOT.parent / "shared" / "data", Path("/usr/share/datasets"))  # the last is Debian's


def is_ours(path: Path) -> bool:
    """Whether a file or folder lies in the checkout."""
    return path.resolve().is_relative_to(ROOT)

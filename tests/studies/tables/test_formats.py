"""Tables for papers: CSV, Markdown and LaTeX say the same, with the names of papers."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from studies.tables.formats import latex, write_formats

METRICS = pd.DataFrame(
    [("poisson", 0.5, seed, time, accuracy, 0.96, 7.0, 5.0, 1000.0 * time, 20.0, 30.0)
     for seed, time, accuracy in ((0, 5, 0.5), (0, 10, 0.9), (1, 5, 0.7), (1, 10, 0.95))],
    columns=["encoder", "v_th", "seed", "time_ms", "accuracy", "ann_accuracy", "time_to_99_ms", "time_to_99_9_ms",
             "spikes_per_image", "energy_nj", "ann_energy_nj"],
)  # fmt: skip


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.split("|")[1:-1]]


def test_all_formats_hold_the_same_cells(tmp_path: Path) -> None:
    csv, md, tex = write_formats(METRICS, tmp_path)
    table = pd.read_csv(csv, dtype=str, keep_default_na=False)
    lines = md.read_text().splitlines()
    assert cells(lines[0]) == list(table.columns)
    assert cells(lines[2]) == list(table.iloc[0]) == [
        "Poisson", "0.5", "92.50 ± 31.77", "96.00", "7.00", "-", "-", "5.00", "10,000", "20.00", "30.00",
    ]  # fmt: skip
    header, row = re.findall(r"^(.*) \\\\$", tex.read_text(), flags=re.MULTILINE)
    assert [cell.strip().replace("\\%", "%") for cell in header.split("&")] == list(table.columns)
    assert [cell.strip() for cell in row.split("&")] == list(table.iloc[0])


def test_latex_is_escaped_and_ruled_with_measures_on_the_right() -> None:
    text = latex(pd.DataFrame({"share_of (%)": ["1.0 ± 2.0", "-"], "name": ["a_b & 50 %", "c"]}))
    assert text.startswith("\\begin{tabular}{rl}\n\\toprule\nshare\\_of (\\%) & name \\\\\n\\midrule\n")
    assert "a\\_b \\& 50 \\%" in text
    assert text.endswith("\\bottomrule\n\\end{tabular}\n")

"""Reports: whole in themselves, what they show is what the tables and the text say, and a click sorts by value."""

from __future__ import annotations

import base64
import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from studies.declare.study import load_study
from studies.draw.declared import draw_figures
from studies.report.pages import write_index, write_report
from studies.report.text import report_of
from studies.tables.store import ResultsError, claim_folder, write_run, write_table

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ACCURACY = {"none": 0.5, "data": 0.985, "channel": 0.0875}


class Seen(HTMLParser):
    """The addresses that a page loads or links, and its tables as lists of rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        given = dict(attrs)
        if tag == "a":
            self.links.append(given["href"])
        elif "src" in given or "href" in given or "srcset" in given:
            self.loaded.append(given.get("src") or given.get("href") or given["srcset"])
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.cell = True
            self.tables[-1][-1].append("")

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.tables[-1][-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("td", "th")


@pytest.fixture
def folder(study_file: Path, tmp_path: Path) -> Path:
    """Results of the tiny study with a page, one of whose images is elsewhere."""
    study, folder = load_study(study_file), tmp_path / "results" / "tiny"
    account = {
        **study.identity(folder),
        "versions": {"python": "3.11", "brian2": "2.9"},
        "code_sha256": "abc",
        "keys": ["k"],
    }
    claim_folder(folder, account)
    write_run(folder, account)
    rows = [
        (scheme, seed, time, accuracy if time == 20.0 else 0.0, 0.99)
        for scheme, accuracy in ACCURACY.items() for seed in (0, 1) for time in (10.0, 20.0)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["normalization", "seed", "time_ms", "accuracy", "ann_accuracy"])
    write_table(folder, "metrics", [table.assign(time_to_99_ms=20.0, spikes_per_image=4, energy_nj=1, ann_energy_nj=2)])
    draw_figures(study, folder)
    shutil.copy(folder / "accuracy.png", folder / "other.png")
    (folder / "README.md").write_text(
        "# Tiny\n\nIs 1 < 2?\n\n![Shown](accuracy.png)\n\n![Elsewhere](https://example.org/a.png)\n\n"
        "[another](../codes/README.md), [all](../README.md#found)\n\n| a | b |\n|---|---|\n| 1 | *x* |\n"
    )
    return folder


def test_a_report_needs_no_other_file_and_no_network(folder: Path) -> None:
    text = write_report(folder).read_text()
    seen = Seen(text)
    assert seen.loaded
    assert all(address.startswith("data:") for address in seen.loaded)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket", text)
    assert "https://example.org/a.png" in seen.links  # not loaded, but there to click


def test_each_figure_is_there_once_with_its_bytes(folder: Path) -> None:
    seen = Seen(write_report(folder).read_text())
    images = [base64.b64decode(address.partition(",")[2]) for address in seen.loaded if "png" in address]
    assert images == [(folder / "accuracy.png").read_bytes(), (folder / "other.png").read_bytes()]


def test_text_question_settings_and_versions_are_there(folder: Path) -> None:
    text = write_report(folder).read_text()
    own, summary, settings, runs = Seen(text).tables
    assert own == [["a", "b"], ["1", "x"]]
    assert [row[:3] for row in summary[1:]] == [
        ["none", "50.00", "99.00"], ["data-based", "98.50", "99.00"], ["channel-wise", "8.75", "99.00"]
    ]  # fmt: skip
    assert ["fixed", "dataset", "digits8"] in settings
    assert ["grid", "normalization", "none, data"] in settings
    assert runs == [
        ["run", "conditions", "python", "brian2", "SHA-256 of the code"],
        ["tiny", "1", "3.11", "2.9", "abc"],
    ]
    assert "Is 1 &lt; 2?" in text
    (folder / "README.md").unlink()
    assert "Does it run?" in write_report(folder).read_text()


def test_what_a_file_says_is_no_html(folder: Path) -> None:
    run = (folder / "run.json").read_text()
    (folder / "run.json").write_text(run.replace('"Tiny"', '"<script>alert(1)</script>"'))
    text = write_report(folder).read_text()
    assert "<script>alert" not in text
    assert html.escape("<script>alert(1)</script>") in text


def test_links_between_pages_lead_to_reports(folder: Path) -> None:
    links = Seen(write_report(folder).read_text()).links
    assert {"../codes/report.html", "../index.html#found", "metrics.csv"} <= set(links)
    assert report_of("summary.md") == "summary.md"
    assert report_of("https://example.org/README.md") == "https://example.org/README.md"
    assert report_of("normalization/README.md") == "normalization/report.html"


def test_the_index_names_every_study(folder: Path) -> None:
    path = write_index([folder], folder.parent)
    seen = Seen(path.read_text())
    assert path == folder.parent / "index.html"
    assert "tiny/report.html" in seen.links
    assert all(address.startswith("data:") for address in seen.loaded)
    assert "Does it run?" in path.read_text()


def test_a_study_that_has_not_run_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="there is no run of a study in"):
        write_report(tmp_path)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_click_sorts_by_value_and_enlarges(folder: Path) -> None:
    click = """<script>
      const heading = document.querySelectorAll("table.sortable")[0].tHead.rows[0].cells[1];
      const body = document.querySelectorAll("table.sortable")[0].tBodies[0];
      const first = () => [...body.rows].map(row => row.cells[1].textContent).join(" ");
      const said = document.body.dataset;
      heading.querySelector("button").click(); said.up = first() + heading.getAttribute("aria-sort");
      heading.querySelector("button").click(); said.down = first();
      document.querySelector("main img").click(); said.large = document.getElementById("large").open;
    </script></body>"""
    page = folder / "clicked.html"
    page.write_text(write_report(folder).read_text().replace("</body>", click))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert 'data-up="8.75 50.00 98.50ascending"' in dom
    assert 'data-down="98.50 50.00 8.75"' in dom
    assert 'data-large="true"' in dom

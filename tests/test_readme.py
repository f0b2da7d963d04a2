"""What the README and the pages behind it show must work: snippets, studies, commands and links."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest

from models.paths import ROOT
from studies.__main__ import main
from studies.declare.conditions import KEYS
from studies.declare.study import parse_study

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("*.md")}
NETWORK, HANDS = (PAGES[Path("notebooks", name)] for name in ("your_own_network.md", "brian2_in_your_hands.md"))
NAMES = (ROOT / "studies" / "NAMES.md").read_text(encoding="utf-8")


def block(language: str, text: str = README) -> str:
    """The first one in a language."""
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found, f"no {language} block"
    return found[1]


def test_the_snippet_ends_with_a_converted_network_close_to_the_ann(capsys):
    exec(compile(block("python"), "README.md", "exec"), {})
    shown = dict(line.split() for line in capsys.readouterr().out.splitlines()[1:])
    assert abs(float(shown["accuracy"]) - float(shown["ann_accuracy"])) <= 0.03


def test_the_network_in_hand_answers_as_the_ann_does_in_spite_of_what_is_done_to_it():
    """Of 50 ms at up to 1000 Hz the output sees all but the steps that its input takes."""
    names: dict = {}
    exec(compile(block("python").partition("recording =")[0], "README.md", "exec"), names)
    exec(compile(block("python", HANDS), "brian2_in_your_hands.md", "exec"), names)
    network, image = names["network"], names["digits"].x[:1]
    assert network.output.counts.argmax() == names["predict"](names["graph"], image)[0].argmax()
    assert 0 < network.output.counts.max() <= 50 - network.output.latency / names["ms"]
    assert names["spikes"].num_spikes > 0
    assert list(np.unique(names["layer"].v_th)) == [1, 2]


def test_the_sweep_and_the_files_of_a_notebook(monkeypatch, tmp_path):
    names: dict = {}
    page = PAGES[Path("notebooks", "your_own_notebook.md")]
    exec(compile(block("python").partition("print(")[0].replace(":100]", ":3]"), "README.md", "exec"), names)
    monkeypatch.chdir(tmp_path)
    for snippet in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(snippet, "your_own_notebook.md", "exec"), names)
    assert list(names["table"]["normalization"].unique()) == ["data", "channel"]
    assert len(names["images"]) == 20
    assert str(names["recording"]).startswith("3 images, 100 ms")


def test_the_study_is_sound():
    assert len(parse_study(tomllib.loads(block("toml")), "mine", ROOT).conditions) == 18


def test_the_command_that_looks_into_a_shipped_network_is_accepted(monkeypatch, tmp_path):
    monkeypatch.setattr("studies.look._figures", lambda jobs, image: {})  # all is checked before anything is simulated
    (command,) = re.findall(r"brianize (look digit_detector.*?)\n\n", NETWORK, re.DOTALL)
    assert main([*shlex.split(command.replace("\\\n", " ")), "--results", str(tmp_path)]) == 0


LINKS = [
    (page, link)
    for page, text in {Path("README.md"): README, **PAGES}.items()
    for link in sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", text)))
]


@pytest.mark.parametrize(("page", "link"), LINKS, ids=str)
def test_links_lead_somewhere(page, link):
    assert (ROOT / page.parent / link).exists()


def test_names_are_keys_that_exist():
    settings = set(re.findall(r"`(\w+) = \"", NAMES) + re.findall(r"`(\w+_(?:ms|hz))`", NAMES)) - {"time_ms"}
    assert {"normalization", "v_init", "residual_ms"} <= settings <= KEYS.keys()

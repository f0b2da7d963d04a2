"""Variants beside each other where a grid would cross them, and what is said about those that are wrong."""

from __future__ import annotations

import tomllib

import pandas as pd
import pytest

from models.paths import STUDIES
from studies.declare.conditions import StudyError
from studies.declare.study import Study, load_study, parse_study
from studies.draw.declared import draw_figures
from studies.run.runner import run_study
from studies.tables.summary import summary
from tests.studies.conftest import STUDY

VARIANTS = """
[[variants]]
name = "base"
[[variants]]
name = "low threshold"
v_th = 0.5
[[variants]]
name = "both"
v_th = 0.5
reset = "zero"
duration_ms = 10
[grid]
"""


def text(variants: str = VARIANTS) -> str:
    return STUDY.replace("[grid]\n", variants).replace('hue = "normalization"', 'hue = "variant"')


def parsed(content: str, quick: bool = False) -> Study:
    return parse_study(tomllib.loads(content), "tiny", STUDIES, quick)


def test_each_variant_changes_its_keys_alone_at_every_point_of_the_grid():
    found = {}
    for condition, name in parsed(text()).variant_of.items():
        found.setdefault(name, []).append(condition)
    expected = {"base": (1.0, "subtract", 20), "low threshold": (0.5, "subtract", 20), "both": (0.5, "zero", 10)}
    assert list(found) == list(expected)
    for name, conditions in found.items():
        assert {(c.v_th, c.reset, c.duration_ms) for c in conditions} == {expected[name]}
        assert [(c.normalization, c.seed) for c in conditions] == [(n, s) for n in ("none", "data") for s in range(3)]


def test_a_variant_may_make_a_key_matter_or_not():
    """Percentiles matter to one variant, the calibration images to all but the one without normalisation."""
    content = text(
        '[[variants]]\nname = "a"\nnormalization = "percentile"\npercentile = 99\n[[variants]]\nname = "b"\n'
    )
    content = content.replace('normalization = ["none", "data"]', "[grid]")
    assert [(c.percentile, c.calibration) for c in parsed(content).conditions[::3]] == [(99, 30), (None, None)]


def test_the_quick_version_keeps_the_variants():
    assert list(parsed(text(), quick=True).variant_of.values()) == ["base"] * 2 + ["low threshold"] * 2 + ["both"] * 2


def test_tables_figures_and_report_name_the_variant(study_file, tmp_path):
    study_file.write_text(text())
    loaded = load_study(study_file, quick=True)
    folder = run_study(loaded, tmp_path / "out")
    table = pd.read_csv(folder / "metrics.csv")
    assert list(table.columns[:3]) == ["variant", "normalization", "seed"]
    ends = table.groupby("variant")["time_ms"].max()
    assert dict(ends) == {"base": 20, "low threshold": 20, "both": 10}
    assert loaded.content()["variants"]["both"] == {"v_th": 0.5, "reset": "zero", "duration_ms": 10}
    assert list(summary(table)["variant"]) == ["base"] * 2 + ["low threshold"] * 2 + ["both"] * 2
    drawn = draw_figures(loaded, folder, ("svg",))[0].read_text()
    assert "low threshold" in drawn


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "base"', "", "variant: name is missing; it must be a text"),
        ('name = "base"', "name = 3", "variant: name is 3; it must be a text"),
        ('name = "base"', 'name = "both"', "variant: name is 'both'; it is there twice"),
        ('name = "base"', 'name = "base"\nv_thresh = 1', "unknown key 'v_thresh'; did you mean 'v_th'"),
        ('name = "base"', 'name = "base"\nv_th = 0', "v_th is 0; it must be a number above 0"),
        ('name = "base"', 'name = "base"\nv_th = [1, 2]', r"v_th is \[1, 2\]; it must be a number above 0"),
        (
            'name = "low threshold"\nv_th = 0.5',
            'name = "low threshold"\nv_th = 1',
            "variants 'base' and 'low threshold' are the same",
        ),
        ('name = "base"', 'name = "base"\nseed = 1', r"seed is in variant 'base' \(1\) and in \[grid\]"),
        ('name = "base"', 'name = "base"\npercentile = 99', "percentile is 99, but has no effect: normalization is"),
        ('[[variants]]\nname = "base"', "", r"v_th is in \[fixed\] \(1\), but every variant has its own; keep one"),
        ("[[variants]]", "[variants]", "variants is .*; it must be a list of tables"),
    ],
)
def test_wrong_variants(old, new, message):
    content = text().replace("[fixed]", "[fixed]\nv_th = 1", 1)
    if old == "[[variants]]":
        content = text('[variants]\nname = "base"\n[grid]\n')
    with pytest.raises(StudyError, match=message):
        parsed(content.replace(old, new, 1))


def test_a_column_of_variants_is_there_only_if_they_are():
    with pytest.raises(StudyError, match="unknown column of metrics in figure 'accuracy' 'variant'"):
        parsed(text("[grid]\n"))

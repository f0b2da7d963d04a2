"""A study's file, its grid and its variants: what they become, and what is said about one that is wrong."""

from __future__ import annotations

import os
import tomllib

import pandas as pd
import pytest

from models.paths import STUDIES
from studies.declare.errors import StudyError
from studies.declare.study import Study, load_study, parse_study, study_names
from studies.draw import PAGE
from studies.draw.declared import draw_figures
from studies.run.runner import run_study
from studies.tables.summary import summary
from tests.studies.conftest import STUDY


def parsed(text: str = STUDY, quick: bool = False) -> Study:
    return parse_study(tomllib.loads(text), "tiny", STUDIES, quick)


def test_grid_is_a_product_with_the_last_key_fastest():
    points = [(c.normalization, c.seed) for c in parsed().conditions]
    assert points == [("none", 0), ("none", 1), ("none", 2), ("data", 0), ("data", 1), ("data", 2)]


def test_seed_is_the_last_column_even_where_the_grid_names_it_first():
    text = STUDY.replace("seed = [0, 1, 2]\n[quick]", "[quick]").replace("[grid]", "[grid]\nseed = [0, 1]")
    assert parsed(text).columns == ("normalization", "seed")
    assert [(c.seed, c.normalization) for c in parsed(text).conditions][:2] == [(0, "none"), (0, "data")]


def test_a_point_that_differs_only_in_keys_without_effect_comes_once():
    text = STUDY.replace("[grid]", '[grid]\nneuron = ["if", "lif"]\ntau_m_ms = [10, 20]')
    combinations = {(c.neuron, c.tau_m_ms) for c in parsed(text).conditions}
    assert combinations == {("if", None), ("lif", 10.0), ("lif", 20.0)}
    assert len(parsed(text).conditions) == 3 * 6


def test_quick_replaces_values_and_lists():
    quick = parsed(quick=True)
    assert [(c.images, c.normalization, c.seed) for c in quick.conditions] == [(4, "none", 0), (4, "data", 0)]


def test_quick_replaces_the_values_of_variants_too():
    variants = '[[variants]]\nname = "many"\nimages = 1000\n[[variants]]\nname = "late"\nevaluation_delay_ms = 5\n'
    text = STUDY.replace("[quick]", f"{variants}[quick]")
    assert {c.images for c in parsed(text).conditions} == {1000, 12}
    assert {c.images for c in parsed(text, quick=True).conditions} == {4}


def test_quick_keeps_the_columns_of_the_grid_and_may_add_to_it():
    quick = parsed(STUDY.replace("images = 4", 'normalization = "data"\nimages = [2, 3]'), quick=True)
    assert quick.columns == ("normalization", "images", "seed")
    assert [(c.normalization, c.images) for c in quick.conditions] == [("data", 2), ("data", 3)]


@pytest.mark.parametrize("name", study_names())
@pytest.mark.parametrize("quick", [False, True])
def test_shipped_studies_are_sound(name, quick):
    loaded = load_study(name, quick)
    assert loaded.conditions
    assert loaded.figures
    assert loaded.question.endswith("?")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[fixed]", "[fix]", r"unknown key 'fix'; did you mean 'fixed'\?"),
        ('title = "Tiny"', "", "title is missing; it must be a text"),
        ('title = "Tiny"', "title = 3", "title is 3; it must be a text"),
        ("duration_ms = 20", "duration = 20", r"unknown key 'duration'; did you mean 'duration_ms'\?"),
        ("duration_ms = 20", "duration_ms = [20]", r"duration_ms is \[20\]; it must be a number above 0, in ms"),
        ('["none", "data"]', '["none", "dta"]', "normalization is 'dta'; it must be one of 'none'"),
        ('["none", "data"]', "[]", r"grid: normalization is \[\]; it must be a list of at least one value"),
        ('["none", "data"]', '"data"', "grid: normalization is 'data'; it must be a list"),
        ('["none", "data"]', '["data", "data"]', "a value is there twice"),
        ("[grid]", "[grid]\nv_thresh = [1]", r"unknown key 'v_thresh'; did you mean 'v_th'\?"),
        ("[grid]", "[grid]\nimages = [5]", r"images is in \[fixed\] \(12\) and in \[grid\] \(\[5\]\); keep one"),
        (
            "[fixed]",
            "[fixed]\ntau_m_ms = 5",
            "tau_m_ms is 5, but has no effect: neuron is 'if', and only 'lif' uses it",
        ),
        ("[fixed]", "[fixed]\npercentile = 99", "percentile is 99, but has no effect: normalization is 'none', 'data'"),
        (
            '["none", "data"]',
            '["none", "model"]',
            r"calibration is 30, but has no effect: normalization is 'none', 'model', and only .* or 'spike' uses it; "
            "bias_calibration is 'none', and only 'mean' uses it",
        ),
        ("[quick]", "[quick]\nimage = 3", r"unknown key 'image'; did you mean 'images'\?"),
        ("[quick]", "[quick]\nv_th = []", "grid: v_th is"),
        ("[quick]", "[[quick]]", r"quick is .*; it must be a table, \[quick\]"),
        ("[[figures]]", "[figures]", r"figures is .*; it must be a list of tables"),
        ('plot = "lineplot"', 'plot = "piechart"', "unknown plot of figure 'accuracy' 'piechart'.*known: lineplot"),
        ('plot = "lineplot"', 'plot = "heatmap"', "a heatmap needs `hue`, and has no `ceiling` or `theory`"),
        ('plot = "lineplot"', "", "figure: plot is missing"),
        ('y = "accuracy"', 'y = "acuracy"', r"unknown column of metrics .*'acuracy'; did you mean 'accuracy'\?"),
        ('hue = "normalization"', 'hue = "v_th"', "unknown column of metrics in figure 'accuracy' 'v_th'"),
        ('hue = "normalization"', 'color = "seed"', "unknown key of a figure 'color'"),
        ('hue = "normalization"', "hue = 1", "figure: hue is 1; it must be a text"),
        ('hue = "normalization"', "where = 1", "figure: where is 1; it must be a table"),
        ('hue = "normalization"', 'table = "rows"', "unknown table of figure 'accuracy' 'rows'"),
        ('hue = "normalization"', 'log = "z"', "unknown log of figure 'accuracy' 'z'"),
        ('name = "accuracy"', 'name = "../accuracy"', "figure: name is '../accuracy'"),
        (
            'hue = "normalization"',
            "where = { time_ms = 4 }",
            "figure 'accuracy': no condition has time_ms = 4; there are 5, 10, 15, 20",
        ),
        (
            'hue = "normalization"',
            "where = { time_ms = [4, 25] }",
            r"no condition has time_ms = \[4, 25\]; there are 5,",
        ),
        ('hue = "normalization"', "where = { time_ms = [5, 4] }", "no condition has time_ms = 4; there are 5,"),
        ('hue = "normalization"', 'where = { time_ms = "last" }', "no condition has time_ms = 'last'; there are 5, 10"),
        (
            'hue = "normalization"',
            'where = { normalization = "dta" }',
            "no condition has normalization = 'dta'; there are 'data', 'none'",
        ),
        ('hue = "normalization"', "where = { seed = [7] }", r"no condition has seed = \[7\]; there are 0, 1, 2"),
        (
            'hue = "normalization"',
            "where = { seed = [[0]] }",
            r"where has seed = \[\[0\]\]; it must be a value or a list",
        ),
        ('hue = "normalization"', "where = { time_ms.a = 1 }", r"where has time_ms = \{'a': 1\}; it must be a value"),
        ("[grid]", "[grid]\nv_th = 1", "grid: v_th is 1; it must be a list of at least one value"),
        ("[0, 1, 2]", str(list(range(50_001))), "the grid has 100,002 points, but a study at most 100,000; shorten"),
    ],
)
def test_wrong_study(old, new, message):
    assert old in STUDY
    with pytest.raises(StudyError, match=message):
        parsed(STUDY.replace(old, new, 1))


def test_quick_needs_its_section():
    text = STUDY.replace("[quick]\nimages = 4\nseed = [0]\n", "")
    with pytest.raises(StudyError, match=r"no \[quick\] section"):
        parsed(text, quick=True)


def test_broken_file_names_file_and_line(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("title = \n")
    with pytest.raises(StudyError, match=r"broken.toml: .*line 1"):
        load_study(path)


@pytest.mark.parametrize(
    ("settings", "first", "last"),
    [
        ("", 5, 20),
        ("evaluation_delay_ms = 7", 10, 20),
        ("residual_ms = 3", 8, 23),
        ("dt_ms = 0.1\nresidual_ms = 0.3", 5.3, 20.3),
    ],
)
def test_a_figure_of_a_time_needs_one_that_is_read(settings, first, last):
    """After the delay and the first stage; it is said before anything is simulated."""
    text = STUDY.replace("[fixed]", f'[fixed]\nneuron = "if"\n{settings}')
    for time in (first, last):
        assert parsed(text.replace("ceiling", f"where = {{ time_ms = {time} }}\nceiling")).figures
    for time in (first - 5, last + 5):
        with pytest.raises(StudyError, match=f"time_ms = {time}"):
            parsed(text.replace("ceiling", f"where = {{ time_ms = {time} }}\nceiling"))


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.toml", "there is no file none.toml"), ("normalisation", "did you mean 'normalization'")],
)
def test_no_such_study(name, message):
    with pytest.raises(StudyError, match=message):
        load_study(name)


# Variants


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


def with_variants(variants: str = VARIANTS) -> str:
    return STUDY.replace("[grid]\n", variants).replace('hue = "normalization"', 'hue = "variant"')


def test_each_variant_changes_its_keys_alone_at_every_point_of_the_grid():
    found = {}
    for condition, name in parsed(with_variants()).variant_of.items():
        found.setdefault(name, []).append(condition)
    expected = {"base": (1.0, "subtract", 20), "low threshold": (0.5, "subtract", 20), "both": (0.5, "zero", 10)}
    assert list(found) == list(expected)
    for name, conditions in found.items():
        assert {(c.v_th, c.reset, c.duration_ms) for c in conditions} == {expected[name]}
        assert [(c.normalization, c.seed) for c in conditions] == [(n, s) for n in ("none", "data") for s in range(3)]


def test_a_variant_may_make_a_key_matter_or_not():
    """Percentiles matter to one variant, the calibration images to all but the one without normalisation."""
    content = with_variants(
        '[[variants]]\nname = "a"\nnormalization = "percentile"\npercentile = 99\n[[variants]]\nname = "b"\n'
    )
    content = content.replace('normalization = ["none", "data"]', "[grid]")
    assert [(c.percentile, c.calibration) for c in parsed(content).conditions[::3]] == [(99, 30), (None, None)]


def test_the_quick_version_keeps_the_variants():
    assert (
        list(parsed(with_variants(), quick=True).variant_of.values())
        == ["base"] * 2 + ["low threshold"] * 2 + ["both"] * 2
    )


def test_tables_figures_and_report_name_the_variant(study_file, tmp_path):
    study_file.write_text(with_variants())
    loaded = load_study(study_file, quick=True)
    folder = run_study(loaded, tmp_path / "out")
    table = pd.read_csv(folder / "metrics.csv")
    assert list(table.columns[:3]) == ["variant", "normalization", "seed"]
    ends = table.groupby("variant")["time_ms"].max()
    assert dict(ends) == {"base": 20, "low threshold": 20, "both": 10}
    assert loaded.content()["variants"]["both"] == {"v_th": 0.5, "reset": "zero", "duration_ms": 10}
    assert list(summary(table)["variant"]) == ["base"] * 2 + ["low threshold"] * 2 + ["both"] * 2
    drawn = draw_figures(loaded, folder, PAGE._replace(endings=("svg",)))[0].read_text()
    assert "low threshold" in drawn


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "base"', "", "variant: name is missing; it must be a text"),
        ('name = "base"', "name = 3", "variant: name is 3; it must be a text"),
        ('name = "base"', 'name = "both"', "variant: name is 'both'; it is there twice"),
        ('name = "base"', 'name = "base"\nv_thresh = 1', "unknown key 'v_thresh'; did you mean 'v_th'"),
        ('name = "base"', 'name = "base"\nv_th = 0', "v_th is 0; it must be a number above 0"),
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
    content = with_variants().replace("[fixed]", "[fixed]\nv_th = 1", 1)
    if old == "[[variants]]":
        content = with_variants('[variants]\nname = "base"\n[grid]\n')
    with pytest.raises(StudyError, match=message):
        parsed(content.replace(old, new, 1))


def test_a_column_of_variants_is_there_only_if_they_are():
    with pytest.raises(StudyError, match="unknown column of metrics in figure 'accuracy' 'variant'"):
        parsed(with_variants("[grid]\n"))


# The file itself


def test_a_byte_order_mark_is_no_part_of_a_study(study_file):
    plain = load_study(study_file)
    study_file.write_bytes(b"\xef\xbb\xbf" + study_file.read_bytes())
    assert load_study(study_file) == plain


@pytest.mark.parametrize(
    "values",
    [
        f"title = {'[' * 10_000}{']' * 10_000}",
        f"title = {'{a = ' * 10_000}1{'}' * 10_000}",
        f"{STUDY.split('[grid]')[0]}tau_m_ms = {'[' * 500}{']' * 500}",
        f"{STUDY}[fixed.tau_m_ms.{'.'.join('a' * 10_000)}]",
    ],
    ids=["arrays", "tables", "a setting", "a header"],
)
def test_values_that_are_nested_too_deeply_are_one_line(study_file, values):
    study_file.write_text(values)
    with pytest.raises(StudyError, match=r"tiny\.toml: its values are nested too deeply to be read"):
        load_study(study_file)


@pytest.mark.parametrize("digits", [30, 5000])
def test_a_number_of_many_digits_is_one_line(study_file, digits):
    study_file.write_text(STUDY.replace("images = 12", f"images = 1{'0' * digits}"))
    with pytest.raises(StudyError, match=r"tiny\.toml: (images is 10*; it must be|Exceeds the limit)"):
        load_study(study_file)


def test_a_file_that_is_too_large_for_a_study_is_not_read(study_file):
    with study_file.open("r+b") as file:
        file.truncate(10**12)  # of which the disk holds a page
    with pytest.raises(StudyError, match=r"tiny\.toml has 1,000,000,000,000 bytes, but a study at most 1,000,000"):
        load_study(study_file)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_not_waited_for(tmp_path, make):
    path = tmp_path / "study.toml"
    make(path)
    with pytest.raises(StudyError, match=r"study\.toml is not a file"):
        load_study(path)


def test_a_seed_that_no_table_holds_is_refused():
    with pytest.raises(StudyError, match=r"seed is 9223372036854775808; it must be a whole number from 0 to 2\^63 - 1"):
        parse_study({"title": "", "question": "", "fixed": {"seed": 2**63}}, "x", STUDIES)

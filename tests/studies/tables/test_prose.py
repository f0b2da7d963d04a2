"""Pages of text: what fills them, errors that name a place, and the committed pages against the committed tables."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from studies.__main__ import main
from studies.declare import study
from studies.tables import prose
from studies.tables.quoted import Source
from studies.tables.templates import ProseError, fill

PAGES = sorted(prose.pages())


@pytest.fixture
def places(tmp_path):
    """A folder of templates and one of results, with a study of two conditions."""
    templates, folder = tmp_path / "studies", tmp_path / "results"
    (folder / "some").mkdir(parents=True)
    templates.mkdir()
    rows = {"v_th": [1, 2], "seed": [0, 0], "time_ms": [5, 5], "accuracy": [0.25, 0.5]}
    pd.DataFrame(rows).to_csv(folder / "some" / "metrics.csv", index=False)
    account = {"title": "Some", "study": {"question": "What?", "fixed": {"images": 100}}}
    (folder / "some" / "run.json").write_text(json.dumps(account))
    (templates / "some.md.j2").write_text('It is {{ value("accuracy", v_th=2) }}.\n')
    (templates / "README.md.j2").write_text('All: {{ value("accuracy", v_th=1, study="some") }}.\n')
    return templates, folder


def test_every_template_has_its_page_and_the_page_of_all_is_on_top(places):
    assert prose.render_pages(*places) == [places[1] / "README.md", places[1] / "some" / "README.md"]
    assert (places[1] / "README.md").read_text() == "All: 25.0 %.\n"
    assert (places[1] / "some" / "README.md").read_text() == "It is 50.0 %.\n"


def test_a_study_that_was_not_run_has_no_page_yet(places):
    (places[0] / "later.md.j2").write_text('It will be {{ value("accuracy", v_th=2) }}.\n')
    assert places[1] / "later" / "README.md" not in prose.render_pages(*places)
    prose.check_pages(*places)


def test_what_is_up_to_date_is_left_alone_and_what_is_not_is_named(places):
    prose.render_pages(*places)
    assert prose.render_pages(*places) == []
    prose.check_pages(*places)
    (places[1] / "some" / "README.md").write_text("It is 51.0 %.\n")
    with pytest.raises(
        ProseError, match=r"not up to date with templates and tables: some/README\.md; `brianize prose`"
    ):
        prose.check_pages(*places)


def test_no_page_is_written_if_one_cannot_be_filled(places):
    (places[0] / "some.md.j2").write_text('{{ value("accuracy") }}')
    with pytest.raises(ProseError):
        prose.render_pages(*places)
    assert not (places[1] / "README.md").exists()


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ('value("accuracy")', r"page, line 3: value\('accuracy'\): 2 rows are left.*v_th is 1, 2"),
        ('value("accuracy", v_th=3)', r"page, line 3: value\('accuracy', v_th=3\): no row has v_th = 3"),
        ("accuracies(v_th=1)", r"page, line 3: b \{\{ accuracies\(v_th=1\) \}\}: 'accuracies' is undefined"),
        ("1 / 0", "page, line 3: .*division by zero"),
        ("1 +", "page, line 3: "),
    ],
)
def test_an_error_names_template_line_and_expression(places, expression, message):
    with pytest.raises(ProseError, match=message):
        fill(f"a\n\nb {{{{ {expression} }}}}\nc", "page", Source(places[1], "some"))


def test_every_study_has_a_page_and_the_page_of_all_links_to_it():
    page = (prose.RESULTS / "README.md").read_text(encoding="utf-8")
    for name in {*study.study_names(), "look", "throughput"}:
        assert prose.RESULTS / name / "README.md" in PAGES
        assert f"]({name}/README.md)" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_links_and_figures_lead_somewhere(page):
    links = set(re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_command_finds_the_committed_pages_to_be_what_templates_and_tables_say():
    assert main(["prose", "--check"]) == 0
